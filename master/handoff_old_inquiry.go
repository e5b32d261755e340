// Inquiry: if the new workers cannot reach a server, the handoff fails only if the old ones can. An open connection proves
// nothing, since the server may hang, and neither does the lack of one, since no request may have needed it. So the old workers
// send it a request.

package master

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	inquiryTime  = time.Second // for a server to answer: as long as it has to answer a new worker
	inquiryEvery = 50 * time.Millisecond
)

// inquiry is the state while answers of servers are awaited.
type inquiry struct {
	prepared message
	doubtful []doubtful
	until    time.Time
}

// doubtful is a server that new workers cannot reach, and old ones perhaps can.
type doubtful struct {
	link.Unreachable
	pool, server int    // indexes in the generation that serves
	heard        uint64 // when it had last answered, as of the inquiry
	known        bool   // its workers share that; workers of an older build do not
}

// findDoubtful finds an unreachable server in the generation, and reports whether workers of the generation may reach it: they
// can be asked to, or are connected to it.
func (g *generation) findDoubtful(u link.Unreachable) (d doubtful, ok bool) {
	for i := range g.pools {
		for k, s := range g.pools[i].Servers {
			if g.pools[i].Name != u.Pool || g.called(i, &s) != u.Server {
				continue
			}
			heard, known := g.counters.LastHeard(i, k)
			if known || g.connected(i, k) {
				return doubtful{Unreachable: u, pool: i, server: k, heard: heard, known: known}, true
			}
		}
	}
	return d, false
}

// hasMoved reports whether a server is no longer where a worker could not reach it: it fails over just now. Who reaches it does
// so elsewhere, and so will that worker.
func (g *generation) hasMoved(u link.Unreachable) bool {
	t := g.topology.Pool(u.Pool)
	if t == nil || u.Address == "" {
		return false
	}
	at, ok := t.Primary(u.Server)
	return ok && at.Address != u.Address
}

// called returns the name that workers give a server: of a node of a cluster it is its address, and empty if there is none.
func (g *generation) called(pool int, s *link.Server) string {
	if s.Network != link.ClusterNode {
		return s.Name
	}
	known := g.topology.Pool(g.pools[pool].Name).Server(s.Name)
	if known == nil || len(known.Endpoints) == 0 {
		return ""
	}
	return known.Endpoints[0].Address
}

// connected reports whether a worker of the generation itself is connected to a server.
func (g *generation) connected(pool, server int) bool {
	return slices.ContainsFunc(g.slots, func(s *slot) bool {
		return atomic.LoadUint64(g.counters.ServerCounter(s.index, pool, server, link.ServerConnections)) > 0
	})
}

// prepared is called when the new workers can serve. If they cannot reach a server that the old ones reach, the attempt
// fails: a reload with a wrong password must not become an outage.
func (o *oldSide) prepared(msg message) {
	m := o.m
	m.addSockets(msg)
	var doubts []doubtful
	strict := msg.Strict || o.strict
	msg.Unreachable = slices.DeleteFunc(msg.Unreachable, m.generations.serving.hasMoved)
	for _, u := range msg.Unreachable {
		d, ok := m.generations.serving.findDoubtful(u)
		if ok || strict {
			d.Unreachable = u
			doubts = append(doubts, d)
		}
	}
	switch {
	case len(doubts) == 0:
		o.proceed(msg)
	case strict:
		o.failUnreachable(doubts)
	default:
		o.inquire(msg, doubts)
	}
}

// inquire makes the old workers send requests to servers. If they are of an older build, which cannot, an open connection
// counts as an answer.
func (o *oldSide) inquire(msg message, all []doubtful) {
	m := o.m
	if !m.inquireFor(all) {
		o.failUnreachable(all)
		return
	}
	o.inquiry = &inquiry{prepared: msg, doubtful: all, until: m.world.now().Add(inquiryTime)}
	o.until = m.world.now().Add(inquiryEvery)
}

// inquireFor asks the workers that serve for servers; false: they cannot tell.
func (m *master) inquireFor(all []doubtful) bool {
	var body link.InquireBody
	for _, d := range all {
		if !d.known {
			return false
		}
		body.Servers = append(body.Servers, link.ServerIndex{Pool: d.pool, Server: d.server})
	}
	for _, old := range m.generations.serving.slots {
		if old.state == slotServing {
			m.pass(old, link.Message{Kind: link.Inquire, Body: link.Body(body)})
		}
	}
	return true
}

// reached returns which of them have answered since.
func (g *generation) reached(all []doubtful) []doubtful {
	return slices.DeleteFunc(slices.Clone(all), func(d doubtful) bool {
		heard, _ := g.counters.LastHeard(d.pool, d.server)
		return heard == d.heard
	})
}

// checkInquiry checks which servers have answered. If one has, the attempt fails.
func (o *oldSide) checkInquiry() {
	m, q := o.m, o.inquiry
	q.prepared.Unreachable = slices.DeleteFunc(q.prepared.Unreachable, m.generations.serving.hasMoved)
	q.doubtful = slices.DeleteFunc(q.doubtful, func(d doubtful) bool { return m.generations.serving.hasMoved(d.Unreachable) })
	reached := m.generations.serving.reached(q.doubtful)
	switch now := m.world.now(); {
	case len(reached) > 0:
		o.failUnreachable(reached)
	case len(q.doubtful) > 0 && now.Before(q.until):
		o.until = now.Add(inquiryEvery)
	default:
		o.proceed(q.prepared)
	}
}

func (o *oldSide) failUnreachable(all []doubtful) {
	var lost []link.Unreachable
	for _, d := range all {
		lost = append(lost, d.Unreachable)
	}
	o.fail(fmt.Errorf("new workers cannot reach %s", describeUnreachable(lost)))
}

// describeUnreachable describes unreachable servers, the first few of many, for an error.
func describeUnreachable(unreachable []link.Unreachable) string {
	var all []string
	for _, u := range unreachable {
		all = append(all, fmt.Sprintf("server %q of pool %q: %s", u.Server, u.Pool, u.Error))
	}
	const most = 5
	if len(all) > most {
		all = append(all[:most], fmt.Sprintf("and %d more", len(all)-most))
	}
	return strings.Join(all, "; ")
}

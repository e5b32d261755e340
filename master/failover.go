// Failovers that an operator asks for: a sentinel begins one, or a replica of a cluster, and it is over when every worker goes to the next
// master.

package master

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// failoverPatience is how long a failover may take. Most need a second or two.
const failoverPatience = 30 * time.Second

// failover is one that somebody waits for.
type failover struct {
	pool, server string
	master       string // as sentinels call it; of a cluster: its address
	cluster      bool
	movedAt      int64  // the server's, before
	by           string // the sentinel that leads it, or the replica that takes over; empty: none does yet
	began        time.Time
	until        time.Time // when nobody waits for it any more
	reply        chan<- admin.Outcome
}

func (f *failover) String() string {
	return fmt.Sprintf("failover of server %q of pool %q", f.server, f.pool)
}

// failOver has a sentinel, or a replica, begin a failover of a server.
func (m *master) failOver(a *admin.Ask) {
	if m.phase != serving {
		a.Reply <- admin.Outcome{Error: "the proxy is " + m.phase.String(), Failure: admin.FailureBusy}
		return
	}
	p, s, err := m.generations.serving.findFollowed(a.Pool, a.Server)
	if err != nil {
		a.Reply <- admin.Outcome{Error: err.Error(), Failure: admin.FailureUnknown}
		return
	}
	now := m.world.now()
	f := &failover{pool: p.Name, server: a.Server, master: s.Address, cluster: p.IsCluster(), began: now, until: now.Add(failoverPatience), reply: a.Reply}
	if f.movedAt = now.UnixMilli() - 1; !f.cluster {
		f.movedAt = m.generations.serving.topology.Pool(p.Name).Server(s.Name).MovedAt
	}
	follower := m.followerOf(p)
	switch {
	case follower == nil:
		a.Reply <- admin.Outcome{Error: "nobody follows the server yet", Failure: admin.FailureBusy}
		return
	case slices.ContainsFunc(m.failovers, func(o *failover) bool { return o.pool == f.pool && o.server == f.server }):
		a.Reply <- admin.Outcome{Error: fmt.Sprintf("a %v is under way", f), Failure: admin.FailureBusy}
		return
	}
	m.log.Event(logfile.FailoverAsked, f)
	m.failovers = append(m.failovers, f)
	follower.Failover(*s, func(by string, err error) {
		m.world.report(event{then: func() { m.sentinelLeads(f, by, err) }})
	})
}

// findFollowed finds a server that sentinels watch, or a node of a cluster by its address.
func (g *generation) findFollowed(pool, server string) (*link.Pool, *link.Server, error) {
	var names []string
	for i := range g.pools {
		p := &g.pools[i]
		names = append(names, p.Name)
		if p.Name != pool {
			continue
		}
		if p.IsCluster() {
			s, err := g.findNode(pool, server)
			return p, s, err
		}
		names = nil
		for k := range p.Servers {
			s := &p.Servers[k]
			names = append(names, s.Name)
			switch {
			case s.Name != server:
			case s.Network != link.Sentinel:
				return nil, nil, fmt.Errorf("server %q of pool %q is always at %s: only what sentinels watch fails over", server, pool, s.Address)
			default:
				return p, s, nil
			}
		}
		return nil, nil, fmt.Errorf("no server %q in pool %q; there are %s", server, pool, strings.Join(names, ", "))
	}
	return nil, nil, fmt.Errorf("no pool %q; there are %s", pool, strings.Join(names, ", "))
}

// findNode finds a node of a cluster by its address.
func (g *generation) findNode(pool, address string) (*link.Server, error) {
	var names []string
	if t := g.topology.Pool(pool); t != nil {
		for _, s := range t.Servers {
			if s.Endpoints[0].Address == address || slices.Contains(s.Aliases, address) {
				return &link.Server{Name: s.Server, Address: s.Endpoints[0].Address}, nil
			}
			names = append(names, s.Endpoints[0].Address)
		}
	}
	return nil, fmt.Errorf("no node %q in the cluster of pool %q; there are %s", address, pool, strings.Join(names, ", "))
}

// sentinelLeads is called when a sentinel has begun a failover, or a replica to take over, or none does. The failover itself may be over by then.
func (m *master) sentinelLeads(f *failover, by string, err error) {
	if !slices.Contains(m.failovers, f) {
		return
	}
	switch {
	case err != nil && f.cluster:
		m.conclude(f, admin.Outcome{Error: fmt.Sprintf("no replica takes over from %s: %v", f.master, err)})
		return
	case err != nil:
		m.conclude(f, admin.Outcome{Error: fmt.Sprintf("no sentinel begins a failover of master %q: %v", f.master, err)})
		return
	}
	f.by = by
	m.endFailovers()
}

// endFailovers tells those who wait for a failover that it is over, where no worker goes to the former master any more.
func (m *master) endFailovers() {
	for _, f := range slices.Clone(m.failovers) {
		at := m.serverTopology(f)
		if f.by == "" || at == nil || at.MovedAt <= f.movedAt || at.SwitchedAt == 0 {
			continue
		}
		if f.cluster && at.Endpoints[0].Role != link.Primary {
			continue
		}
		after := func(millis int64) time.Duration { return time.UnixMilli(millis).Sub(f.began).Round(time.Millisecond) }
		if f.cluster {
			m.conclude(f, admin.Outcome{Lines: []string{
				fmt.Sprintf("%s: %s is the master now, of %d slots, epoch %d", f.server, f.by, at.SlotCount(), at.Epoch),
				fmt.Sprintf("the cluster said so after %v, all workers were there after %v", after(at.MovedAt), after(at.SwitchedAt)),
			}})
			continue
		}
		who, when := "the first sentinel", at.SaidAt
		if at.SaidAt == 0 {
			who, when = "the old master itself", at.MovedAt
		}
		m.conclude(f, admin.Outcome{Lines: []string{
			fmt.Sprintf("%s (%s): %s -> %s, epoch %d", f.server, f.master, at.MovedFrom, at.Endpoints[0].Address, at.Epoch),
			fmt.Sprintf("sentinel %s began; %s named the new one after %v, all workers were there after %v", f.by, who, after(when), after(at.SwitchedAt)),
		}})
	}
}

// serverTopology returns where the server of a failover is, of a cluster the replica that takes over; nil: it is there no more.
func (m *master) serverTopology(f *failover) *link.ServerTopology {
	g := m.generations.serving
	if g == nil {
		return nil
	}
	t := g.topology.Pool(f.pool)
	switch {
	case t == nil:
		return nil
	case !f.cluster:
		return t.Server(f.server)
	}
	for i := range t.Servers {
		if t.Servers[i].Endpoints[0].Address == f.by {
			return &t.Servers[i]
		}
	}
	return nil
}

// conclude tells who waits for a failover how it has ended.
func (m *master) conclude(f *failover, o admin.Outcome) {
	m.failovers = slices.DeleteFunc(m.failovers, func(o *failover) bool { return o == f })
	f.reply <- o
	if o.Error != "" {
		m.log.Event(logfile.FailoverFailed, f, o.Error)
	}
}

// leaveFailovers answers those who wait for failovers when the master ends: whoever asks another master begins another failover.
func (m *master) leaveFailovers() {
	for _, f := range slices.Clone(m.failovers) {
		m.conclude(f, admin.Outcome{Error: "the master has ended meanwhile, or another one has taken over; see pinion status for what has become of it"})
	}
}

// tickFailovers gives up waiting for failovers that take too long.
func (m *master) tickFailovers(now time.Time) {
	for _, f := range slices.Clone(m.failovers) {
		if now.Before(f.until) {
			continue
		}
		at := m.serverTopology(f)
		text := fmt.Sprintf("sentinel %s began, and has not named another master within %v; see pinion status, and its log", f.by, failoverPatience)
		switch {
		case f.by == "" && f.cluster:
			text = fmt.Sprintf("no replica has begun to take over within %v", failoverPatience)
		case f.by == "":
			text = fmt.Sprintf("no sentinel has begun within %v", failoverPatience)
		case at != nil && at.MovedAt > f.movedAt:
			text = fmt.Sprintf("the master is at %s now, but not all workers have said that they go there", at.Endpoints[0].Address)
		case f.cluster:
			text = fmt.Sprintf("replica %s began, and the cluster has not named it the master within %v; see its log", f.by, failoverPatience)
		}
		m.conclude(f, admin.Outcome{Error: text})
	}
}

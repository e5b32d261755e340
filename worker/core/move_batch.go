// Batches of clients on their way to a peer: packing them, offering them, and what becomes of them.

package core

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// packed is a client that could go.
type packed struct {
	c     *client
	since int64 // ns: since when nobody serves it
}

// offer is a batch on its way to a peer.
type offer struct {
	state   int // the memory file; -1 = closed
	clients []*client
	count   int // of clients, once they are gone
	bytes   int
}

func (o *offer) descriptors() []int {
	fds := []int{o.state}
	for _, c := range o.clients {
		fds = append(fds, c.stream.FD())
	}
	return fds
}

func (o *offer) closeState() {
	if o.state >= 0 {
		sock.Close(o.state)
		o.state = -1
	}
}

func (p *peerLink) usable() bool { return !p.failed && !p.reversed && !p.past && p.link.Usable() }

// credit tells whether a batch could be offered to p now.
func (p *peerLink) credit() bool {
	return p.usable() && p.link.Credits() > 0 && p.l.now >= p.pausedTill
}

// send offers what is packed.
func (g *outgoing) send() {
	for written := 0; len(g.packed) > 0; {
		p, most := g.peer()
		if p == nil {
			if g.paused() {
				g.thawPacked()
			}
			return
		}
		if written >= maxBatchStateBytes {
			g.more = true
			return
		}
		written += g.offer(p, most)
	}
}

// paused tells that no peer is to be offered anything for a moment.
func (g *outgoing) paused() bool {
	return !slices.ContainsFunc(g.l.mover.peers, func(p *peerLink) bool { return p.usable() && g.l.now >= p.pausedTill })
}

// peer returns who is to get the next batch, and how many clients at most; nil if nobody can. It is the one to whom the most
// are due, so that in the end everybody has a part of them in proportion to his share.
func (g *outgoing) peer() (chosen *peerLink, most int) {
	peers := g.l.mover.peers
	all, shares := g.sums()
	best, at := 0, 0
	for i := range peers {
		p := peers[(g.next+i)%len(peers)]
		if due := p.due(all, shares); p.credit() && (chosen == nil || due > best) {
			chosen, best, at = p, due, i
		}
	}
	switch {
	case chosen == nil, best <= 0 && g.waits(all, shares):
		return nil, 0
	case best <= 0: // those to whom something is due take too long
		most = chosen.limit
	default:
		most = min(chosen.limit, max(best/shares, 1))
	}
	g.next += at + 1
	return chosen, most
}

// sums returns how many clients there are to be given, those included that are, and how many shares to divide them by.
func (g *outgoing) sums() (clients, shares int) {
	clients = g.l.clients
	for _, p := range g.l.mover.peers {
		clients += p.gone
		if p.usable() {
			shares += p.share
		}
	}
	return clients, shares
}

// due returns how many clients p is to get beyond what it has, times the number of shares.
func (p *peerLink) due(clients, shares int) int { return clients*p.share - p.got()*shares }

// waits tells whether something is due to a peer that cannot be offered it now, but in a moment.
func (g *outgoing) waits(clients, shares int) bool {
	return slices.ContainsFunc(g.l.mover.peers, func(p *peerLink) bool {
		return !p.credit() && p.due(clients, shares) > 0 && p.soon()
	})
}

// promptness is how long a peer that has as many batches as it may have, or has not said hello, is waited for, rather than
// giving what is due to it to others.
const promptness = time.Second

// soon tells whether p, which cannot be offered anything now, can be in a moment.
func (p *peerLink) soon() bool {
	return p.usable() && p.l.now >= p.pausedTill && p.link.Silent(p.l.now) < promptness
}

// got returns how many clients p has got or is being offered.
func (p *peerLink) got() int {
	n := p.gone
	for _, o := range p.offers {
		n += len(o.clients)
	}
	return n
}

// offer offers a batch of at most so many clients to p and returns how many bytes that were.
func (g *outgoing) offer(p *peerLink, most int) int {
	l := g.l
	var state handoff.State
	o := &offer{state: -1, clients: g.fill(&state, most)}
	if len(o.clients) == 0 {
		return 0
	}
	parts := state.Parts()
	if fault.Error("memfd.short") != nil {
		parts = parts[:len(parts)-1]
	}
	err := fault.Error("give.state")
	if err == nil {
		o.state, err = sock.MemfdGathered("pinion-handoff", parts)
	}
	if err != nil {
		l.logf(levelWarn, "writing the state of %d clients: %v", len(o.clients), err)
		for _, c := range o.clients {
			c.comeBack()
		}
		p.short()
		return 0
	}
	p.offers[p.link.Next()] = o
	p.link.Offer(l.now, len(o.clients))
	return state.Bytes()
}

// fill takes clients for a batch from those that are packed, and writes down their state. From then on they are
// away: in no list, and found by nobody.
func (g *outgoing) fill(state *handoff.State, limit int) (clients []*client) {
	for len(g.packed) > 0 && len(clients) < limit {
		last := g.packed[len(g.packed)-1]
		c := last.c
		if len(clients) > 0 && state.Bytes()+len(c.stream.Kept())+c.stream.Out.Len() > maxBatchStateBytes {
			return clients
		}
		if !c.quiescent() { // has hung up meanwhile
			g.thaw(c)
			continue
		}
		g.packed = g.packed[:len(g.packed)-1]
		c.setOff()
		r := c.record(last.since)
		state.Add(&r)
		clients = append(clients, c)
	}
	return clients
}

// Keep is handoff.Hands.
func (p *peerLink) Keep(batch uint32, verdicts []handoff.Verdict) {
	l := p.l
	o := p.offers[batch]
	o.closeState()
	p.unsent = slices.DeleteFunc(p.unsent, func(m handoff.Message) bool {
		return m.Batch == batch && (m.Kind == handoff.Offer || m.Kind == handoff.Commit)
	})
	if verdicts == nil {
		for _, c := range o.clients {
			c.comeBack()
		}
		delete(p.offers, batch)
		return
	}
	fault.At(passing[handoff.Prepared].received)
	taken := o.clients[:0]
	for i, c := range o.clients {
		switch verdicts[i] {
		case handoff.Take:
			taken = append(taken, c)
			continue
		case handoff.Configuration:
			c.moving.verdict = moveUnwanted
			l.mover.outgoing.done.Closed++
		case handoff.NoResources, handoff.Refused:
		default:
			c.moving.verdict = moveUnreadable
		}
		c.comeBack()
	}
	o.clients = taken
	switch {
	case slices.Contains(verdicts, handoff.NoResources):
		p.short()
	case len(taken) > 0:
		p.limit, p.shortages = min(2*p.limit, usualBatch), 0
	}
	if len(taken) == 0 {
		delete(p.offers, batch)
	}
}

// short is told that a peer has no room, or that there is none to write down the state.
func (p *peerLink) short() {
	l := p.l
	p.shortages++
	p.limit = max(p.limit/2, 1)
	p.pausedTill = l.now + shortagePause
	if p.starved() {
		p.pausedTill = l.now + longShortagePause
	}
	l.mover.outgoing.pass()
}

// starved tells that a peer will hardly have room soon.
func (p *peerLink) starved() bool { return p.shortages >= maxShortages }

// Release is handoff.Hands.
func (p *peerLink) Release(batch uint32) {
	o := p.offers[batch]
	for _, c := range o.clients {
		o.bytes += len(c.stream.Kept()) + c.stream.Out.Len()
		c.depart()
	}
	o.count, o.clients = len(o.clients), nil
	p.gone += o.count
	p.away += o.count
}

// Served is handoff.Hands.
func (p *peerLink) Served(batch uint32, pause time.Duration) {
	fault.At(passing[handoff.Taken].received)
	o, done := p.offers[batch], &p.l.mover.outgoing.done
	done.Moved += o.count
	done.Bytes += int64(o.bytes)
	done.LongestPause = max(done.LongestPause, pause)
	delete(p.offers, batch)
}

// Lost is handoff.Hands.
func (p *peerLink) Lost(batch uint32) {
	p.lost += p.offers[batch].count
	delete(p.offers, batch)
}

// Batches of clients on their way to a peer: packing them, offering them, and what becomes of them.

package core

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// packedClient is a client that could go.
type packedClient struct {
	c     *client
	since int64 // ns: since when nobody serves it
}

// sentBatch is a batch on its way to a peer.
type sentBatch struct {
	state   int // the memory file; -1 = closed
	clients []*client
	count   int // of clients, once they are gone
	bytes   int
}

func (o *sentBatch) descriptors() []int {
	fds := []int{o.state}
	for _, c := range o.clients {
		fds = append(fds, c.stream.FD())
	}
	return fds
}

func (o *sentBatch) closeState() {
	if o.state >= 0 {
		sock.Close(o.state)
		o.state = -1
	}
}

func (p *peerLink) takesClients() bool {
	return !p.failed && !p.sending && !p.attemptOver && p.link.Usable()
}

// hasCredit tells whether a batch could be offered to p now.
func (p *peerLink) hasCredit() bool {
	return p.takesClients() && p.link.Credits() > 0 && p.l.now >= p.pausedTill
}

// sendPacked offers what is packed.
func (g *outgoing) sendPacked() {
	for written := 0; len(g.packed) > 0; {
		p, most := g.choosePeer()
		if p == nil {
			if g.paused() {
				g.thawPacked()
			}
			return
		}
		if written >= maxBatchStateBytes {
			g.moreToDo = true
			return
		}
		written += g.sendBatch(p, most)
	}
}

// paused tells that no peer is to be offered anything for a moment.
func (g *outgoing) paused() bool {
	return !slices.ContainsFunc(g.l.mover.peers, func(p *peerLink) bool { return p.takesClients() && g.l.now >= p.pausedTill })
}

// choosePeer returns who is to get the next batch, and how many clients at most; nil if nobody can. It is the one to whom the most
// are due, so that in the end everybody has a part of them in proportion to his share.
func (g *outgoing) choosePeer() (chosen *peerLink, most int) {
	peers := g.l.mover.peers
	all, shares := g.totals()
	best, at := 0, 0
	for i := range peers {
		p := peers[(g.nextPeer+i)%len(peers)]
		if due := p.shortfall(all, shares); p.hasCredit() && (chosen == nil || due > best) {
			chosen, best, at = p, due, i
		}
	}
	switch {
	case chosen == nil, best <= 0 && g.waitsForPeer(all, shares):
		return nil, 0
	case best <= 0: // those to whom something is due take too long
		most = chosen.batchLimit
	default:
		most = min(chosen.batchLimit, max(best/shares, 1))
	}
	g.nextPeer += at + 1
	return chosen, most
}

// totals returns how many clients there are to be given, those included that are, and how many shares to divide them by.
func (g *outgoing) totals() (clients, shares int) {
	clients = g.l.clients
	for _, p := range g.l.mover.peers {
		clients += p.moved
		if p.takesClients() {
			shares += p.share
		}
	}
	return clients, shares
}

// shortfall returns how many clients p is to get beyond what it has, times the number of shares.
func (p *peerLink) shortfall(clients, shares int) int {
	return clients*p.share - p.clientCount()*shares
}

// waitsForPeer tells whether something is due to a peer that cannot be offered it now, but in a moment.
func (g *outgoing) waitsForPeer(clients, shares int) bool {
	return slices.ContainsFunc(g.l.mover.peers, func(p *peerLink) bool {
		return !p.hasCredit() && p.shortfall(clients, shares) > 0 && p.hasCreditSoon()
	})
}

// promptness is how long a peer that has as many batches as it may have, or has not said hello, is waited for, rather than
// giving what is due to it to others.
const promptness = time.Second

// hasCreditSoon tells whether p, which cannot be offered anything now, can be in a moment.
func (p *peerLink) hasCreditSoon() bool {
	return p.takesClients() && p.l.now >= p.pausedTill && p.link.Silent(p.l.now) < promptness
}

// clientCount returns how many clients p has got or is being offered.
func (p *peerLink) clientCount() int {
	n := p.moved
	for _, o := range p.sent {
		n += len(o.clients)
	}
	return n
}

// sendBatch offers a batch of at most so many clients to p and returns how many bytes that were.
func (g *outgoing) sendBatch(p *peerLink, most int) int {
	l := g.l
	var state handoff.State
	o := &sentBatch{state: -1, clients: g.fillBatch(&state, most)}
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
			c.cancelMove()
		}
		p.noteShortage()
		return 0
	}
	p.sent[p.link.Next()] = o
	p.link.Offer(l.now, len(o.clients))
	return state.Bytes()
}

// fillBatch takes clients for a batch from those that are packed, and writes down their state. From then on they are
// away: in no list, and found by nobody.
func (g *outgoing) fillBatch(state *handoff.State, limit int) (clients []*client) {
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
		c.startMove()
		r := c.record(last.since)
		state.Add(&r)
		clients = append(clients, c)
	}
	return clients
}

// Reclaim is handoff.Hands.
func (p *peerLink) Reclaim(batch uint32, verdicts []handoff.Verdict) {
	l := p.l
	o := p.sent[batch]
	o.closeState()
	p.unsent = slices.DeleteFunc(p.unsent, func(m handoff.Message) bool {
		return m.Batch == batch && (m.Kind == handoff.Offer || m.Kind == handoff.Commit)
	})
	if verdicts == nil {
		for _, c := range o.clients {
			c.cancelMove()
		}
		delete(p.sent, batch)
		return
	}
	fault.At(passing[handoff.Prepared].received)
	taken := o.clients[:0]
	for i, c := range o.clients {
		switch verdicts[i] {
		case handoff.Accept:
			taken = append(taken, c)
			continue
		case handoff.Configuration:
			c.moving.verdict = moveUnwanted
			l.mover.outgoing.result.Closed++
		case handoff.NoResources, handoff.Refused:
		default:
			c.moving.verdict = moveUnreadable
		}
		c.cancelMove()
	}
	o.clients = taken
	switch {
	case slices.Contains(verdicts, handoff.NoResources):
		p.noteShortage()
	case len(taken) > 0:
		p.batchLimit, p.shortages = min(2*p.batchLimit, usualBatch), 0
	}
	if len(taken) == 0 {
		delete(p.sent, batch)
	}
}

// noteShortage is told that a peer has no room, or that there is none to write down the state.
func (p *peerLink) noteShortage() {
	l := p.l
	p.shortages++
	p.batchLimit = max(p.batchLimit/2, 1)
	p.pausedTill = l.now + shortagePause
	if p.starved() {
		p.pausedTill = l.now + longShortagePause
	}
	l.mover.outgoing.startScan()
}

// starved tells that a peer will hardly have room soon.
func (p *peerLink) starved() bool { return p.shortages >= maxShortages }

// Committed is handoff.Hands.
func (p *peerLink) Committed(batch uint32) {
	o := p.sent[batch]
	for _, c := range o.clients {
		o.bytes += len(c.stream.Kept()) + c.stream.Out.Len()
		c.finishMove()
	}
	o.count, o.clients = len(o.clients), nil
	p.moved += o.count
	p.returnable += o.count
}

// Confirmed is handoff.Hands.
func (p *peerLink) Confirmed(batch uint32, pause time.Duration) {
	fault.At(passing[handoff.Taken].received)
	o, done := p.sent[batch], &p.l.mover.outgoing.result
	done.Moved += o.count
	done.Bytes += int64(o.bytes)
	done.LongestPause = max(done.LongestPause, pause)
	delete(p.sent, batch)
}

// Lost is handoff.Hands.
func (p *peerLink) Lost(batch uint32) {
	p.lost += p.sent[batch].count
	delete(p.sent, batch)
}

// Outgoing batches: clients are packed, offered to a peer, and in the end served by it or taken back.

package core

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// packedClient is a client that is ready for a batch.
type packedClient struct {
	c     *client
	since int64 // ns: since when no worker serves it
}

// sentBatch is a batch on its way to a peer.
type sentBatch struct {
	state   int // the memory file with the records of the clients and of their own connections; -1 = closed
	clients []*client
	widths  []int // how many records each of clients has
	count   int   // of clients, once they are released
	bytes   int
	secrets [][]byte  // that are in records, until those are written
	asked   []*client // in place of clients: they go on here, and may be closed by now
}

// forgetSecrets overwrites what the memory of this worker needs no longer.
func (o *sentBatch) forgetSecrets() {
	for _, b := range o.secrets {
		clear(b)
	}
	o.secrets = nil
}

func (o *sentBatch) descriptors() []int {
	fds := []int{o.state}
	for _, c := range o.asked {
		if fd := c.stream.FD(); c.life != clientClosed {
			fds = append(fds, fd)
		} else {
			fds = append(fds, o.state)
		}
	}
	for _, c := range o.clients {
		fds = append(fds, c.stream.FD())
		for _, own := range c.session.dedicated {
			fds = append(fds, own.stream.FD())
		}
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

// hasCredit tells whether a batch could be offered to the peer now.
func (p *peerLink) hasCredit() bool {
	return p.takesClients() && p.link.Credits() > 0 && p.l.now >= p.pausedTill
}

// sendPacked offers the packed clients in batches.
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

// paused tells that no peer is to be offered a batch for a moment.
func (g *outgoing) paused() bool {
	return !slices.ContainsFunc(g.l.mover.peers, func(p *peerLink) bool { return p.takesClients() && g.l.now >= p.pausedTill })
}

// choosePeer returns the peer of the next batch, and how many clients that may have; nil: no peer can take one now. It is the
// peer that is furthest behind its share, so that in the end the clients are divided by the shares.
func (g *outgoing) choosePeer() (chosen *peerLink, most int) {
	peers := g.l.mover.peers
	all, shares := g.totals()
	best, at := 0, 0
	for i := range peers {
		p := peers[(g.nextPeer+i)%len(peers)]
		if lacks := p.shortfall(all, shares); p.hasCredit() && (chosen == nil || lacks > best) {
			chosen, best, at = p, lacks, i
		}
	}
	switch {
	case chosen == nil, best <= 0 && g.waitsForPeer(all, shares):
		return nil, 0
	case best <= 0: // the peers that are behind their shares take too long
		most = chosen.batchLimit
	default:
		most = min(chosen.batchLimit, max(best/shares, 1))
	}
	g.nextPeer += at + 1
	return chosen, most
}

// totals returns how many clients there are to divide, those that have moved included, and the sum of the shares.
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

// shortfall returns by how many clients the peer is behind its share, times the sum of the shares.
func (p *peerLink) shortfall(clients, shares int) int {
	return clients*p.share - p.clientCount()*shares
}

// waitsForPeer tells whether a peer is behind its share and can take no batch now, but in a moment.
func (g *outgoing) waitsForPeer(clients, shares int) bool {
	return slices.ContainsFunc(g.l.mover.peers, func(p *peerLink) bool {
		return !p.hasCredit() && p.shortfall(clients, shares) > 0 && p.hasCreditSoon()
	})
}

// promptness is how long a peer that has no credit, or has not said hello, is waited for before its share goes to others.
const promptness = time.Second

// hasCreditSoon tells whether a peer without credit is likely to have some in a moment.
func (p *peerLink) hasCreditSoon() bool {
	return p.takesClients() && p.l.now >= p.pausedTill && p.link.Silent(p.l.now) < promptness
}

// clientCount returns how many clients have moved to the peer or are in flight to it.
func (p *peerLink) clientCount() int {
	n := p.moved
	for _, o := range p.sent {
		n += len(o.clients)
	}
	return n
}

// sendBatch offers the peer a batch of at most so many clients, and returns the bytes of their records.
func (g *outgoing) sendBatch(p *peerLink, most int) int {
	var state handoff.State
	o := &sentBatch{state: -1}
	records := g.fillBatch(o, &state, most)
	if records == 0 {
		return 0
	}
	if !p.offer(o, &state, records) {
		for _, c := range o.clients {
			c.cancelMove()
		}
		p.noteShortage()
		return 0
	}
	return state.Bytes()
}

// offer offers a batch, unless its records cannot be written.
func (p *peerLink) offer(o *sentBatch, state *handoff.State, records int) bool {
	parts := state.Parts()
	if fault.Error("memfd.short") != nil {
		parts = parts[:len(parts)-1]
	}
	err := fault.Error("outgoing.state")
	if err == nil {
		o.state, err = sock.MemfdGathered("pinion-handoff", parts)
	}
	o.forgetSecrets()
	if err != nil {
		p.l.log(logevent.MoveUnwritten, records, err)
		return false
	}
	p.sent[p.link.Next()] = o
	p.link.Offer(p.l.now, records)
	return true
}

// fillBatch takes packed clients for a batch and writes their records, and those of their own connections. From then on they are
// in flight: in no list, and not in the loop's table.
func (g *outgoing) fillBatch(o *sentBatch, state *handoff.State, limit int) (records int) {
	for len(g.packed) > 0 && len(o.clients) < limit {
		last := g.packed[len(g.packed)-1]
		c := last.c
		width := 1 + len(c.session.dedicated)
		if records > 0 && (state.Bytes()+c.recordBytes() > maxBatchStateBytes || records+width > handoff.MaxBatch) {
			return records
		}
		if !c.quiescent() { // has hung up meanwhile
			g.thaw(c)
			continue
		}
		g.packed = g.packed[:len(g.packed)-1]
		c.startMove()
		r := c.record(last.since)
		state.Add(&r)
		o.secrets = append(o.secrets, r.TLS)
		for _, own := range c.session.dedicated {
			r := own.record()
			state.Add(&r)
			o.secrets = append(o.secrets, r.TLS)
		}
		o.clients, o.widths = append(o.clients, c), append(o.widths, width)
		records += width
	}
	return records
}

// Unsend implements handoff.Handler.
func (p *peerLink) Unsend(batch uint32) (unheard bool) {
	p.unsent = slices.DeleteFunc(p.unsent, func(m handoff.Message) bool {
		offer := m.Batch == batch && m.Kind == handoff.Offer
		unheard = unheard || offer
		return offer || m.Batch == batch && m.Kind == handoff.Commit
	})
	return unheard
}

// Reclaim implements handoff.Handler.
func (p *peerLink) Reclaim(batch uint32, verdicts []handoff.Verdict) {
	l := p.l
	o := p.sent[batch]
	o.closeState()
	if o.asked != nil {
		p.noteAnswers(batch, verdicts)
		return
	}
	if verdicts == nil {
		for _, c := range o.clients {
			c.cancelMove()
		}
		delete(p.sent, batch)
		return
	}
	fault.At(passing[handoff.Prepared].received)
	accepted, at := o.clients[:0], 0
	for i, c := range o.clients {
		verdict := verdicts[at]
		at += o.widths[i]
		switch verdict {
		case handoff.Accept:
			accepted = append(accepted, c)
			continue
		case handoff.Configuration:
			c.moving.verdict = moveUnwanted
			l.mover.outgoing.result.Closed++
		case handoff.NoResources, handoff.Refused:
		default:
			c.moving.verdict = moveUnreadable
		}
		c.cancelMove()
		if c.isOut() {
			c.closeIfIdle()
		}
	}
	o.clients = accepted
	switch {
	case slices.Contains(verdicts, handoff.NoResources):
		p.noteShortage()
	case len(accepted) > 0:
		p.batchLimit, p.shortages = min(2*p.batchLimit, usualBatch), 0
	}
	if len(accepted) == 0 {
		delete(p.sent, batch)
	}
}

// noteShortage makes the batches smaller and pauses, since the peer has no room for one, or this worker none for the records.
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

// starved tells that the peer is not likely to have room soon.
func (p *peerLink) starved() bool { return p.shortages >= maxShortages }

// Committed implements handoff.Handler.
func (p *peerLink) Committed(batch uint32) {
	o := p.sent[batch]
	for _, c := range o.clients {
		o.bytes += c.recordBytes()
		p.returnable += c.descriptors()
		c.finishMove()
	}
	o.count, o.clients = len(o.clients), nil
	p.moved += o.count
}

// Confirmed implements handoff.Handler.
func (p *peerLink) Confirmed(batch uint32, pause time.Duration) {
	fault.At(passing[handoff.Taken].received)
	o, done := p.sent[batch], &p.l.mover.outgoing.result
	done.Moved += o.count
	done.Bytes += int64(o.bytes)
	done.LongestPause = max(done.LongestPause, pause)
	delete(p.sent, batch)
}

// Lost implements handoff.Handler.
func (p *peerLink) Lost(batch uint32) {
	p.lost += p.sent[batch].count
	delete(p.sent, batch)
}

// Stragglers: clients that cannot move. When nothing more can, the master gets a report of how many moved, and how many and why
// they stay.

package core

import (
	"slices"

	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
)

// tick gives up on peers that do not answer, and starts a new scan.
func (g *outgoing) tick() {
	l := g.l
	l.timers.Set(&g.timer, l.now+moveTick)
	for _, p := range slices.Clone(l.mover.peers) {
		if p.link.Overdue(l.now) {
			p.link.Retire("no answer")
			p.hung = true
			p.Failed("no answer for " + handoff.Patience.String())
			p.closeIfDone()
		}
	}
	g.endIfEmpty()
	l.handshakes.wake()
	g.frozenSlow = g.frozenOwed
	g.heldFrozen = g.frozenOwed > 0 // it may have begun to wait since it was frozen
	if !g.scanning {
		g.startScan()
	}
}

// report sends the master the result once nothing more can move.
func (g *outgoing) report() {
	l := g.l
	if !g.on || g.reported || !g.nothingToMove() {
		return
	}
	g.reported = true
	body := g.result
	body.Stragglers, body.Reason = l.stragglers()
	if g.starved() && body.Stragglers > 0 {
		body.Starved = true
		body.Reason = "the other generation has no descriptors or no memory for them"
	}
	l.master.send(link.ClientsMoved, link.Body(body))
}

// nothingToMove tells that every client has moved, is a straggler, or has no listener in the other configuration.
func (g *outgoing) nothingToMove() bool {
	l := g.l
	batches, _ := l.mover.inFlight()
	switch {
	case batches > 0 || len(g.packed) > 0:
		return false
	case l.clients == 0:
		return true
	case !g.hasPeer():
		return false
	case g.starved():
		return true
	case g.scanning:
		return false
	}
	return g.frozenOwed == 0 && !g.scanSkipped && !g.ownBusy && (l.handshakes.begun == 0 || l.handshakes.hang()) || l.now >= g.stragglersFrom
}

// starved tells that no peer is likely to have room soon.
func (g *outgoing) starved() bool {
	for _, p := range g.l.mover.peers {
		if p.takesClients() && !p.starved() {
			return false
		}
	}
	return g.hasPeer()
}

// stragglers counts the clients that could not move, without those that are to be closed anyway. reason says why, unless they
// are owed replies.
func (l *loop) stragglers() (count int, reason string) {
	for c := range l.everyClient {
		readable := c.moving.verdict != moveUnreadable
		if c.moving.unwanted() || c.life == clientLingering || c.from.removed && c.head == nil && readable {
			continue
		}
		count++
		switch {
		case !readable:
			reason = "the other generation cannot read their state"
		case c.isTooMuch():
			reason = "more is kept for them than can be moved"
		}
	}
	return count, reason
}

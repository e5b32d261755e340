// What the master hears of giving: when there is nothing more to move, and what was.

package core

import (
	"slices"

	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
)

// look is what happens at every tick.
func (g *outgoing) look() {
	l := g.l
	l.timers.Set(&g.tick, l.now+giveTick)
	for _, p := range slices.Clone(l.mover.peers) {
		if p.link.Overdue(l.now) {
			p.link.Retire("no answer")
			p.hung = true
			p.Failed("no answer for " + handoff.Patience.String())
			p.tidy()
		}
	}
	g.part()
	g.slow = g.owed
	if !g.passing {
		g.pass()
	}
}

// report tells the master when there is nothing more to move.
func (g *outgoing) report() {
	l := g.l
	if !g.on || g.said || !g.atRest() {
		return
	}
	g.said = true
	body := g.done
	body.Stragglers, body.Reason = l.stragglers()
	if g.starved() && body.Stragglers > 0 {
		body.Starved = true
		body.Reason = "the other generation has no descriptors or no memory for them"
	}
	l.master.must(link.Given, link.Body(body))
}

// atRest tells that everyone is moved, or a straggler, or has no place in the other configuration.
func (g *outgoing) atRest() bool {
	l := g.l
	away, _ := l.mover.handing()
	switch {
	case away > 0 || len(g.packed) > 0:
		return false
	case l.clients == 0:
		return true
	case !g.reachable():
		return false
	case g.starved():
		return true
	case g.passing:
		return false
	}
	return g.owed == 0 && !g.skipped || l.now >= g.till
}

// starved tells that no peer has room.
func (g *outgoing) starved() bool {
	for _, p := range g.l.mover.peers {
		if p.usable() && !p.starved() {
			return false
		}
	}
	return g.reachable()
}

// stragglers counts the clients that are still here and are neither unwanted nor done, and tells why, unless they are
// owed replies.
func (l *loop) stragglers() (count int, reason string) {
	for c := range l.everyClient {
		if c.moving.unwanted() || c.life == clientLingering || c.from.removed && c.head == nil {
			continue
		}
		count++
		switch {
		case c.moving.verdict == moveUnreadable:
			reason = "the other generation cannot read their state"
		case c.holds() > maxMovedBytes:
			reason = "more is kept for them than can be moved"
		}
	}
	return count, reason
}

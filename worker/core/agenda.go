// The lists of connections that a turn has to process or to write, beside what the poller reports.

package core

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/timer"
)

// receiver is a connection that is to be read or processed again without an event.
type receiver interface{ receive() }

// writer is a connection that has something to write.
type writer interface{ markDirty() }

// agenda lists what a turn has to do beside its events. Loop only.
type agenda struct {
	next      []receiver // for the next turn: have more to read or to process, without an edge to come
	now       []receiver // for this turn, after its events
	conns     []*conn    // have output for the end of the turn
	clients   []*client
	partial   []*client // have output for the end of the next turn, and expect more soon
	postponed []writer  // wait until the kernel has memory again
	resume    timer.Timer
}

// nextTurn lists the connection for the next turn, thisTurn for this one after its events.
func (a *agenda) nextTurn(c receiver) { a.next = append(a.next, c) }
func (a *agenda) thisTurn(c receiver) { a.now = append(a.now, c) }

// startTurn makes the next turn this one. Clients that the last turn has passed over are written in it.
func (a *agenda) startTurn() {
	a.next, a.now = a.now[:0], a.next
	for _, c := range a.partial {
		c.markDirty()
	}
	clear(a.partial)
	a.partial = a.partial[:0]
}

// isEmpty tells that nothing is to be done before the next event, except for partial output.
func (a *agenda) isEmpty() bool { return len(a.next) == 0 && len(a.conns)+len(a.clients) == 0 }

// runQueued processes the connections that had more than their share in the turn before, and those of this turn that would
// have kept others waiting, until the turn's budget is spent. The rest are first in the next turn.
func (l *loop) runQueued() {
	a := &l.agenda
	if slices.ContainsFunc(a.now, isHandshake) { // which takes as long as hundreds of requests: those that have come go first
		l.flush()
	}
	most := max(maxTurnBytes, l.io.Spent+maxTurnBytes/4)
	for i, c := range a.now {
		if l.io.Spent >= most {
			a.next = slices.Insert(a.next, 0, a.now[i:]...)
			break
		}
		c.receive()
	}
	clear(a.now)
}

func isHandshake(r receiver) bool {
	c, ok := r.(*client)
	return ok && c.life == clientHandshaking
}

// flush writes: requests first, so that servers work while replies are written. Connections with more output than a turn
// should write are first in the next turn. Requests leave half of a turn to the replies.
func (l *loop) flush() {
	a := &l.agenda
	for len(a.conns) > 0 && l.io.Sent < maxTurnBytes/2 || len(a.clients) > 0 && l.io.Sent < maxTurnBytes {
		done := 0
		for among := len(a.conns); done < among && l.io.Sent < maxTurnBytes/2; done++ {
			s := a.conns[done]
			s.dirty = false
			s.flush()
		}
		a.conns = slices.Delete(a.conns, 0, done)
		done = 0
		for among := len(a.clients); done < among && l.io.Sent < maxTurnBytes; done++ {
			c := a.clients[done]
			c.queued &^= inDirty
			if !c.passOver() {
				c.flush()
			}
		}
		a.clients = slices.Delete(a.clients, 0, done)
	}
	l.trim()
}

// writePause is for how long a connection is not written whose bytes the kernel had no memory for: no edge tells when it has
// some.
const writePause = 10 * time.Millisecond

// overlook returns err unless the kernel is short of memory, for which neither end is to blame: then w writes after a pause.
func (l *loop) overlook(w writer, err error) error {
	if err != unix.ENOBUFS && err != unix.ENOMEM {
		return err
	}
	a := &l.agenda
	a.postponed = append(a.postponed, w)
	if !a.resume.Armed() {
		a.resume.Fire = a.writePostponed
		l.timers.Set(&a.resume, l.now+int64(writePause))
	}
	return nil
}

func (a *agenda) writePostponed() {
	for _, w := range a.postponed {
		w.markDirty()
	}
	clear(a.postponed)
	a.postponed = a.postponed[:0]
}

// markDirty has the output written at the end of the turn.
func (c *client) markDirty() {
	if c.queued&inDirty == 0 {
		c.queued |= inDirty
		c.pool.l.agenda.clients = append(c.pool.l.agenda.clients, c)
	}
}

// nextTurn has the client served in the next turn.
func (c *client) nextTurn() {
	if c.queued&inTurn == 0 {
		c.queued |= inTurn
		c.pool.l.agenda.nextTurn(c)
	}
}

// thisTurn has the client served in this turn, after the others.
func (c *client) thisTurn() {
	if c.queued&inTurn == 0 {
		c.queued |= inTurn
		c.pool.l.agenda.thisTurn(c)
	}
}

// markDirty writes the queued output at the end of the turn.
func (c *conn) markDirty() {
	if !c.dirty {
		c.dirty = true
		l := c.endpoint.pool.l
		l.agenda.conns = append(l.agenda.conns, c)
	}
}

// nextTurn reads the connection in the next turn.
func (c *conn) nextTurn() {
	if !c.queued {
		c.queued = true
		c.endpoint.pool.l.agenda.nextTurn(c)
	}
}

// thisTurn reads the connection in this turn, after its events.
func (c *conn) thisTurn() {
	if !c.queued {
		c.queued = true
		c.endpoint.pool.l.agenda.thisTurn(c)
	}
}

// Who is to be served in this turn after the others, who in the next one, and for whom there is something to write.

package core

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/timer"
)

// receiver is a connection that gets another share of the loop's attention.
type receiver interface{ receive() }

// writer is a connection that has something to write.
type writer interface{ markDirty() }

// agenda is what a turn has to do beside what it is told became possible. Loop only.
type agenda struct {
	next      []receiver // of the next turn: have more to read or to serve, without an edge to come
	now       []receiver // of this turn, when it has handled its events
	conns     []*conn    // have output for the end of the turn
	clients   []*client
	partial   []*client // have output for the end of the next turn, and get more soon
	postponed []writer  // wait for memory of the kernel's
	resume    timer.Timer
}

// nextTurn has the connection served in the next turn, thisTurn in this one after the others.
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

// isEmpty tells that there is nothing to do before the next event, but to write what could be more.
func (a *agenda) isEmpty() bool { return len(a.next) == 0 && len(a.conns)+len(a.clients) == 0 }

// runQueued gives each connection that had more than its share of the turn before another one, and those theirs that
// would keep the others waiting: as far as the turn has time. Who does not get one is first in the next turn.
func (l *loop) runQueued() {
	a := &l.agenda
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

// flush writes: requests first, so that servers work while replies are written. Those who have more to write than a turn
// should take are at the front of the next one. Requests leave half of a turn to the replies.
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

// writePause is for how long nothing is written to connections for whose bytes the kernel had no memory: no edge tells when
// it has some.
const writePause = 10 * time.Millisecond

// overlook returns err unless the kernel is short of memory, which is no fault of either end: then w writes after a pause.
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

// The end of a worker: nobody new, everyone gets what is owed.

package core

import (
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// draining is how far a worker is on its way to its end. Loop only.
type draining struct {
	on        bool
	departing bool        // a signal has told the worker to end
	till      timer.Timer // then it ends with whoever is still there
	greet     timer.Timer // then those who have just connected have had their time to ask something
}

// drain stops accepting, closes each client once it is owed nothing and has no request half sent, and ends the worker
// when the last one is gone or limit is over. limit 0 is no limit.
func (l *loop) drain(limit time.Duration) {
	if l.draining.on {
		return
	}
	l.stopMoving("drain")
	for _, ln := range l.listeners {
		if l.accepting || ln.removed {
			ln.acceptAll()
		}
	}
	l.startEnding(limit)
}

// finish ends a worker whose clients another generation takes: they go on moving as they can, and only those that
// cannot are closed like in drain. What waits to be accepted is the other generation's.
func (l *loop) finish(limit time.Duration) {
	if !l.draining.on {
		l.startEnding(limit)
	}
}

// startEnding has the worker end, and everyone look whether to leave for that.
func (l *loop) startEnding(limit time.Duration) {
	l.draining.on = true
	l.timers.Stop(&l.succession.rendezvous.till)
	if l.succession.orphan {
		l.succession.rendezvous.open()
	}
	l.closeListeners()
	if limit > 0 {
		l.draining.till.Fire = func() {
			l.ended = true
			l.succession.rendezvous.close()
		}
		l.timers.Set(&l.draining.till, l.now+int64(limit))
	}
	l.closeIdleClients()
	l.endIfDrained()
}

// closeIdleClients has clients closed that are to be once they are idle.
func (l *loop) closeIdleClients() {
	for c := range l.everyClient {
		c.closeIfIdle()
	}
}

// closesWhenIdle tells whether the client is to be closed as soon as it is idle.
func (c *client) closesWhenIdle() bool {
	l := c.pool.l
	switch {
	case !l.draining.on && !l.mover.outgoing.endsWhenEmpty(), c.moving.frozen():
		return false
	case !c.greeted():
		return false
	case c.moving.unwanted(): // until then everything may have been rolled back
		return true
	}
	return l.draining.on && !l.mover.outgoing.willMove(c)
}

// closeIfIdle has a client closed that departs and stands between two requests.
//
// What it has sent meanwhile is served first: closing over unread bytes would reset the connection. Where its address goes
// and the proxy stays, there is time to wait until it has seen the end.
func (c *client) closeIfIdle() {
	if !c.closesWhenIdle() {
		return
	}
	if c.idle() {
		c.stream.Unread = true
		c.recv()
	}
	switch {
	case !c.idle():
	case c.from.removed || c.moving.unwanted():
		c.leave()
	default:
		c.close()
	}
}

// idle tells whether the client is owed nothing and has nothing half sent.
func (c *client) idle() bool {
	return c.life == clientOpen && c.head == nil && c.stream.Out.Len() == 0 && len(c.stream.Kept()) == 0 && c.skip == 0
}

// endIfDrained ends a worker that is to end when it has no clients, and is about to get none.
func (l *loop) endIfDrained() {
	if !l.draining.on && !l.mover.outgoing.endsWhenEmpty() || l.clients > 0 || l.ended {
		return
	}
	if giving, taking := l.mover.inFlight(); giving+taking > 0 || l.outlasting() {
		return
	}
	if !l.draining.on && l.succession.serving && !l.mover.outgoing.hasPeer() { // nobody else serves, see stuck
		return
	}
	if !l.draining.on && l.acceptLast() {
		return
	}
	l.ended = true
	l.succession.rendezvous.close()
	l.master.send(link.Drained, nil)
}

// acceptLast takes whoever still waits in the queues, which end with this worker where no other has a copy, and tells
// whether there is somebody: the others get him like everyone before.
func (l *loop) acceptLast() (any bool) {
	for _, ln := range l.listeners {
		ln.acceptAll()
	}
	if l.clients > 0 {
		l.mover.outgoing.restart()
	}
	return l.clients > 0
}

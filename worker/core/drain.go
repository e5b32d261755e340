// The end of a worker: it accepts no more clients, and closes those that it has once they are owed nothing.

package core

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// draining is how far the worker's end has come. Loop only.
type draining struct {
	on        bool
	departing bool        // a signal has told the worker to end
	signalled atomic.Bool // likewise, though the loop may not have noticed; any goroutine
	till      timer.Timer // then it ends with all clients that are left
	greet     timer.Timer // then clients that have just connected have had their time to send a request
}

// drain stops accepting, closes each client once it is owed nothing and has no request half sent, and ends the worker with
// its last client or after limit. limit 0 is no limit.
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

// finish ends a worker whose clients move to another generation: the move goes on, and only clients that cannot move are
// closed as by drain. Connections that wait to be accepted are the other generation's.
func (l *loop) finish(limit time.Duration) {
	if !l.draining.on {
		l.startEnding(limit)
	}
}

// startEnding closes the listeners and all clients that are idle.
func (l *loop) startEnding(limit time.Duration) {
	l.draining.on = true
	l.announced.stop()
	l.timers.Stop(&l.succession.rendezvous.till)
	if l.succession.orphan {
		l.succession.rendezvous.open()
	}
	l.closeListeners()
	for _, p := range l.pools {
		p.unpauseClients()
	}
	if limit > 0 {
		l.draining.till.Fire = func() {
			l.endWithClients()
			l.succession.rendezvous.close()
		}
		l.timers.Set(&l.draining.till, l.now+int64(limit))
	}
	l.closeIdleClients()
	l.endIfDrained()
}

// endWithClients ends the worker, whatever its clients are owed.
func (l *loop) endWithClients() {
	for c := range l.everyClient {
		c.noteClosing(link.WorkerEnded)
	}
	l.ended = true
}

// closeIdleClients closes the clients that are to be closed and are idle.
func (l *loop) closeIdleClients() {
	for c := range l.everyClient {
		c.closeIfIdle()
	}
}

// closesWhenIdle tells whether the client is to be closed as soon as it is idle.
func (c *client) closesWhenIdle() bool {
	l := c.pool.l
	switch {
	case c.moving.frozen():
		return false
	case c.isShed():
		return true
	case !l.draining.on && !l.mover.outgoing.endsWhenEmpty():
		return false
	case c.isOut(): // until then everything may have been rolled back
		return true
	case !c.greeted():
		return false
	case c.moving.verdict == moveUnreadable && l.mover.outgoing.on: // it cannot help it, so it has until the worker ends
		return false
	case c.moving.unwanted():
		return true
	}
	return l.draining.on && !l.mover.outgoing.willMove(c)
}

// isOut tells that the other generation serves the client's address and not this client, for good: its user is gone, or it encrypts
// where nobody does any more. Nothing more is read from it, since it would be served by rules that are no more.
func (c *client) isOut() bool {
	l := c.pool.l
	return c.moving.unwanted() && !c.from.removed && (l.draining.on || l.mover.outgoing.endsWhenEmpty())
}

// closeIfIdle closes a client that is to be closed and is between two requests; one that is out, once it has its replies.
//
// Unread requests are served first: closing with unread bytes would reset the connection. Where the address goes away and the
// process stays, there is time to wait until the client has seen the end of the stream.
func (c *client) closeIfIdle() {
	if !c.closesWhenIdle() {
		return
	}
	if c.life == clientHandshaking {
		c.endHandshakeIfIdle()
		return
	}
	if own := c.session.waitsOn; own != nil && !c.isShed() {
		own.callOffFor(unblockedByEnd)
	}
	if c.isOut() && c.life == clientOpen {
		c.leave(link.NoPlace)
		return
	}
	if c.idle() {
		c.stream.Unread = true
		c.recv()
	}
	switch {
	case !c.idle():
	case c.isShed():
		c.leave(link.WorkerEnded)
	case c.from.removed || c.moving.unwanted():
		c.leave(link.NoPlace)
	default:
		c.closeFor(link.WorkerEnded)
	}
}

// idle tells whether the client is owed nothing and has nothing half sent.
func (c *client) idle() bool {
	return c.life == clientOpen && c.head == nil && c.stream.Unwritten() == 0 && len(c.stream.Kept()) == 0 && c.skip == 0 && !c.stream.IsCut()
}

// endIfDrained ends a worker that is to end, once it has no clients and none are about to come.
func (l *loop) endIfDrained() {
	if !l.draining.on && !l.mover.outgoing.endsWhenEmpty() || l.clients > 0 || l.ended {
		return
	}
	if outgoing, incoming := l.mover.inFlight(); outgoing+incoming > 0 || l.awaitRemoved() {
		return
	}
	if !l.draining.on && l.succession.serving && !l.mover.outgoing.hasPeer() { // no other generation serves, see serveWithoutPeers
		return
	}
	if !l.draining.on && l.mover.outgoing.hasPeer() && l.acceptLast() {
		return
	}
	l.ended = true
	l.succession.rendezvous.close()
	l.master.send(link.Drained, nil)
}

// acceptLast accepts the connections that still wait in the listeners' queues, which end with this worker where no other
// worker has a copy. It tells whether there are any: they move like the clients before, so there must be a peer.
func (l *loop) acceptLast() (any bool) {
	for _, ln := range l.listeners {
		ln.acceptAll()
	}
	if l.clients > 0 {
		l.mover.outgoing.restart()
	}
	return l.clients > 0
}

// Listeners whose address is not in the next configuration: clients that have connected until then are accepted, have a
// moment to send a request, and get their replies. Closing a queue with a connection in it would reset that.

package core

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// removedGrace is how long it takes until the last connections wait in the queue. The master has the kernel route none
	// here any more.
	removedGrace = time.Second
	// removedAgain is when to look again at a queue that could not be emptied.
	removedAgain = 10 * time.Millisecond
	// greetTicks is how long a client may take after it has connected before its silence counts as idle.
	greetTicks = uint32(int64(time.Second) / tickNanos)
)

// markRemoved marks listeners as removed: the next generation does not accept at their addresses.
func (l *loop) markRemoved(body *link.RemovedBody) {
	for _, ln := range l.listeners {
		if slices.Contains(body.Pools, ln.spec.Pool) || slices.ContainsFunc(body.Listeners, ln.spec.IsAt) {
			ln.removed = true
			if l.mover.outgoing.on {
				ln.watch()
			}
		}
	}
}

// unmarkRemoved takes that back, except for listeners that are closed anyway.
func (l *loop) unmarkRemoved() {
	for _, ln := range l.listeners {
		ln.removed = ln.closing.Armed()
	}
}

// replace serves the queue of an earlier socket at the same path to its end.
func (l *loop) replace(spec link.Listener) {
	for _, ln := range l.listeners {
		if spec.Network == "unix" && ln.spec.Network == "unix" && ln.spec.Address == spec.Address {
			ln.removed = true
			ln.closeSoon()
		}
	}
}

// closeSoon accepts for a while, and then closes the listener.
func (ln *listener) closeSoon() {
	l := ln.pool.l
	if !ln.closing.Armed() {
		ln.watch()
		l.timers.Set(&ln.closing, l.now+int64(removedGrace))
	}
}

// closeWhenEmpty closes the listener, once its queue is empty.
func (ln *listener) closeWhenEmpty() {
	l := ln.pool.l
	if !ln.acceptAll() { // for want of a descriptor
		l.timers.Set(&ln.closing, l.now+int64(removedAgain))
		return
	}
	ln.close()
	l.endIfDrained()
}

// awaitRemoved tells whether there are removed listeners, from which clients may still come, and has them closed soon.
func (l *loop) awaitRemoved() (any bool) {
	for _, ln := range l.listeners {
		if ln.removed {
			ln.closeSoon()
			any = true
		}
	}
	return any
}

// greeted tells whether the client has had its time to send a first request. If not, the loop looks again when it has.
func (c *client) greeted() bool {
	l := c.pool.l
	age := l.ticks() - c.active
	if !c.silent || age > greetTicks {
		return true
	}
	if !l.draining.greet.Armed() {
		l.draining.greet.Fire = l.closeIdleClients
		l.timers.Set(&l.draining.greet, l.now+int64(greetTicks+1-age)*tickNanos)
	}
	return false
}

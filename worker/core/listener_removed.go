// Addresses that are not served any more: whoever has connected until then is accepted, has a moment to ask, and is
// answered. Closing a queue in which somebody waits would reset the connection.

package core

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// removedGrace is how long it takes until the last who have begun to connect wait in the queue. The master has the kernel
	// bring nobody else.
	removedGrace = time.Second
	// removedAgain is when to look again at a queue that could not be emptied.
	removedAgain = 10 * time.Millisecond
	// greetTicks is how long a client may take after it has connected before its silence counts as idle.
	greetTicks = uint32(int64(time.Second) / tickNanos)
)

// markRemoved notes that the next generation does not serve the addresses of some pools. Nobody else accepts there.
func (l *loop) markRemoved(pools []int) {
	for _, ln := range l.listeners {
		if slices.Contains(pools, ln.spec.Pool) {
			ln.removed = true
			if l.mover.outgoing.on {
				ln.watch()
			}
		}
	}
}

// unmarkRemoved forgets it again, except of those that are closed anyway.
func (l *loop) unmarkRemoved() {
	for _, ln := range l.listeners {
		ln.removed = ln.closing.Armed()
	}
}

// replace has what waits in an earlier socket at the same path served to the end.
func (l *loop) replace(spec link.Listener) {
	for _, ln := range l.listeners {
		if spec.Network == "unix" && ln.spec.Network == "unix" && ln.spec.Address == spec.Address {
			ln.removed = true
			ln.closeSoon()
		}
	}
}

// closeSoon accepts on for a while, and then closes the listener.
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

// awaitRemoved tells whether somebody may still come from an address that nobody else accepts at.
func (l *loop) awaitRemoved() (any bool) {
	for _, ln := range l.listeners {
		if ln.removed {
			ln.closeSoon()
			any = true
		}
	}
	return any
}

// greeted tells whether a client has had its time to ask something. If not, the loop looks again when it has.
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

// The end of a worker: nobody new, everyone gets what is owed.

package worker

import (
	"math"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// drain stops accepting, closes each client once it is owed nothing and has no request half sent, and ends the worker
// when the last one is gone or limit is over. limit 0 is no limit.
func (l *loop) drain(limit time.Duration) {
	if l.draining {
		return
	}
	l.draining = true
	for _, ln := range l.listeners {
		ln.accept(math.MaxInt)
		l.timers.stop(&ln.pause) // which accept may have set
		l.poller.Remove(ln.fd)
		l.release(ln.token)
		sock.Close(ln.fd)
		l.closed()
	}
	l.listeners = nil
	if limit > 0 {
		l.drainTill.fire = func() { l.ended = true }
		l.timers.set(&l.drainTill, l.now+int64(limit))
	}
	for i := range l.table {
		if c, ok := l.table[i].h.(*client); ok {
			c.leaveIfIdle()
		}
	}
	l.endIfDrained()
}

// leaveIfIdle has a client of a draining worker closed if it stands between two requests.
//
// What it has sent meanwhile is served first: closing over unread bytes would reset the connection.
func (c *client) leaveIfIdle() {
	if c.idle() {
		c.in.unread = true
		c.recv()
	}
	if c.idle() {
		c.close()
	}
}

// idle tells whether the client is owed nothing and has nothing half sent.
func (c *client) idle() bool {
	return c.state&(leaving|gone) == 0 && c.head == nil && c.out.bytes == 0 && c.in.rest == nil && c.skip == 0
}

// endIfDrained ends a draining worker that has no clients.
func (l *loop) endIfDrained() {
	if l.draining && l.clients == 0 && !l.ended {
		l.ended = true
		if l.control != nil {
			l.control.say(link.Drained, nil)
		}
	}
}

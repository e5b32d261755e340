// For how long requests wait for a server that is down, and when it is tried again.

package core

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// retryPause is the time between two attempts to reach a server for which requests wait, in ns, and connectTime how long one
	// may take to connect at most.
	retryPause  = int64(20 * time.Millisecond)
	connectTime = int64(time.Second)
)

// awaitServer is called when something is due on a connection that is not ready: requests have waited for long enough, an attempt to
// connect has, or the next one is to begin.
func (c *conn) awaitServer() {
	h, l := c.hold, c.endpoint.pool.l
	h.crowded = false
	c.expireHeld()
	switch {
	case c.state == connConnecting && l.now-c.heard >= c.connectTime(),
		c.isAgreeing() && l.now-c.heard >= c.greetingTime():
		c.fail(unix.ETIMEDOUT)
	case c.state != connClosed:
	case c.head == nil:
		h.again = 0
	case !c.endpoint.server.liveness().Alive():
		h.again = 0
		c.failRequests(c.close(), h.cause)
	case h.again <= l.now:
		h.again = 0
		c.open()
	}
	if c.state != connReady {
		c.armHold()
	}
}

// endHolding is called when memory is scarce: what waits for servers fails.
func (l *loop) endHolding() {
	for e := range l.endpoints {
		for c := range e.everyConn {
			if c.isHolding() {
				c.hold.crowded = true
				c.armHold()
			}
		}
	}
	for _, p := range l.pools {
		if p.cluster != nil {
			p.cluster.crowded = true
			p.cluster.hurry()
		}
	}
}

// expireHeld answers the requests that have waited for long enough, and while memory is scarce all. Only now the server counts as
// failed.
func (c *conn) expireHeld() {
	p, now := c.endpoint.pool, c.endpoint.pool.l.now
	scarce := p.l.relief.scarce && c.hold.down
	late := c.takeOut(func(r *request) bool { return scarce || r.isOverdue(now) })
	if late == nil {
		return
	}
	cause := error(unix.ETIMEDOUT)
	if c.hold.down {
		cause = c.hold.cause
		c.endpoint.failed(cause, c.opened)
	}
	text := p.errorText(cause)
	for late != nil {
		r := late
		late, r.behind = r.behind, nil
		c.endHold(r)
		p.giveUp(r)
		*c.endpoint.counters[link.HeldExpired]++
		*p.counters[link.ForwardError]++
		p.l.answer(r, p.failure(r, text, false), nil)
	}
}

// connectTime returns how long an attempt to connect may take where requests wait for it, in ns.
func (c *conn) connectTime() int64 {
	p := c.endpoint.pool
	if c.reads != nil {
		return p.attemptTime()
	}
	if p.timeout == 0 {
		return connectTime
	}
	return min(connectTime, p.timeout)
}

// armHold arms the timer for what is due next on a connection that is not ready. Held requests are in the order of their deadlines.
func (c *conn) armHold() {
	h, p, at := c.hold, c.endpoint.pool, int64(math.MaxInt64)
	if c.head != nil && c.head.deadline != 0 {
		at = c.head.deadline
	}
	switch {
	case h.crowded:
		at = p.l.now
	case c.state == connClosed && h.again != 0:
		at = min(at, h.again)
	case c.state == connConnecting:
		at = min(at, c.heard+c.connectTime())
	case c.isAgreeing():
		at = min(at, c.heard+c.greetingTime())
	}
	if at == math.MaxInt64 {
		p.l.timers.Stop(&c.deadlines)
		return
	}
	p.l.timers.Set(&c.deadlines, at)
}

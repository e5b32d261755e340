// Times in which the worker did not run: it was stopped, or the machine had no processor or no memory for it. What
// servers owe is not late for that.

package core

import "time"

// stallTolerance is how late the loop may run a timer before that counts as a stall.
const stallTolerance = 10 * time.Millisecond

// extendDeadlines moves the deadlines of what servers owe by as long as the loop has stood still: replies may wait in the
// kernel, and requests that were being processed have not reached their servers. Up to stallTolerance still counts, so that a
// worker that is always late does not put everything off for ever.
func (l *loop) extendDeadlines(now int64) {
	lost := l.stalledFor(now) - int64(stallTolerance)
	if lost <= 0 {
		return
	}
	most := now - l.now
	for e := range l.endpoints {
		e.prober.extendDeadlines(lost, most)
		for c := range e.everyConn {
			c.extendDeadlines(lost, most)
		}
		for _, c := range e.dedicated.all {
			c.extendDeadlines(lost, most)
		}
	}
	for _, p := range l.pools {
		if p.idle.Armed() && p.idle.Due() <= now { // clients may have sent something meanwhile
			l.timers.Set(&p.idle, now+tickNanos)
		}
	}
	if l.succession.serverCheck.timer.Armed() {
		l.timers.Set(&l.succession.serverCheck.timer, l.succession.serverCheck.timer.Due()+lost)
	}
}

// stalledFor returns for how long the loop has stood still since its last turn, as far as that made it late for a timer. If
// it stood still within the turn, that is the time until it came to wait. If it did while it waited, part of that was sleep,
// so when it was stopped is unknown: it is taken to have stood still for twice as long as it is late.
func (l *loop) stalledFor(now int64) int64 {
	due, ok := l.timers.Next()
	late := now - max(due, l.now)
	if !ok || late <= int64(stallTolerance) {
		return 0
	}
	return min(now-l.now, max(l.rested-l.now, 2*late))
}

// extendDeadlines gives the server so many ns more for all that it owes. It may have been up to most that were lost.
func (c *conn) extendDeadlines(lost, most int64) {
	if c.state != connClosed && c.state < connReady {
		c.lostMore += most - lost
		c.lostUntil = c.endpoint.pool.l.now + most
	}
	c.heard += lost
	if c.gauge.since != 0 {
		c.gauge.since += lost
	}
	for r := c.head; r != nil; r = r.behind {
		r.sent += lost
		if r.deadline != 0 {
			r.deadline += lost
		}
	}
	if c.deadlines.Armed() {
		c.endpoint.pool.l.timers.Set(&c.deadlines, c.deadlines.Due()+lost)
	}
}

// makeUp is called when an attempt to connect has come further. What waits for it could not be sent while the loop stood still,
// however fast the server is: it gets all that it may have lost. That is once for each attempt, so it puts nothing off for ever.
func (c *conn) makeUp() {
	if c.lostMore == 0 {
		return
	}
	for r := c.head; r != nil && r.sent < c.lostUntil; r = r.behind {
		r.sent += c.lostMore
		if r.deadline != 0 {
			r.deadline += c.lostMore
		}
	}
	c.lostMore = 0
}

// hear takes what has come from the server before it is called late, as far as a turn has time: a turn need not have been
// told of everything that is there.
func (c *conn) hear() {
	l := c.endpoint.pool.l
	c.stream.Unread = true
	for c.stream.Unread && c.state >= connGreeting && l.io.Spent < maxTurnBytes {
		c.recv()
	}
}

// Times in which the worker did not run: it was stopped, or the machine had no processor or no memory for it. What
// servers owe is not late for that.

package core

import "time"

const (
	// stallTolerance is how late the loop may run a timer before that counts as a stall.
	stallTolerance = 10 * time.Millisecond

	// heldTolerance is how long a stall is, in ns, that no busy machine explains.
	heldTolerance = int64(time.Second)
)

// extendDeadlines moves the deadlines of what servers owe by as long as the loop has stood still: replies may wait in the
// kernel, and requests that were being processed have not reached their servers. Up to stallTolerance still counts, so that a
// worker that is always late does not put everything off for ever.
func (l *loop) extendDeadlines(now int64) {
	lost, most := l.stalledFor(now)
	lost = max(0, lost-int64(stallTolerance))
	l.lostMore = most - lost
	if lost == 0 {
		return
	}
	for e := range l.everyEndpoint {
		if e.prober != nil {
			e.prober.extendDeadlines(lost)
		}
		for c := range e.everyConn {
			c.extendDeadlines(lost)
		}
		for _, c := range e.dedicated.all {
			c.extendDeadlines(lost)
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
// so when it was stopped is unknown: it is taken to have stood still for twice as long as it is late. It may have been most.
func (l *loop) stalledFor(now int64) (lost, most int64) {
	due, ok := l.timers.Next()
	late := now - max(due, l.now)
	if !ok || late <= 0 {
		return 0, 0
	}
	most = now - l.now
	if late <= int64(stallTolerance) {
		return 0, most
	}
	return min(most, max(l.rested-l.now, 2*late)), most
}

// extendDeadlines gives the server so many ns more for all that it owes. What is held until the server is back has a clock of its own, that
// of its client: it gets more only where the worker was stopped, and could not find out whether the server is back.
func (c *conn) extendDeadlines(lost int64) {
	c.heard += lost
	if c.gauge.since != 0 {
		c.gauge.since += lost
	}
	for r := c.head; r != nil; r = r.behind {
		r.sent += lost
		if r.deadline != 0 && (r.state&isHeld == 0 || lost >= heldTolerance) {
			r.deadline += lost
		}
	}
	switch {
	case c.hold != nil && c.state != connReady:
		c.armHold()
	case c.deadlines.Armed():
		c.endpoint.pool.l.timers.Set(&c.deadlines, c.deadlines.Due()+lost)
	}
}

// makeUp is called when an attempt to connect has come a step further. What waits for it could not be sent while the loop stood
// still, however fast the server is, so it gets all the time that it may have lost. An attempt has few steps: this puts nothing
// off for ever. What is held sees many attempts, and gets no more for any of them.
func (c *conn) makeUp() {
	l := c.endpoint.pool.l
	if l.lostMore == 0 || c.madeUp == l.now {
		return
	}
	c.madeUp = l.now
	for r := c.head; r != nil && r.sent < l.now; r = r.behind {
		if r.deadline != 0 && r.state&isHeld == 0 {
			r.deadline += l.lostMore
		}
	}
}

// makeUpUnsent gives requests of which nothing is written, since the server was to answer others first, the time that they may have lost
// while the loop stood still: it has answered now. Each gets that once, as long as none has waited for more than a timeout by its own clock.
func (c *conn) makeUpUnsent() {
	p := c.endpoint.pool
	if p.l.lostMore == 0 || c.heard != p.l.now || c.madeUp == p.l.now {
		return
	}
	c.madeUp = p.l.now
	for r := c.firstUnbegun(); r != nil; r = r.behind {
		if r.deadline != 0 && r.state&isHeld == 0 && r.deadline-r.sent <= p.timeout {
			r.deadline += min(p.l.lostMore, p.l.now-r.sent)
		}
	}
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

// Servers that are slower than what is asked of them: how much is written to them, and what becomes of requests whose
// time is over. What has waited too long here is never sent.

package worker

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	// leastOwed is how many requests a server may always owe, besides those that it answers within a part of the timeout,
	// and within longestAhead.
	leastOwed    = 64
	aheadPart    = 8
	longestAhead = int64(time.Second)
	// blurPart is of which part of the timeout the ends of two silences may differ from a timeout.
	blurPart = 8
)

// pace is how fast a server answers. Times in which it owes nothing do not count.
type pace struct {
	replies int64
	span    int64 // ns: in which those came
}

// answered is told that after so many ns so many replies came. What is older than horizon counts for less and less.
func (p *pace) answered(replies int, after, horizon int64) {
	p.replies += int64(replies)
	p.span += after
	if p.span > horizon {
		p.replies /= 2
		p.span /= 2
	}
}

// within returns how many replies come within so many ns.
func (p *pace) within(span int64) int { return int(p.replies * span / max(p.span, 1)) }

// timeFor returns in how many ns so many replies come; 0 if that is unknown.
func (p *pace) timeFor(replies int) int64 { return int64(replies) * p.span / max(p.replies, 1) }

// ahead returns how many ns of work a server may be given at once; 0 = any.
func (p *pool) ahead() int64 { return min(p.timeout/aheadPart, longestAhead) }

// allowed returns how many bytes may be written now. What the server could not answer in time waits here, where it can
// still be taken back. Once more is asked than it can do, a request that has waited for half its time or longer, and has not half as much again left as the server
// needs for what it owes, is given up: it would be work for nobody, and keep the next one from its reply.
func (c *conn) allowed() (bytes int) {
	p := c.server.pool
	c.paused = false
	if p.timeout == 0 {
		return maxSendBytes
	}
	room := leastOwed + c.pace.within(p.ahead()) - c.owed
	if c.unbegun <= room {
		return maxSendBytes
	}
	c.dropOverdue(p.l.now + min(3*c.pace.timeFor(c.owed)/2, p.timeout/2))
	bytes = c.unfinished()
	for r := c.firstUnbegun(); r != nil && room > 0 && bytes < maxSendBytes; r = r.behind {
		bytes += int(r.bytes)
		room--
	}
	c.paused = room <= 0 && bytes <= maxSendBytes
	return min(bytes, maxSendBytes)
}

// firstUnbegun returns the first request of the in queue of which nothing is written.
func (c *conn) firstUnbegun() *request {
	if c.begun == nil {
		return c.head
	}
	return c.begun.behind
}

// unfinished returns how many bytes are to be written before those of the first request that is not begun.
func (c *conn) unfinished() int {
	if c.lead > 0 {
		return int(c.unsent.bytes) - c.lead
	}
	return -c.lead
}

// isOverdue tells whether r has waited long enough.
func (r *request) isOverdue(now int64) bool { return r.deadline != 0 && r.deadline <= now }

// expire gives up requests whose time is over, and the connection if the server is late by as much again. One that waits
// to connect, or for the greeting, fails with everything on it.
func (c *conn) expire() {
	p := c.server.pool
	l := p.l
	if c.state >= connGreeting {
		c.hear()
	}
	if c.state == connClosed {
		return
	}
	if c == c.server.prober { // its only request is late
		c.end(unix.ETIMEDOUT)
		return
	}
	silence := l.now - c.heard
	vain := c.state != connReady && silence >= p.timeout
	unwritten := c.firstUnbegun()
	if vain {
		unwritten = nil
	}
	expired := false
	for r := c.waiting; r != unwritten && r.isOverdue(l.now); r = c.waiting {
		c.waiting = r.behind
		r.state |= isExpired
		expired = true
		c.server.counters[link.ServerTimedout]++
		l.answer(r, p.errorText(unix.ETIMEDOUT), nil)
	}
	if !vain && c.dropOverdue(l.now) {
		expired = true
	}
	switch {
	case !expired && c.state == connGreeting && silence >= p.greetingTime():
		c.fail(unix.ETIMEDOUT)
		return
	case expired && vain:
		c.end(unix.ETIMEDOUT)
		return
	case c.lateAt() <= l.now:
		c.renew()
		return
	}
	if expired && silence >= p.timeout && !c.blamed {
		c.blamed = true
		c.server.failed(unix.ETIMEDOUT, c.provenSince(unix.ETIMEDOUT))
	}
	c.awaitExpiry()
}

// provenSince returns since when there was what proves a failure. Of a silence it is the last timeout or almost: each one
// counts anew, but those of several connections that overlap are one.
func (c *conn) provenSince(err error) int64 {
	timeout := c.server.pool.timeout
	if err == unix.ETIMEDOUT && timeout > 0 {
		return c.server.pool.l.now - (timeout - timeout/blurPart)
	}
	return c.opened
}

// dropOverdue takes requests whose time is over by then, and of which nothing is written, out of the queue and the output:
// they are never sent. It reports whether there were any.
func (c *conn) dropOverdue(then int64) bool {
	p, n := c.server.pool, c.server.counters
	first, count, size := c.firstUnbegun(), 0, 0
	left := first
	for ; left != nil && left.isOverdue(then); left = left.behind {
		count++
		size += int(left.bytes)
	}
	if count == 0 {
		return false
	}
	c.out.cut(&p.l.memory, c.unfinished(), size)
	if c.unsent == first {
		c.unsent = left
	}
	if c.waiting == first {
		c.waiting = left
	}
	c.follow(left)
	c.unbegun -= count
	n[link.InQueue] -= uint64(count)
	n[link.InQueueBytes] -= uint64(size)
	n[link.ServerTimedout] += uint64(count)
	for r := first; r != left; {
		next := r.behind
		r.behind = nil
		r.state &^= inConn
		p.l.answer(r, p.errorText(unix.ETIMEDOUT), nil)
		r = next
	}
	return true
}

// follow has r, and what is behind it, come after what is begun.
func (c *conn) follow(r *request) {
	if c.begun == nil {
		c.head = r
	} else {
		c.begun.behind = r
	}
	if r == nil {
		c.tail = c.begun
	}
}

// renew ends a connection whose server is too late, and opens it again for those requests of which nothing is written.
// What the server has not been given of the others is not sent any more.
func (c *conn) renew() {
	l := c.server.pool.l
	first, last, count := c.firstUnbegun(), c.tail, c.unbegun
	c.out.wrote(&l.memory, c.unfinished())
	out := c.out
	c.out = output{}
	if c.unsent == first {
		c.unsent = nil
	}
	c.follow(nil)
	c.unbegun = 0
	_ = sock.Abort(c.fd)
	c.end(unix.ETIMEDOUT)
	if first == nil {
		return
	}
	c.head, c.tail, c.waiting, c.unsent = first, last, first, first
	c.unbegun, c.out = count, out
	for r := first; r != nil; r = r.behind {
		r.sent = l.now
	}
	c.open()
	c.awaitExpiry()
}

// lateAt returns when the server is so late that the connection is not worth keeping: it has owed the same reply for two
// timeouts, or sent nothing for so long. Until it is ready, the deadlines of the requests count.
func (c *conn) lateAt() int64 {
	timeout := c.server.pool.timeout
	if c.head == nil || timeout == 0 || c.state != connReady {
		return math.MaxInt64
	}
	return min(c.heard, c.head.sent) + lateFactor*timeout
}

// awaitExpiry arms the timer for the next deadline of the in queue, that of the connection, or that of the greeting.
func (c *conn) awaitExpiry() {
	at := c.lateAt()
	if c.waiting != nil && c.waiting.deadline != 0 {
		at = min(at, c.waiting.deadline)
	}
	if c.state == connGreeting {
		at = min(at, c.heard+c.server.pool.greetingTime())
	}
	if at < math.MaxInt64 {
		c.server.pool.l.timers.set(&c.deadlines, at)
	}
}

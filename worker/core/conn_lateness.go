// Servers that are slower than what is asked of them: how much is written to them, and what becomes of requests whose
// time is over. What has waited too long here is never sent.

package core

import (
	"math"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// lateFactor times the pool's timeout is how old a reply that a server owes may be, or the last byte from it, before the
// connection ends.
const lateFactor = 2

// blurPart is of which part of the timeout the ends of two silences may differ from a timeout.
const blurPart = 8

// allowed returns how many bytes may be written now. What the server could not answer in time waits here, where it can
// still be taken back. Where more is asked than it can do, a request that has not the time left that it needs is given up:
// it would be work for nobody, and keep the next one from its reply. A probe waits for nothing: it asks whether the server is
// there.
func (c *conn) allowed() (bytes int) {
	p := c.endpoint.pool
	c.paused = false
	room := c.gauge.limit - c.owed
	if c.most > 0 {
		room = c.roomInPlace(room)
	} else if p.timeout == 0 || c == c.endpoint.prober || c.own != nil || c.unbegun <= room && c.gauge.shared == 0 && c.fragments == c.promised {
		return stream.MaxSendBytes
	}
	if !c.mayShare() {
		room = 0
	}
	usual, least := c.timeNeeded()
	c.giveUp(usual, least, room)
	bytes = c.unfinished()
	for r := c.firstUnbegun(); r != nil && room > 0 && bytes < stream.MaxSendBytes; r = r.behind {
		bytes += int(r.bytes)
		room--
	}
	c.paused = room <= 0 && bytes <= stream.MaxSendBytes
	return min(bytes, stream.MaxSendBytes)
}

// timeNeeded returns how much time a request should have left that is sent, in ns: usually twice what the server takes, or,
// where that is much of the timeout, a little more; and the least, where there is room for all that wait, or time.
func (c *conn) timeNeeded() (usual, least int64) {
	timeout := c.endpoint.pool.timeout
	takes := min(c.gauge.time(), timeout*3/4)
	usual = min(2*takes, max(timeout/2, takes+timeout/8))
	least = usual / 2
	if least > timeout/4 {
		least = usual - timeout/8
	}
	return usual, least
}

// fits tells whether the last request of the in queue, which has so many behind those that are begun, is answered in time
// at the pace at which the server answers over this connection, whoever else asks it.
func (c *conn) fits(unbegun int) bool {
	return c.gauge.pace*int64(c.owed+unbegun) <= c.tail.deadline-c.endpoint.pool.l.now
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
	p := c.endpoint.pool
	l := p.l
	if c.own != nil && c.own.inFlight { // if it comes back, see watchDedicated
		return
	}
	if c.state >= connGreeting {
		c.hear()
		c.makeUpUnsent()
	}
	if c.leaving {
		c.abandon()
		return
	}
	if c.hold != nil && c.own == nil && c.state != connReady {
		c.awaitServer()
		return
	}
	if c.state == connClosed {
		return
	}
	if c == c.endpoint.prober { // its only request is late
		c.end(unix.ETIMEDOUT)
		return
	}
	if c.own != nil {
		c.expireOwn()
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
		*c.endpoint.counters[link.ServerTimedout]++
		p.giveUp(r)
		l.answer(r, p.failure(r, p.errorText(unix.ETIMEDOUT), !vain), nil)
	}
	if !vain && c.giveUp(0, 0, 0) {
		expired = true
	}
	switch {
	case !expired && c.isAgreeing() && silence >= p.greetingTime():
		c.fail(unix.ETIMEDOUT)
		return
	case expired && vain:
		c.end(unix.ETIMEDOUT)
		return
	case c.lateAt() <= l.now:
		c.renew()
		return
	}
	if expired && c.isWaitedFor() && silence >= p.timeout && !c.blamed {
		c.blamed = true
		c.endpoint.failed(unix.ETIMEDOUT, c.provenSince(unix.ETIMEDOUT))
	}
	c.awaitExpiry()
}

// provenSince returns since when there was what proves a failure. Of a silence it is the last timeout or almost: each one
// counts anew, but those of several connections that overlap are one.
func (c *conn) provenSince(err error) int64 {
	timeout := c.endpoint.pool.timeout
	if err == unix.ETIMEDOUT && timeout > 0 {
		return c.endpoint.pool.l.now - (timeout - timeout/blurPart)
	}
	return c.opened
}

// giveUp takes requests of which nothing is written, and which have less time left than they need, out of the queue and the
// output: they are never sent. It looks at those whose time is that short, and at as many others as there is room for. It
// reports whether there were any.
func (c *conn) giveUp(usual, least int64, room int) bool {
	p := c.endpoint.pool
	need := usual
	at, size := c.unfinished(), 0 // where in the output those are that are given up in a row, and their bytes
	stays, left := c.begun, c.unbegun
	var vain, last *request
	for r := c.firstUnbegun(); r != nil && (room > 0 || r.isOverdue(p.l.now+usual)); left-- {
		next := r.behind
		if left <= room || c.fits(left) {
			need = least
		}
		if r.isVain(p.l.now, need, least) {
			c.withdraw(r, stays)
			size += int(r.bytes)
			vain, last = chain(vain, last, r)
		} else {
			c.cut(at, size)
			at, size = at+int(r.bytes), 0
			stays = r
			room--
		}
		r = next
	}
	c.cut(at, size)
	c.timeOut(vain)
	return vain != nil
}

// chain appends r to the list from first to last.
func chain(first, last, r *request) (*request, *request) {
	if first == nil {
		return r, r
	}
	last.behind = r
	return first, r
}

// timeOut answers requests that are given up.
func (c *conn) timeOut(vain *request) {
	p := c.endpoint.pool
	for vain != nil {
		r := vain
		vain = r.behind
		r.behind = nil
		*c.endpoint.counters[link.ServerTimedout]++
		p.giveUp(r)
		p.l.answer(r, p.failure(r, p.errorText(unix.ETIMEDOUT), false), nil)
	}
}

// cut takes what was queued for requests that are given up out of the output.
func (c *conn) cut(at, size int) {
	if size > 0 {
		c.stream.Out.Cut(c.endpoint.pool.l.memory, at, size)
	}
}

// withdraw takes r, of which nothing is written, out of the in queue; before is in front of it.
func (c *conn) withdraw(r, before *request) {
	next := r.behind
	c.follow(before, next)
	if c.unsent == r {
		c.unsent = next
	}
	if c.waiting == r {
		c.waiting = next
	}
	r.behind = nil
	r.state &^= inConn
	c.passed(r)
	c.unbegun--
	c.waitsNoMore(r)
	n := &c.endpoint.counters
	*n[link.InQueue]--
	*n[link.InQueueBytes] -= uint64(r.bytes)
}

// isVain tells whether it makes no sense to send r, which usually needs so much time, and in any case the least.
func (r *request) isVain(now, usual, least int64) bool {
	if f := r.partOf(); f != nil {
		return f.isVain(r, now, least)
	}
	return r.isOverdue(now + usual)
}

// follow has r come next after before in the in queue; nil: none.
func (c *conn) follow(before, r *request) {
	if before == nil {
		c.head = r
	} else {
		before.behind = r
	}
	if r == nil {
		c.tail = before
	}
}

// renew ends a connection whose server is too late, and opens it again for those requests of which nothing is written,
// unless the server was ejected for it: then they fail with the others. What the server has not been given of the others
// is not sent any more.
func (c *conn) renew() {
	l := c.endpoint.pool.l
	if cl := c.endpoint.pool.cluster; cl != nil { // while all requests are in queues where they are counted
		cl.count()
	}
	if c.hold != nil {
		_ = sock.Abort(c.stream.FD())
		c.gauge.late()
		c.end(unix.ETIMEDOUT)
		return
	}
	c.giveUpTransactions()
	c.stream.Out.Drain(l.memory, c.unfinished())
	first, last, count, out, meta := c.firstUnbegun(), c.tail, c.unbegun, c.stream.Out, c.meta
	c.stream.Out = stream.Output{}
	if c.unsent == first {
		c.unsent = nil
	}
	c.follow(c.begun, nil)
	c.unbegun = 0
	_ = sock.Abort(c.stream.FD())
	c.gauge.late()
	c.end(unix.ETIMEDOUT)
	if first == nil {
		return
	}
	c.head, c.tail, c.waiting, c.unsent = first, last, first, first
	c.unbegun, c.stream.Out = count, out
	if !c.endpoint.server.liveness().Alive() {
		c.failRequests(c.close(), unix.ETIMEDOUT)
		return
	}
	for r := first; r != nil; r = r.behind {
		r.sent = l.now
		c.waitsUnsent(r)
	}
	if meta == metaKnown {
		c.meta = metaAwaited
	}
	c.open()
	c.awaitExpiry()
}

// giveUpTransactions gives up those of which nothing is written: the server that the next connection reaches need not do any, and was
// not tried.
func (c *conn) giveUpTransactions() {
	for r := c.firstUnbegun(); r != nil; r = r.behind {
		if r.isTransaction() {
			r.deadline = c.endpoint.pool.l.now
		}
	}
	c.giveUp(0, 0, c.unbegun)
}

// isWaitedFor tells whether it is the server's turn: it owes a reply, or is to read the rest of what it has answered early,
// before it can be sent what else there is. It is not late with what merely waits here.
func (c *conn) isWaitedFor() bool { return c.owed > 0 || c.lead < 0 && c.head != nil }

// lateAt returns when the server is so late that the connection is not worth keeping: it has owed the same reply for two
// timeouts, or sent nothing for so long. Until it is ready, the deadlines of the requests count.
func (c *conn) lateAt() int64 {
	timeout := c.endpoint.pool.timeout
	if !c.isWaitedFor() || timeout == 0 || c.state != connReady || c.own != nil {
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
	if c.isAgreeing() {
		at = min(at, c.heard+c.endpoint.pool.greetingTime())
	}
	if at < math.MaxInt64 {
		c.endpoint.pool.l.timers.Set(&c.deadlines, at)
	}
}

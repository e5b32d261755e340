// The in queue of a connection to a server: first the requests that are written and wait for their replies, then those that
// are still to be written.

package core

import (
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// send queues b for the server and r for its reply.
//
// in is the stream that b came in on, if b is a whole request: a long one is adopted instead of copied.
func (c *conn) send(r *request, b []byte, in *stream.Stream) {
	c.enqueue(r, len(b))
	if claimed := in.Claim(b); claimed != nil {
		c.stream.Out.Adopt(claimed)
	} else {
		c.stream.Out.Append(c.endpoint.pool.l.memory, b)
	}
	c.wake()
}

// sendBehind is send with something that goes before b: all of r's bytes are both.
func (c *conn) sendBehind(r *request, before, b []byte, in *stream.Stream) {
	if len(before) == 0 {
		c.send(r, b, in)
		return
	}
	c.enqueue(r, len(before)+len(b))
	c.stream.Out.Append(c.endpoint.pool.l.memory, before)
	c.stream.Out.Append(c.endpoint.pool.l.memory, b)
	c.wake()
}

// enqueue adds r, of so many bytes, to the in queue.
func (c *conn) enqueue(r *request, size int) {
	l := c.endpoint.pool.l
	if r.deadline == 0 {
		r.deadline = c.endpoint.pool.deadline()
	}
	r.state |= inConn
	r.said.at = c.endpoint
	r.bytes = int32(size)
	r.queue()
	r.sent = l.now
	if c.tail == nil {
		c.head = r
		c.heard = l.now
	} else {
		c.tail.behind = r
	}
	c.tail = r
	if c.waiting == nil {
		c.waiting = r
	}
	if c.unsent == nil {
		c.unsent = r
	}
	c.unbegun++
	c.waitsUnsent(r)
	n := &c.endpoint.counters
	*n[link.InQueue]++
	*n[link.InQueueBytes] += uint64(size)
	*n[link.Requests]++
	*n[link.RequestBytes] += uint64(size)
	if r.deadline != 0 && (!c.deadlines.Armed() || r.deadline < c.deadlines.Due()) {
		l.timers.Set(&c.deadlines, r.deadline)
	}
}

// wake has what is queued written, on a connection that is opened if there is none. A dedicated one opens when it is to be written:
// if it cannot, it is gone for good, and who sends may have more for it.
func (c *conn) wake() {
	c.markDirty()
	if c.state == connReady {
		return
	}
	if c.hold != nil && c.own == nil {
		c.holdLast()
		return
	}
	if c.state == connClosed && c.own == nil {
		c.open()
	}
}

// pop takes the head off the in queue.
func (c *conn) pop() *request {
	r := c.head
	c.head = r.behind
	if c.head == nil {
		c.tail = nil
	}
	if c.waiting == r {
		c.waiting = c.head
	}
	if c.begun == r {
		c.begun = nil
	}
	c.owed--
	c.uncount(r)
	r.behind = nil
	r.state &^= inConn
	c.passed(r)
	return r
}

// passed is called when r leaves the in queue, which has passed a gate if the pool is a cluster.
func (c *conn) passed(r *request) {
	if r.slot != 0 {
		c.endpoint.pool.cluster.left(r)
	}
}

// uncount takes r, the head, out of the gauges of the queues. A server may answer a request before it has read all of it: the
// rest is written all the same.
func (c *conn) uncount(r *request) {
	n := &c.endpoint.counters
	if r.state&isParked != 0 {
		c.unpark(r)
		return
	}
	if r != c.unsent {
		*n[link.OutQueue]--
		*n[link.OutQueueBytes] -= uint64(r.bytes)
		return
	}
	c.unsent = r.behind
	c.lead -= int(r.bytes)
	*n[link.InQueue]--
	*n[link.InQueueBytes] -= uint64(r.bytes)
}

// flush writes the output, as far as allowed says and the socket takes it.
func (c *conn) flush() {
	if c.own != nil && c.state == connClosed && c.head != nil {
		c.open()
	}
	if c.isAgreeing() {
		c.writeAgreement()
		return
	}
	if c.state != connReady || c.stream.Unwritten() == 0 || c.own != nil && c.isForNobody() {
		return
	}
	if c.reads != nil && !c.reads.isFit() {
		if c.returnUnsent(); c.stream.Unwritten() == 0 {
			return
		}
	}
	most := c.allowed() // which may take some away
	before := c.stream.Out.Len()
	more, err := c.stream.Send(c.endpoint.pool.l.io, most, c.hold.written())
	if err = c.endpoint.pool.l.overlook(c, err); err != nil {
		c.fail(err)
		return
	}
	unwritten := c.unsent
	c.wrote(before - c.stream.Out.Len())
	if c.hold != nil {
		c.copyWritten(unwritten)
	}
	if c.own != nil {
		c.park()
	}
	if more && !c.paused {
		c.markDirty()
	}
}

// wrote moves the requests that are now written as a whole from one gauge to the other.
func (c *conn) wrote(bytes int) {
	c.lead += bytes
	moved, size := 0, 0
	for c.unsent != nil && c.lead >= int(c.unsent.bytes) {
		c.lead -= int(c.unsent.bytes)
		moved++
		size += int(c.unsent.bytes)
		c.unsent.unqueue()
		c.markBegun(c.unsent)
		c.unsent = c.unsent.behind
	}
	if c.unsent != nil && c.lead > 0 {
		c.markBegun(c.unsent)
	}
	c.measureWrite()
	n := &c.endpoint.counters
	*n[link.InQueue] -= uint64(moved)
	*n[link.InQueueBytes] -= uint64(size)
	*n[link.OutQueue] += uint64(moved)
	*n[link.OutQueueBytes] += uint64(size)
}

// measureWrite lets the gauge see what is written.
func (c *conn) measureWrite() {
	if c.gauge.since != 0 {
		return
	}
	others, fair := unknownOwed, 0
	if p := c.endpoint.pool; c.gauge.doubts(p.timeout / gaugePart) {
		others = c.endpoint.owedOthers(c)
		fair = others / max(1, p.spec.ServerConnections*p.l.spec.Slots-1) / 2
	}
	c.gauge.wrote(c.owed, others, fair, c.endpoint.pool.l.now)
}

// markBegun is called when r is written, or a part of it.
func (c *conn) markBegun(r *request) {
	if c.begun != r {
		c.begun = r
		r.said.begun = c.endpoint.pool.l.now
		*c.endpoint.counters[link.WaitMicros] += micros(r.said.begun - r.sent)
		if c.owed == 0 {
			c.heard = c.endpoint.pool.l.now
		}
		c.owed++
		c.unbegun--
		c.waitsNoMore(r)
	}
}

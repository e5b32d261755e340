// The out queue of a client: requests that are to be answered in the order in which they came, and the output that their
// replies make.

package core

import (
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// push appends r to the out queue.
func (c *client) push(r *request) {
	r.client = c
	r.state |= inClient
	r.said.began = c.pool.l.now
	if c.session.reply.isNone() && r.state&isSubscription == 0 {
		r.state |= isNoReply
	}
	if c.tail == nil {
		c.head = r
		c.pool.l.busy++
	} else {
		c.tail.next = r
	}
	c.tail = r
	c.owed++
	c.owedSize += uint32(r.bytes)
}

// shift takes the head off the out queue.
func (c *client) shift() *request {
	r := c.head
	c.head = r.next
	if c.head == nil {
		c.tail = nil
		c.pool.l.busy--
	}
	r.next = nil
	r.state &^= inClient
	c.owed--
	if c.pool.replicas != nil && c.session.writeOwed > 0 {
		c.noteReply()
	}
	c.owedSize -= uint32(r.bytes)
	return r
}

// shiftAnswered takes the head off, whose reply goes to the client.
func (c *client) shiftAnswered() *request {
	r, l := c.shift(), c.pool.l
	waited := l.now - r.said.began
	if r.state&isBlocking == 0 { // no patience of the client's own, which may be hours
		*c.pool.counters[link.RequestMicros] += micros(waited)
	}
	if waited >= c.pool.noteFrom {
		l.noteAnswered(c, r, waited)
	}
	return r
}

// noteAnswered has the logs look at a request that was answered after so many ns.
func (l *loop) noteAnswered(c *client, r *request, waited int64) {
	l.requestLog.note(c, r)
	if waited >= c.pool.slow {
		l.slow.noteSlow(c, r)
	}
}

// flush writes the output, as far as the socket takes it.
func (c *client) flush() {
	if c.life == clientClosed || c.moving.inFlight() {
		return
	}
	if before := c.stream.Unwritten(); before > 0 {
		more, err := c.stream.Send(c.pool.l.io, stream.MaxSendBytes, nil)
		if err = c.pool.l.overlook(c, err); err != nil {
			c.fail(err)
			return
		}
		if more {
			c.markDirty()
		}
		if c.stream.Unwritten() > 0 {
			c.pool.l.slow.unsent(c)
		} else if len(c.pool.l.slow.takers) > 0 {
			c.pool.l.slow.sent(c)
		}
		if c.stream.Unwritten() < before {
			c.took = c.pool.l.ticks()
		}
	}
	if c.isMerging() && c.stream.Out.Len() < maxMergedBytes {
		c.nextTurn()
	}
	if c.overflows() {
		c.overflow()
		return
	}
	if c.moving.frozen() {
		c.pool.l.mover.outgoing.flushed(c)
	}
	if c.pool.l.draining.on || c.moving.unwanted() || c.isShed() {
		c.closeIfIdle()
	}
	c.endIfDone()
	c.unmute()
}

// dropRequests detaches the client's requests: their server connections still need them.
func (c *client) dropRequests() {
	l := c.pool.l
	for c.head != nil {
		r := c.shift()
		r.client = nil
		c.dropHeldReply(r)
		c.pool.fanouts.abandon(r)
		l.forget(r)
	}
}

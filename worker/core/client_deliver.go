// Replies on their way to the clients, in the order of their requests.

package core

import (
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// answer gives r its reply, or an error in its place, and detaches it from its client: a later reply to it is dropped. in is
// where the reply came in: a long one is adopted instead of copied.
func (l *loop) answer(r *request, reply []byte, in *stream.Stream) {
	r.unqueue()
	switch {
	case r.state&isSubscription != 0:
		l.answerSubscription(r, reply)
		return
	case r.errand != nil:
		e := r.errand
		r.errand = nil
		e.answered(reply)
	case r.parent != nil:
		parent := r.parent
		r.parent = nil
		if parent.fanout.left == 1 {
			parent.said.follow(&r.said, l.now)
		}
		l.gather(parent, r.fragment, reply, in)
	case r.client != nil:
		c := r.client
		r.client = nil
		c.answered(r, reply, in)
	}
	l.forget(r)
}

// answered queues the reply to r. It is written after all earlier replies.
func (c *client) answered(r *request, reply []byte, in *stream.Stream) {
	if r.said.sample != 0 {
		c.pool.l.sampling.answered(r, c.pool, len(reply))
	}
	var whole *memory.Buffer // the reply, in a buffer of its own
	if r.state&(isNoReply|isReformed) != 0 {
		reply, whole = c.reform(r, reply)
	}
	l := c.pool.l
	c.active = l.ticks()
	if r != c.head {
		r.reply = c.holdReply(reply, in)
		if whole != nil {
			r.reply = heldReply{b: whole}
			c.held += whole.Cost()
		}
		r.state |= isDone
		r.said.answered = l.now
		if c.overflows() {
			c.markDirty()
		}
		return
	}
	if whole == nil {
		whole = in.Claim(reply) // unless it was reformed
	}
	if whole != nil {
		c.stream.Out.Adopt(whole)
	} else {
		c.stream.Out.Append(l.memory, reply)
	}
	c.shiftAnswered()
	if c.head != nil && c.head.state&isDone != 0 {
		c.deliver()
		return
	}
	c.markDirty()
}

// deliver writes the replies at the front of the out queue that have come. A long merged one takes several turns.
func (c *client) deliver() {
	l := c.pool.l
	for c.head != nil && c.head.state&isDone != 0 {
		if c.head.fanout != nil && !c.merge(c.head) {
			break
		}
		done := c.shiftAnswered()
		if b := done.reply.bytes(); len(b) >= memory.ClaimBytes {
			c.held -= done.reply.b.Cost()
			c.stream.Out.Adopt(done.reply.b)
			done.reply = heldReply{}
		} else {
			c.stream.Out.Append(l.memory, b)
			c.dropHeldReply(done)
		}
		l.forget(done)
	}
	c.markDirty()
}

// bufferReply returns a buffer with a reply that has to wait; without memory, with an error in its place.
func (p *pool) bufferReply(reply []byte, in *stream.Stream) *memory.Buffer {
	if claimed := in.Claim(reply); claimed != nil {
		return claimed
	}
	b, err := p.l.memory.CopyOf(reply)
	if err != nil {
		b, _ = p.l.memory.CopyOf(p.errorText(err)) // small, hence without error
	}
	return b
}

// respond answers the request at hand without a server, in its place among the replies.
func (c *client) respond(reply []byte) {
	if !c.session.reply.isNone() {
		c.respondAlways(reply)
	}
}

// respondAlways is respond with something that the client gets whatever CLIENT REPLY says.
func (c *client) respondAlways(reply []byte) {
	if c.head == nil {
		c.stream.Out.Append(c.pool.l.memory, reply)
		c.markDirty()
		return
	}
	c.respondLater(c.holdReply(reply, nil))
}

// respondScratch answers with b, which was appended to the loop's scratch.
func (c *client) respondScratch(b []byte) {
	c.pool.l.scratch = b
	c.respond(b)
}

// respondUnlessWaiting answers with out, which was appended to the loop's scratch, unless the client has been left waiting for
// something that the reply depends on.
func (c *client) respondUnlessWaiting(out []byte) {
	if c.waits < waitsForReplies {
		c.respondScratch(out)
	}
}

// respondBuffer is respond with a long reply, which it takes.
func (c *client) respondBuffer(reply *memory.Buffer) {
	if c.session.reply.isNone() {
		c.pool.l.memory.Put(reply)
		return
	}
	if c.head == nil {
		c.stream.Out.Adopt(reply)
		c.markDirty()
		return
	}
	c.held += reply.Cost()
	c.respondLater(heldReply{b: reply})
}

// respondLater has a reply wait for those before it.
func (c *client) respondLater(reply heldReply) {
	r := c.pool.l.requests.get()
	r.reply = reply
	r.state = isDone
	c.push(r)
	r.client = nil
}

// forget frees r if it is in no queue any more.
func (l *loop) forget(r *request) {
	if r.state&(inClient|inConn) == 0 && r.fanout == nil {
		l.requests.put(r)
	}
}

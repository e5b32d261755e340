// The bytes of requests that may be sent again: copies of what is written, and what is left of both when a connection ends.

package core

import (
	"math"

	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

const (
	// mostCopied is how many bytes of requests are kept for a connection until they are answered. Those beyond are not sent again.
	mostCopied = 1 << 20
	// mostCopiedOfNode is the same of a cluster, where a request that moves with its slot would fail.
	mostCopiedOfNode = 16 << 20
)

// copyWritten keeps the bytes of those requests that are now written as a whole, from first on, which may be sent again. It sees to
// it that a server which keeps silent is noticed before their time is over.
func (c *conn) copyWritten(first *request) {
	h, m := c.hold, c.endpoint.pool.l.memory
	size := max(c.lead, 0)
	for r := first; r != c.unsent; r = r.behind {
		size += int(r.bytes)
	}
	h.lead.Drain(m, h.lead.Len()-size) // of a request that was answered before it was written
	kept := 0                          // bytes of those in a row: they go to the copies together
	for r := first; r != c.unsent; r = r.behind {
		if c.copies(r, kept) {
			r.state |= isCopied
			kept += int(r.bytes)
		} else {
			h.lead.Transfer(m, kept, &h.copies)
			h.lead.Drain(m, int(r.bytes))
			kept = 0
		}
	}
	h.lead.Transfer(m, kept, &h.copies)
	if at := c.lateAt(); c.own == nil && at != math.MaxInt64 && (!c.deadlines.Armed() || at < c.deadlines.Due()) {
		c.endpoint.pool.l.timers.Set(&c.deadlines, at)
	}
}

// copies tells whether the bytes of r, which is written, are kept. Any request may be sent again that a node of a cluster has refused, but
// for a transaction that is guarded by what its client watches on this connection. more is how many bytes are kept beside those
// that are among the copies already.
func (c *conn) copies(r *request, more int) bool {
	kept := c.hold.copies.Len() - c.hold.answered + more + int(r.bytes)
	if c.reads != nil {
		return kept <= mostCopiedOfReads && r.owner() != nil && !r.isScript()
	}
	if c.endpoint.pool.cluster != nil {
		return r.slot != 0 && kept <= mostCopiedOfNode && r.owner() != nil && !r.isGuarded()
	}
	return (r.isRepeatable() || r.isRefusable()) && kept <= mostCopied
}

// dropCopy is called when r, which has isCopied and was the first such, is answered.
func (c *conn) dropCopy(r *request) {
	r.state &^= isCopied
	h := c.hold
	if h.answered += int(r.bytes); h.answered == h.copies.Len() || h.answered >= mostAnswered {
		h.dropAnswered(c.endpoint.pool.l.memory)
	}
}

// mostAnswered is how many bytes of answered requests are kept at most: to free those of many together costs less.
const mostAnswered = 4 << 10

// dropAnswered drops what is among the copies of requests that are answered. It goes before those that are not.
func (h *hold) dropAnswered(m *memory.Allocator) {
	h.copies.Drain(m, h.answered)
	h.answered = 0
}

// takeCopy takes the bytes of the first request whose bytes are kept, r, off the copies. They go to out.
func (c *conn) takeCopy(r *request, out *stream.Output) {
	h, m := c.hold, c.endpoint.pool.l.memory
	h.dropAnswered(m)
	h.copies.Transfer(m, int(r.bytes), out)
	r.state &^= isCopied
}

// rest is what a connection that ends has of the requests in its in queue. Their bytes are taken off it in the order of the queue.
type rest struct {
	ready  bool // requests could be written
	meta   metaSupport
	lead   int // bytes of unsent that are written
	unsent *request
	lost   bool // unsent is taken off: the others are not written

	begun, copies, out stream.Output
}

// takeRest takes the bytes of the connection's requests, which is about to be closed.
func (c *conn) takeRest() (x rest) {
	h := c.hold
	if h == nil {
		return x
	}
	m := c.endpoint.pool.l.memory
	h.dropAnswered(m)
	x = rest{ready: c.state == connReady, meta: c.meta, lead: max(c.lead, 0), unsent: c.unsent, begun: h.lead, copies: h.copies, out: c.stream.Out}
	h.lead, h.copies, c.stream.Out = stream.Output{}, stream.Output{}, stream.Output{}
	if c.lead <= 0 {
		x.begun.Drop(m)
		x.out.Drain(m, -c.lead)
	}
	return x
}

// drop frees what is left.
func (x *rest) drop(m *memory.Allocator) {
	x.begun.Drop(m)
	x.copies.Drop(m)
	x.out.Drop(m)
}

// isWhole tells whether r, the next request, was written as a whole.
func (x *rest) isWhole(r *request) bool { return !x.lost && r != x.unsent }

// mayWait tells whether r, the next request, may wait for the server. A transaction may not: the server that is back need not do any,
// and was not tried. Those that come while it is down wait until it is.
func (x *rest) mayWait(r *request) bool {
	switch {
	case r.owner() == nil:
		return false
	case x.isWhole(r):
		return r.state&isCopied != 0 && r.isRepeatable()
	}
	return !r.isTransaction() || r.slot != 0 && !r.isGuarded() || r.state&isTrial != 0 && (r != x.unsent || x.lead == 0)
}

// pass takes the bytes of r, the next request, off. They go to out, unless that is nil.
func (x *rest) pass(m *memory.Allocator, r *request, out *stream.Output) {
	size := int(r.bytes)
	switch {
	case r == x.unsent:
		x.lost = true
		transfer(m, &x.begun, x.lead, out)
		transfer(m, &x.out, size-x.lead, out)
	case x.lost:
		transfer(m, &x.out, size, out)
	case r.state&isCopied != 0:
		r.state &^= isCopied
		transfer(m, &x.copies, size, out)
	}
}

func transfer(m *memory.Allocator, from *stream.Output, n int, to *stream.Output) {
	if to == nil {
		from.Drain(m, n)
		return
	}
	from.Transfer(m, n, to)
}

// Requests that wait for a server that is down, in pools with failover_wait.
//
//	                     ┌─ not written as a whole ───────────────────┐          ┌─ the server is back ────► written
//	in the in queue when ├─ a read that is written: its bytes are ────┴─► held ──┤  failover_wait is over ─► failed
//	the connection ends ─┤  among the copies                                     └─ its client is gone ────► dropped
//	                     └─ whatever else is written ──► failed at once: the outcome is unknown
//
// Of a part of a request a server executes nothing. What the kernel has got as a whole it may, even after the connection is
// closed: a write is never sent again then, whichever it is.
//
// Held requests stay in the in queue, in their order, and their clients are not read. Those that come meanwhile wait behind
// them. The connection is opened again and again, until a server answers a ping, and as long as there is somebody to wait for it.

package core

import (
	"errors"
	"io"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

const (
	// mostHeld and mostHeldBytes is how many requests of a worker may wait for a server. Those beyond fail at once.
	mostHeld      = 1 << 16
	mostHeldBytes = 64 << 20
)

// hold is what a connection needs whose requests wait while its server is down. Loop only.
type hold struct {
	down     bool          // the connection was lost with requests on it, or the last attempt has failed
	crowded  bool          // there is a request that there is no room for
	cause    error         // why it is down, if it is
	again    int64         // ns: when the next attempt is due; 0: with the next request
	lead     stream.Output // of the first request that is not written as a whole: the part that is
	copies   stream.Output // the bytes of the written requests that have isCopied, behind those of some that are answered
	answered int           // bytes of those
	refused  refusedRequests
	aborts   []byte // of a cluster: what a part of the transaction at hand was refused with; empty: nothing
}

// written returns where the connection's output goes when it is written; h may be nil.
func (h *hold) written() *stream.Output {
	if h == nil {
		return nil
	}
	return &h.lead
}

// cost returns how many bytes are kept of requests that are written; h may be nil.
func (h *hold) cost() int {
	if h == nil {
		return 0
	}
	return h.lead.Cost() + h.copies.Cost() + h.refused.out.Cost()
}

// drop frees what is kept of requests that are written; h may be nil.
func (h *hold) drop(m *memory.Allocator) {
	if h != nil {
		h.lead.Drop(m)
		h.copies.Drop(m)
		h.answered = 0
		h.aborts = h.aborts[:0]
	}
}

// asks returns what r, or the request that it is a part of, asks for.
func (r *request) asks() *resp.Command {
	if r.parent != nil {
		return r.parent.command
	}
	return r.command
}

// isRepeatable tells whether r may be sent again although a server may have executed it.
func (r *request) isRepeatable() bool {
	cmd := r.asks()
	return cmd != nil && cmd.IsRepeatable() && r.owner() != nil
}

// isRefusable tells whether r may be sent again when its server has refused it. What a script says may be its own words, after half
// of its work.
func (r *request) isRefusable() bool {
	cmd := r.asks()
	return cmd != nil && !cmd.Script && r.skips == 0 && r.bytes <= maxRefusedBytes && r.owner() != nil
}

// isOutage tells whether a connection has failed for a reason that may be over soon.
func isOutage(err error) bool {
	for _, lasting := range []error{errGreeting, errGarbage, errUnsolicited, errCalledOff} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return !isOwnTrouble(err) && !onlySessionsAsk(err) && !errors.As(err, new(*tlsTrouble))
}

// holdRequests is called when the connection has ended with err. Of its queue, of which x is the rest, what may wait does. It
// returns the others.
func (c *conn) holdRequests(queue *request, x *rest, err error) (others *request) {
	if c.reads != nil {
		return c.returnReads(queue, x, err)
	}
	h, l := c.hold, c.endpoint.pool.l
	idle := err == io.EOF && queue == nil
	h.down, h.cause = isOutage(err) && !idle, err
	if cl := c.endpoint.pool.cluster; cl != nil {
		cl.tellStale()
		if h.down {
			queue = cl.takeBack(queue, x, err)
		}
		x.drop(l.memory)
		return queue
	}
	if h.down && c.endpoint.server.liveness().Alive() {
		others = c.requeue(queue, x)
	} else {
		others = queue
	}
	x.drop(l.memory)
	if c.head == nil {
		return others
	}
	h.again = l.now + retryPause
	if x.ready && l.now-c.opened >= retryPause {
		h.again = l.now
	}
	c.armHold()
	return others
}

// requeue takes over what may wait of a queue, of which x is the rest. It returns the others. The connection has no requests.
func (c *conn) requeue(queue *request, x *rest) (others *request) {
	m, n := c.endpoint.pool.l.memory, &c.endpoint.counters
	var last, lastOther *request
	for queue != nil {
		r := queue
		queue, r.behind = r.behind, nil
		if !x.mayWait(r) {
			x.pass(m, r, nil)
			others, lastOther = chain(others, lastOther, r)
			continue
		}
		repeated := x.isWhole(r)
		x.pass(m, r, &c.stream.Out)
		c.beginHold(r)
		if repeated {
			r.state |= isRepeated
			r.queue()
		}
		c.waitsUnsent(r)
		c.head, last = chain(c.head, last, r)
		c.unbegun++
		*n[link.InQueue]++
		*n[link.InQueueBytes] += uint64(r.bytes)
	}
	c.tail, c.waiting, c.unsent = last, c.head, c.head
	if c.head != nil && (x.meta == metaKnown || x.meta == metaAwaited) {
		c.meta = metaAwaited
	}
	return others
}

// beginHold lets r wait for the server from now on, unless it does so already. One that is to be sent again has had a part of
// its time.
func (c *conn) beginHold(r *request) {
	p, n := c.endpoint.pool, &c.endpoint.counters
	if owner := r.owner(); owner != nil && owner.waits == waitsForNothing {
		owner.waitBehind()
	}
	if r.state&isHeld != 0 {
		return
	}
	if r.state&(isRepeated|isRefused) == 0 {
		r.deadline = p.l.now + int64(p.spec.FailoverWait)
	}
	r.state |= isHeld
	*n[link.Held]++
	*n[link.HeldBytes] += uint64(r.bytes)
	if r.state&isRefused == 0 {
		*n[link.HeldTotal]++
	}
	if *n[link.Held] > mostHeld || *n[link.HeldBytes] > mostHeldBytes || p.l.relief.scarce {
		r.deadline = p.l.now
		c.hold.crowded = true
	}
}

// endHold is called when r waits for the server no more.
func (c *conn) endHold(r *request) {
	if r.state&isHeld != 0 {
		r.state &^= isHeld
		*c.endpoint.counters[link.Held]--
		*c.endpoint.counters[link.HeldBytes] -= uint64(r.bytes)
	}
}

// holdLast is called when a request was queued although the connection is not ready. It is opened, if no attempt is due later.
func (c *conn) holdLast() {
	p, h, r := c.endpoint.pool, c.hold, c.tail
	begins := c.state == connClosed && h.again == 0
	if begins { // what a former attempt has come to says nothing of this one
		h.down, h.cause = false, nil
	}
	if h.down {
		c.beginHold(r)
	} else if r.state&isRefused == 0 && c.reads == nil {
		r.deadline = p.l.now + int64(p.spec.FailoverWait)
	}
	if begins {
		c.open()
	}
	if c.state != connReady {
		c.armHold()
	}
}

// sendHeld is called when the server is back. What nobody waits for any more is not sent.
func (c *conn) sendHeld() {
	p, cause := c.endpoint.pool, c.hold.cause
	c.hold.down, c.hold.cause, c.hold.again = false, nil, 0
	c.forgetQueue(c.takeOut(func(r *request) bool { return r.owner() == nil }))
	if gone := c.takeOut(func(r *request) bool { return r.state&isHeld != 0 && r.hasLeft() }); gone != nil {
		c.failRequests(gone, cause)
	}
	for r := c.head; r != nil; r = r.behind {
		c.endHold(r)
		r.sent = p.l.now
		if r.state&(isRepeated|isRefused) == 0 {
			r.deadline = p.deadline()
		}
	}
	c.awaitExpiry()
	if p.cluster != nil {
		p.cluster.connected()
	}
}

// hasLeft tells whether the client of r, which has waited, has hung up meanwhile. It may read on, but it may have lost patience and ask
// again elsewhere: then a write must not be executed twice.
func (r *request) hasLeft() bool {
	c := r.owner()
	return (c.stream.Hangup || c.life == clientHalfClosed) && !r.isRepeatable()
}

// takeOut takes the requests that it says out of the in queue, of which nothing is written, and returns them.
func (c *conn) takeOut(which func(r *request) bool) (taken *request) {
	at, size := 0, 0 // where in the output those are that are taken in a row, and their bytes
	var stays, last *request
	for r := c.head; r != nil; {
		next := r.behind
		if which(r) {
			c.withdraw(r, stays)
			r.slot = 0 // it has left the gate of its slot
			size += int(r.bytes)
			taken, last = chain(taken, last, r)
		} else {
			c.cut(at, size)
			at, size = at+int(r.bytes), 0
			stays = r
		}
		r = next
	}
	c.cut(at, size)
	return taken
}

// isHolding tells whether requests wait for the server, which is down.
func (c *conn) isHolding() bool { return c.hold != nil && c.hold.down && c.head != nil }

// failure returns the error reply to r, which its server does not answer, for the reason that text gives. written tells that the
// server got it as a whole: it may have executed it all the same, or may yet. Where servers fail over, or requests wait for them, a
// client learns of every request whether that is so, by which programs decide whether to ask again, and else of a transaction only.
func (p *pool) failure(r *request, text []byte, written bool) []byte {
	written = written && r.state&isTrial == 0
	if p.spec.FailoverWait == 0 && !p.spec.Discovers() {
		if written && r.isTransaction() {
			return resp.AppendUnknownOutcome(nil, text)
		}
		return text
	}
	if f := r.partOf(); f != nil && len(f.parts) > 1 && f.protocol.changes() {
		written = true // other parts may have been
	}
	return p.appendOutcome(nil, text, written || r.state&isRepeated != 0)
}

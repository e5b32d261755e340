// Requests that a server has refused for now, since it loads its data, has lost its master or is no master: in pools with failover_wait
// they wait, and are sent again after a pause, to the same server or to one that has taken its place. It has not executed them.

package core

import (
	"bytes"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// refusedRequests are those of a connection. They count as in it, but are not in its in queue. Loop only.
type refusedRequests struct {
	first, last *request
	out         stream.Output // their bytes
	reply       []byte        // to the last of them
	since       int64         // ns: when it was sent
	timer       timer.Timer   // for the next attempt
}

// heldRefusal stands for a reply of which a request waits: the server counts as failed when that has waited in vain.
var heldRefusal = new(refusal)

// maxRefusedBytes is the size of a request that is kept in case that it is refused.
const maxRefusedBytes = 64 << 10

// holdRefused lets r, which the server refuses with reply, wait, and tells whether it can. It cannot if the same client has asked for
// more over this connection: the server may take that, and the client's requests keep their order.
func (c *conn) holdRefused(r *request, reply []byte) bool {
	h, l := c.hold, c.endpoint.pool.l
	owner := r.owner()
	if r.state&isCopied == 0 || owner == nil || c.hasRequest(func(later *request) bool { return later.owner() == owner }) {
		return false
	}
	f := &h.refused
	c.takeCopy(r, &f.out)
	f.reply, f.since = append(f.reply[:0], reply...), r.sent
	f.first, f.last = chain(f.first, f.last, r)
	r.state |= inConn
	c.beginHold(r)
	r.state |= isRefused
	c.outOfService = heldRefusal
	if !f.timer.Armed() {
		f.timer.Fire = func() { c.sendRefused(c) }
		l.timers.Set(&f.timer, l.now+retryPause)
	}
	return true
}

// sendRefused has the requests that were refused here sent again, over to. Those whose time is over get what the server has said.
func (c *conn) sendRefused(to *conn) {
	f, l, p := &c.hold.refused, c.endpoint.pool.l, c.endpoint.pool
	queue, out := f.first, f.out
	f.first, f.last, f.out = nil, nil, stream.Output{}
	l.timers.Stop(&f.timer)
	cause := &refusal{bytes.Clone(f.reply)}
	for queue != nil {
		r := queue
		queue, r.behind = r.behind, nil
		r.state &^= inConn
		c.endHold(r)
		switch {
		case r.owner() == nil:
			out.Drain(l.memory, int(r.bytes))
			c.forgetQueue(r)
		case r.isOverdue(l.now), r.hasLeft():
			out.Drain(l.memory, int(r.bytes))
			if !r.hasLeft() {
				c.endpoint.failed(cause, f.since)
				*c.endpoint.counters[link.HeldExpired]++
			}
			*p.counters[link.ForwardError]++
			l.answer(r, p.failure(r, cause.reply, false), nil)
		default:
			to.enqueue(r, int(r.bytes))
			out.Transfer(l.memory, int(r.bytes), &to.stream.Out)
			to.wake()
		}
	}
}

// Requests of a cluster that come back from a connection, and wait at their gates again.

package core

import "github.com/pinion-proxy/pinion/worker/stream"

// takeBack has those requests of a connection that was closed wait at their gates which may be sent again. x is the rest of its queue.
// It returns the others.
func (cl *cluster) takeBack(queue *request, x *rest, cause error) (others *request) {
	m := cl.pool.l.memory
	var last *request
	for queue != nil {
		r := queue
		queue, r.behind = r.behind, nil
		if r.slot == 0 || !x.mayWait(r) {
			x.pass(m, r, nil)
			others, last = chain(others, last, r)
			continue
		}
		whole := x.isWhole(r)
		var bytes stream.Output
		x.pass(m, r, &bytes)
		r.state &^= inConn | isPromised
		if f := r.partOf(); f != nil {
			f.unsent[r.fragment] = unsentFragment{}
		}
		r.unqueue()
		cl.left(r)
		q := cl.putBack(r, &bytes)
		if q.due = cl.pool.l.now; !x.ready {
			q.due += retryPause
		}
		if q.cause = cause; whole {
			r.state |= isRepeated
		}
	}
	return others
}

// putBack has r, which has left its connection and was not executed or may be again, wait before what was never sent.
func (cl *cluster) putBack(r *request, bytes *stream.Output) *gateQueue {
	cl.strip(r, bytes)
	q := cl.queueOf(int(r.slot) - 1)
	q.back.out.Join(bytes)
	cl.await(r, &q.back)
	return q
}

// strip makes r, whose bytes these are, what it was before it was sent.
func (cl *cluster) strip(r *request, bytes *stream.Output) {
	if r.slot < 0 {
		r.slot = -r.slot
		bytes.Drain(cl.pool.l.memory, len(asking))
		r.resize(-len(asking))
	}
	r.skips = 0
	if r.isTransaction() {
		r.skips = r.fragment
	}
}

// resize changes how many bytes r has.
func (r *request) resize(by int) {
	r.bytes += int32(by)
	if r.client != nil {
		r.client.owedSize += uint32(by)
	}
}

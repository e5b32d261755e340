// Reads that a replica has not answered: it was lost, refuses, keeps silent, or must not be read from any more. They are asked again of
// another replica, or of the primary in its place.
//
//	                    ┌─ not sent ──────────► asked again
//	a replica lacks a ──┼─ sent, a script ────► not asked again: it may be that which keeps the replica from answering
//	reply to what was   ├─ sent, it is quick ─► asked again, if the replica is lost, refuses it or keeps silent
//	                    └─ sent, it may take ─► asked again, if the replica is lost or refuses it. While it keeps silent it may be at work
//	                       long                 on just that, and so would be all others

package core

import (
	"bytes"
	"io"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// mostCopiedOfReads is how many bytes of reads are kept for a connection until they are answered. Those beyond are not asked again.
const mostCopiedOfReads = 16 << 20

var errReadNotKept = &refusal{resp.AppendError(nil, "ERR too much is read from a replica at a time to ask the master for what it does not have")}

// returnReads is holdRequests for a connection to a replica. It returns those that are not asked again.
func (c *conn) returnReads(queue *request, x *rest, err error) (others *request) {
	r, m := c.reads, c.endpoint.pool.l.memory
	if onlySessionsAsk(err) { // any server of the pool may refuse that, and others have asked for nothing of the kind
		x.drop(m)
		return queue
	}
	if (err != io.EOF || queue != nil) && err != errMoved {
		r.failed(err)
	}
	again := waitList{}
	var last *request
	for queue != nil {
		read := queue
		queue, read.behind = read.behind, nil
		if read.owner() == nil || x.isWhole(read) && !read.isAskedAgain(err) {
			x.pass(m, read, nil)
			others, last = chain(others, last, read)
			continue
		}
		x.pass(m, read, &again.out)
		read.state &^= inConn | isPromised
		if f := read.partOf(); f != nil {
			f.unsent[read.fragment] = unsentFragment{}
		}
		read.unqueue()
		again.first, again.last = chain(again.first, again.last, read)
	}
	x.drop(m)
	r.askElsewhere(&again)
	return others
}

// isAskedAgain tells whether a read that was sent to a replica as a whole, over a connection that has ended with err, is asked again.
func (r *request) isAskedAgain(err error) bool {
	silent := err == errReplicaSilent || err == unix.ETIMEDOUT
	return r.state&isCopied != 0 && (!silent || r.asks().Quick)
}

// returnUnsent has what was not sent to a replica, which must not be read from any more, go elsewhere.
func (c *conn) returnUnsent() {
	if c.unbegun == 0 {
		return
	}
	var head stream.Output
	c.stream.Out.Transfer(c.endpoint.pool.l.memory, c.unfinished(), &head)
	again := waitList{out: c.stream.Out}
	c.stream.Out = head
	for read := c.firstUnbegun(); read != nil; read = c.firstUnbegun() {
		c.withdraw(read, c.begun)
		read.unqueue()
		again.first, again.last = chain(again.first, again.last, read)
	}
	c.reads.askElsewhere(&again)
}

// returnRefused has r, which has left the in queue and which the replica does not answer for now, go elsewhere, and tells whether it
// does.
func (c *conn) returnRefused(r *request, reply []byte) bool {
	cl := c.endpoint.pool.cluster
	refused := resp.IsOutOfService(reply) || resp.IsBusy(reply) || cl != nil && resp.ClusterErrorOf(reply) != resp.NoClusterError
	if !refused && (cl == nil || !resp.MayBeMissing(reply)) || c.discards || r.owner() == nil {
		return false
	}
	if r.state&isCopied == 0 {
		if cl != nil {
			c.endpoint.pool.replicas.refuse(r, errReadNotKept)
		}
		return cl != nil
	}
	l := c.endpoint.pool.l
	c.endpoint.latency[link.LatencyBucket(l.now-r.sent)]++
	again := waitList{first: r, last: r}
	c.takeCopy(r, &again.out)
	if kind := resp.ClusterErrorOf(reply); cl != nil && (!refused || kind == resp.Moved || kind == resp.Ask) { // its primary knows better
		if refused {
			cl.readRedirect(c.endpoint, kind, reply)
			cl.tellStale()
		}
		cl.askAgain(r, &again.out, true)
		return true
	}
	c.outOfService = heldRefusal
	c.reads.failed(&refusal{bytes.Clone(reply)})
	if cl != nil {
		cl.tellStale()
	}
	c.reads.askElsewhere(&again)
	return true
}

// askElsewhere asks all of these reads, which are the replica's no more.
func (r *replica) askElsewhere(again *waitList) {
	p := r.endpoint.pool
	l, queue := p.l, again.first
	for queue != nil {
		read := queue
		queue, read.behind = read.behind, nil
		owner := read.owner()
		if owner == nil || read.isOverdue(l.now) {
			again.out.Drain(l.memory, int(read.bytes))
			r.giveUp(read)
			continue
		}
		if p.cluster != nil {
			var text stream.Output
			again.out.Transfer(l.memory, int(read.bytes), &text)
			p.cluster.askAgain(read, &text, false)
			continue
		}
		best, _ := p.replicas.choose(r.server)
		to, failure := p.replicas.connTo(best, r.server, owner)
		if failure != nil {
			again.out.Drain(l.memory, int(read.bytes))
			p.replicas.refuse(read, failure)
			continue
		}
		if best == nil {
			r.server.fallsBack()
		}
		to.enqueue(read, int(read.bytes))
		again.out.Transfer(l.memory, int(read.bytes), &to.stream.Out)
		to.wake() // which may fail, and bring it back
	}
}

// giveUp ends a read for which nobody waits, or for which it is too late.
func (r *replica) giveUp(read *request) {
	p := r.endpoint.pool
	if read.owner() == nil {
		r.endpoint.conns[0].forgetQueue(read)
		return
	}
	p.replicas.refuse(read, unix.ETIMEDOUT)
}

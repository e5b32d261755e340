// Nodes that are masters no more. One that has stood still may yet execute what lies in its socket, and say so; nobody has that write then.
// So no reply counts as a success that comes after the topology which says so. Reads, and what the node has not got, go where their
// slots are now.
//
// But one that has passed its slots on in good order answers what it has not executed with MOVED, often a moment later than the topology
// comes: it is heard out for that moment.

package core

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// leaveTime is how long a node is heard out, in ns.
const leaveTime = int64(100 * time.Millisecond)

// abandon ends all connections to a former endpoint; stays tells that the node is still there, but no master.
func (e *endpoint) abandon(stays bool) {
	for _, c := range slices.Backward(e.dedicated.all) {
		c.leaveServer()
	}
	for c := range e.everyConn {
		switch {
		case c.state == connClosed && c.head == nil:
		case c.reads != nil:
			c.end(errMoved)
		case stays && c.state == connReady && c.owed > 0 && c.lead == 0:
			c.hearOut()
		default:
			c.abandon()
		}
	}
	e.pool.l.descriptors.serverSockets -= len(e.conns)
	for _, conns := range e.others {
		e.pool.l.descriptors.serverSockets -= len(conns)
	}
}

// abandon closes a connection to a former endpoint. What the node may have executed has an unknown outcome.
func (c *conn) abandon() {
	p := c.endpoint.pool
	c.endpoint.noteAttempt(c, errMoved)
	p.cluster.count()
	x := c.takeRest()
	others := p.cluster.takeBack(c.close(), &x, errMoved)
	x.drop(p.l.memory)
	c.failRequests(others, errMoved)
}

// hearOut takes back what is not written, and waits a moment for replies to the rest.
func (c *conn) hearOut() {
	l := c.endpoint.pool.l
	c.leaving = true
	c.endpoint.server.leaving = append(c.endpoint.server.leaving, c)
	var unsent []*request
	for r := c.firstUnbegun(); r != nil; r = r.behind {
		unsent = append(unsent, r)
	}
	for _, r := range unsent {
		c.withdraw(r, c.begun)
	}
	texts := make([]stream.Output, len(unsent))
	for i, r := range unsent {
		c.stream.Out.Transfer(l.memory, int(r.bytes), &texts[i])
	}
	for i, r := range slices.Backward(unsent) {
		c.endpoint.pool.cluster.putFirst(c, r, &texts[i])
	}
	if at := l.now + leaveTime; !c.deadlines.Armed() || at < c.deadlines.Due() {
		l.timers.Set(&c.deadlines, at)
	}
}

// putFirst has r, which was not sent, wait before what came later, and behind what is still under way. What is for the node itself fails.
func (cl *cluster) putFirst(c *conn, r *request, text *stream.Output) {
	p := cl.pool
	if r.slot == 0 || r.owner() == nil {
		text.Drop(p.l.memory)
		*p.counters[link.ForwardError]++
		p.l.answer(r, p.failure(r, p.errorText(errMoved), false), nil)
		return
	}
	r.unqueue()
	cl.strip(r, text)
	q := cl.queueOf(int(r.slot) - 1)
	q.cause = errMoved
	later := q.fresh
	q.fresh = waitList{out: *text}
	cl.await(r, &q.fresh)
	q.fresh.join(&later)
}

// late is refused for any other reply of a node that is no master any more.
func (cl *cluster) late(c *conn, r *request) (answer []byte, again bool) {
	if c.keeps(r) && r.isRepeatable() {
		cl.comeBack(c, r).cause = errMoved
		return nil, true
	}
	*cl.pool.counters[link.ForwardError]++
	return cl.pool.failure(r, cl.pool.errorText(errMoved), true), false
}

// endLeaving ends what is left of connections to a node that was no master, and may be one now: what is asked from now on must not
// overtake them.
func (s *server) endLeaving() {
	for _, c := range slices.Clone(s.leaving) {
		c.abandon()
	}
}

// leaves tells whether a reply comes from a node that is no master any more, and says nothing of the cluster.
func (c *conn) leaves(reply []byte) bool {
	return c.leaving && resp.ClusterErrorOf(reply) == resp.NoClusterError && !resp.IsOutOfService(reply) && !resp.IsExecAbort(reply)
}

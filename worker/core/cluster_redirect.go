// What nodes of a cluster say instead of executing a request: the slot is elsewhere, or has no master for now. Clients do not hear of
// it. The request is sent again, to where it belongs.

package core

import (
	"bytes"
	"slices"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// asking goes before a request that a node is to execute although it does not own the slot yet. It has a reply of its own.
var asking = []byte("*1\r\n$6\r\nASKING\r\n")

// refused is called with an error reply to r, which has left the in queue. It tells whether r is sent again, and else returns what it is
// answered with.
func (cl *cluster) refused(c *conn, r *request, reply []byte) (answer []byte, again bool) {
	if why := c.hold.why(); len(why) > 0 && resp.IsExecAbort(reply) {
		reply = why // a part of a transaction was refused, hence all of it
		c.hold.aborts = why[:0]
	}
	if r.state&isSubscription != 0 {
		return cl.subscriptionRefused(c, r, reply)
	}
	kind := resp.ClusterErrorOf(reply)
	switch {
	case c.leaves(reply):
		return cl.late(c, r)
	case kind == resp.NoClusterError && !resp.IsOutOfService(reply), kind == resp.CrossSlot:
		return reply, false
	case kind == resp.Moved || kind == resp.Ask:
		return cl.redirected(c, r, kind, reply)
	case r.isScript():
		return reply, false
	case !c.keeps(r):
		return cl.pool.failure(r, reply, false), false
	}
	if kind == resp.TryAgain {
		*cl.pool.counters[link.TryAgainReplies]++
		q, several := cl.comeBackSingly(c, r)
		if q.cause = errSlotMoves; !several {
			q.due = cl.pool.l.now + redirectPause
		}
		return nil, true
	}
	if kind == resp.ClusterDown {
		*cl.pool.counters[link.ClusterDownReplies]++
	}
	cl.tellStale()
	q := cl.comeBack(c, r)
	q.cause = &refusal{bytes.Clone(reply)}
	q.due = cl.pool.l.now + retryPause
	c.outOfService = heldRefusal
	return nil, true
}

// redirected is refused for MOVED and ASK.
func (cl *cluster) redirected(c *conn, r *request, kind resp.ClusterError, reply []byte) (answer []byte, again bool) {
	if r.state&isBlocking != 0 {
		return cl.blockElsewhere(c, r, kind, reply)
	}
	to, place, known := cl.readRedirect(c.endpoint, kind, reply)
	slot := max(int(r.slot), -int(r.slot)) - 1
	mine := known && to.Slot == slot
	if kind == resp.Moved || !known {
		cl.tellStale()
	}
	if !c.keeps(r) || r.isScript() && !(mine && c.leadsScript(r, place)) {
		if kind == resp.Moved && known && !r.isScript() && cl.nodeOf(to.Slot) == c.endpoint.server.index {
			cl.setOwner(to.Slot, place)
		}
		return cl.hide(r, reply), false
	}
	l := cl.pool.l
	if kind == resp.Ask && mine && !cl.comesBack(slot) && cl.ask(c, r, place) {
		return nil, true
	}
	if kind == resp.Ask && r.isScript() { // and not to the same node again, see leadsScript
		return cl.hide(r, reply), false
	}
	asked := r.slot < 0
	q := cl.comeBack(c, r)
	q.cause = errSlotMoves
	from := c.endpoint.server.index
	switch {
	case kind == resp.Moved && mine && place != from && cl.nodeOf(slot) == from && !asked:
		cl.setOwner(slot, place)
		q.countRedirect(l.now)
	case kind == resp.Moved && mine && cl.nodeOf(slot) != from && !asked: // the owner has changed since it was sent
	case asked:
		q.countRedirect(l.now)
	default:
		q.due = l.now + redirectPause
	}
	return nil, true
}

// readRedirect returns where MOVED or ASK of a node at e leads, and counts it; known is false if the topology names no node there.
func (cl *cluster) readRedirect(e *endpoint, kind resp.ClusterError, reply []byte) (to resp.Redirect, place int, known bool) {
	n := &cl.pool.counters
	if kind == resp.Moved {
		*n[link.MovedReplies]++
	} else {
		*n[link.AskReplies]++
	}
	to, ok := resp.ParseRedirect(reply)
	if ok {
		place, known = cl.target(e, to)
	}
	if !known {
		*n[link.UnknownRedirects]++
		return to, noNode, false
	}
	return to, place, true
}

// leadsScript tells whether r, a script, is sent to where a redirect of its slot leads. The words may be the script's own, after all of its
// work: sent to another node, once, it is refused there if that is so, and not executed again.
func (c *conn) leadsScript(r *request, place int) bool {
	return place != c.endpoint.server.index && r.state&isRefused == 0
}

// setOwner has a slot be at another node until the next topology.
func (cl *cluster) setOwner(slot, place int) {
	cl.count()
	cl.pool.servers[place].endLeaving()
	cl.owners.set(slot, place)
	if cl.pool.trackers > 0 {
		cl.pool.invalidateTracked()
	}
}

// comesBack tells whether something of a slot waits that goes before what a node has just refused.
func (cl *cluster) comesBack(slot int) bool {
	if !cl.counting {
		return false
	}
	q := cl.gates[slot].queue
	return q != nil && (q.releasing || q.back.first != nil)
}

// countRedirect notes that the slot is followed once more. There is a pause after some.
func (q *gateQueue) countRedirect(now int64) {
	if now-q.redirected >= calmTime {
		q.redirects = 0
	}
	q.redirected = now
	if q.redirects++; q.redirects > redirectsAtOnce {
		q.due = now + redirectPause
	}
}

// keeps tells whether r, which was answered by a node, can be sent again: its bytes are kept, and somebody waits for it.
func (c *conn) keeps(r *request) bool {
	return r.slot != 0 && r.state&isCopied != 0 && r.owner() != nil
}

// comeBack has r wait at its gate, whose bytes are the first that the connection keeps.
func (cl *cluster) comeBack(c *conn, r *request) *gateQueue {
	var text stream.Output
	c.takeCopy(r, &text)
	return cl.refuse(r, &text)
}

// refuse is putBack for a request that a node has refused, from the first time on for no longer than failover_wait.
func (cl *cluster) refuse(r *request, text *stream.Output) *gateQueue {
	q := cl.putBack(r, text)
	if r.state&isRefused == 0 {
		r.state |= isRefused
		r.deadline = cl.pool.l.now + int64(cl.pool.spec.FailoverWait)
	}
	return q
}

// comeBackSingly is comeBack where one node has some of r's keys, and another one the others. A part of a request that has been divided
// anyway is divided further, so that each key is asked for where it is.
func (cl *cluster) comeBackSingly(c *conn, r *request) (q *gateQueue, several bool) {
	l, cmd, f := cl.pool.l, r.asks(), r.partOf()
	if f == nil || cmd.Route != resp.Fragment {
		return cl.comeBack(c, r), false
	}
	var text stream.Output
	c.takeCopy(r, &text)
	b := slices.Concat(text.Pieces(nil)...)
	if r.slot < 0 {
		b = b[len(asking):]
	}
	_, args, err := resp.ConsumeRequest(b, nil)
	keys := (len(args) - 1) / cmd.Step
	if err != nil || keys < 2 {
		return cl.refuse(r, &text), false
	}
	text.Drop(l.memory)
	parent, owner := r.parent, r.owner()
	r.slot = max(r.slot, -r.slot)
	second := owner.split(f, r.fragment, keys)
	for i := range keys {
		part := r
		if i > 0 {
			part = l.requests.get()
			part.parent, part.fragment, part.slot = parent, second+int32(i-1), r.slot
		}
		l.scratch = resp.AppendFragment(l.scratch[:0], b, args, cmd, []int32{int32(i)})
		part.bytes = int32(len(l.scratch))
		text.Append(l.memory, l.scratch)
		q = cl.refuse(part, &text)
	}
	return q, true
}

// ask sends r to a node that is about to own its slot, unless that is down.
func (cl *cluster) ask(c *conn, r *request, place int) bool {
	l := cl.pool.l
	if r.slot < 0 {
		return false
	}
	to := cl.connToAsk(r.owner(), place)
	if to == nil || to.isDown() {
		return false
	}
	if r.state&isRefused == 0 {
		r.state |= isRefused
		r.deadline = l.now + int64(cl.pool.spec.FailoverWait)
	}
	var text stream.Output
	c.takeCopy(r, &text)
	cl.queueOf(int(r.slot)-1).asked++
	r.slot = -r.slot
	if r.isTransaction() {
		r.skips = r.fragment
	}
	r.skips++
	r.resize(len(asking))
	to.enqueue(r, int(r.bytes))
	to.stream.Out.Append(l.memory, asking)
	text.Transfer(l.memory, text.Len(), &to.stream.Out)
	to.wake()
	return true
}

// blockElsewhere is redirected for a request that may wait in the node: it does so in another one from now on.
func (cl *cluster) blockElsewhere(c *conn, r *request, kind resp.ClusterError, reply []byte) (answer []byte, again bool) {
	own, client := c.own, r.owner()
	to, place, known := cl.readRedirect(c.endpoint, kind, reply)
	cl.tellStale()
	if !known || to.Slot != own.slot || client == nil || own.off.begun || own.again == nil || own.moves == redirectsAtOnce {
		return cl.hide(r, reply), false
	}
	if kind == resp.Moved && cl.nodeOf(own.slot) == c.endpoint.server.index {
		cl.setOwner(own.slot, place)
		cl.hurry()
	}
	text, slot, moves, patience := own.again, own.slot, own.moves+1, own.patience
	c.release(forBlocking)
	next, err := client.dedicate(place, forBlocking)
	if err != nil {
		return cl.pool.errorText(err), false
	}
	next.own.again, next.own.slot, next.own.moves, next.own.patience = text, slot, moves, patience
	client.changeSession(func(s *session) { s.waitsOn = next })
	var before []byte
	r.resize(len(text) - int(r.bytes))
	if r.skips = 0; kind == resp.Ask {
		before, r.skips = asking, 1
		r.resize(len(asking))
	}
	next.sendBehind(r, before, text, nil)
	return nil, true
}

// hide returns the reply to a request that was redirected and cannot be sent again. A client that saw the words of the node might take itself
// for one of a cluster. Only a script's may be its own.
func (cl *cluster) hide(r *request, reply []byte) []byte {
	*cl.pool.counters[link.ForwardError]++
	if r.isScript() {
		return cl.pool.failure(r, resp.AppendHidden(nil, reply), true)
	}
	return cl.pool.failure(r, cl.pool.errorText(errSlotMoves), false)
}

// why returns what a part of the transaction at hand was refused with; h may be nil.
func (h *hold) why() []byte {
	if h == nil {
		return nil
	}
	return h.aborts
}

// noteSkipped is called with a reply that is skipped, see skipReply, and tells whether a node refuses a part of a transaction with it. Where that
// is not sent again the next one goes to the right node.
func (cl *cluster) noteSkipped(c *conn, reply []byte) bool {
	kind, h := resp.ClusterErrorOf(reply), c.hold
	switch {
	case kind == resp.NoClusterError:
		return false
	case h != nil && len(h.aborts) == 0:
		h.aborts = append(h.aborts, reply...)
	case h == nil && kind == resp.Moved:
		to, place, known := cl.readRedirect(c.endpoint, kind, reply)
		if cl.tellStale(); known && cl.nodeOf(to.Slot) == c.endpoint.server.index {
			cl.setOwner(to.Slot, place)
		}
	}
	return true
}

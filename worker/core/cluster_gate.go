// Gates: one for each slot of a cluster, which keep the order of its requests while the slot goes from one node to another.
//
//	                       ┌─ the owner has all that is outstanding of the slot ──► sent
//	a request ──► gate ────┤
//	                       └─ another node owes replies, the owner is down or unknown, or others wait already ──► waits
//	what comes back, refused or unsent ──► waits, before those that were never sent
//
// Those that wait go on together, in their order: when nothing of the slot is outstanding at another node and the owner takes requests. None
// waits for longer than failover_wait.

package core

import (
	"errors"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// noNode is the owner of a slot that has none.
const noNode = -1

const (
	// redirectsAtOnce is how often a slot is followed from node to node without a pause, and redirectPause that pause. It is over when
	// the slot has stayed where it is for calmTime.
	redirectsAtOnce = 5
	redirectPause   = int64(10 * time.Millisecond)
	calmTime        = int64(50 * time.Millisecond)

	// lastTry is how long before its time is over a request that nodes refuse is sent for the last time: one that is under way then would be
	// said to have an unknown outcome.
	lastTry = 2 * redirectPause
)

var (
	errNoOwner   = &refusal{resp.AppendError(nil, "CLUSTERDOWN Hash slot not served")}
	errSlotMoves = errors.New("slot moves between nodes of the cluster")
)

// gate is what keeps the order of a slot's requests. Loop only.
type gate struct {
	node  int16      // the place of the node to which the outstanding requests went
	out   int32      // of the slot's requests, those in in queues of connections to that node
	queue *gateQueue // what waits; nil: there has been nothing lately
}

// isShut tells whether requests of a slot have to wait.
func (cl *cluster) isShut(slot int) bool {
	owner := cl.owners.of(slot)
	return owner == noNode || cl.counting && cl.gates[slot].isShut(owner)
}

// isShut is isShut of the cluster for its slot, which has that owner.
func (g *gate) isShut(owner int16) bool { return g.queue.isShut() || g.out > 0 && g.node != owner }

// forward is pool.forward for a cluster.
func (cl *cluster) forward(r *request, c *client, server int, b []byte, in *stream.Stream) {
	switch to, w := cl.pass(r, c, server); {
	case w != nil:
		r.bytes = int32(len(b))
		w.out.Append(cl.pool.l.memory, b)
		cl.await(r, w)
	case to != nil:
		to.send(r, b, in)
	}
}

// forwardOutput is pool.forwardOutput for a cluster.
func (cl *cluster) forwardOutput(r *request, c *client, server int, head []byte, body *stream.Output) {
	m := cl.pool.l.memory
	switch to, w := cl.pass(r, c, server); {
	case w != nil:
		r.bytes = int32(len(head) + body.Len())
		w.out.Append(m, head)
		w.out.Join(body)
		cl.await(r, w)
	case to != nil:
		to.enqueue(r, len(head)+body.Len())
		to.stream.Out.Append(m, head)
		to.stream.Out.Join(body)
		to.wake()
	default:
		body.Drop(m)
	}
}

// pass returns the connection over which r goes, or the list in which it waits; neither: r is answered.
func (cl *cluster) pass(r *request, c *client, server int) (to *conn, w *waitList) {
	if server < firstNode {
		r.slot = int16(server + 1)
		if cl.isShut(server) {
			return nil, &cl.queueOf(server).fresh
		}
	}
	if c.session.tracking != nil {
		if to = cl.trackedConn(r, c, server); to == nil {
			return nil, nil
		}
	} else {
		to = c.serverConn(server)
	}
	if server >= firstNode {
		return to, nil
	}
	if to.isDown() {
		if server != noKey || !cl.takeOtherMaster() {
			return nil, &cl.queueOf(server).fresh
		}
		to = c.serverConn(server)
	}
	cl.passed(server)
	return to, nil
}

// passed is called when a request passes the gate of a slot, on its way to the owner.
func (cl *cluster) passed(slot int) {
	if cl.counting {
		g := &cl.gates[slot]
		g.node = cl.owners.of(slot)
		g.out++
	}
}

// takeOtherMaster has what has no key go to another master, and tells whether there is one that is not known to be down.
func (cl *cluster) takeOtherMaster() bool {
	cl.count()
	for _, k := range cl.masters {
		if conns := cl.pool.servers[k].primary.conns; !conns[0].isDown() && cl.gates[noKey].out == 0 {
			cl.owners.set(noKey, k)
			return true
		}
	}
	return false
}

// isDown tells whether the last attempt to connect has failed, or the connection was lost with requests on it.
func (c *conn) isDown() bool { return c.hold != nil && c.hold.down }

// left is called when r, which has passed a gate, leaves the in queue of its connection.
func (cl *cluster) left(r *request) {
	if r.slot < 0 {
		cl.forgetAsked(r)
		q := cl.gates[-r.slot-1].queue
		if q.asked--; q.asked == 0 {
			cl.hurry()
		}
		return
	}
	if !cl.counting {
		return
	}
	g := &cl.gates[r.slot-1]
	if g.out--; g.out == 0 && g.queue.waits() {
		cl.hurry()
	}
}

// queueOf returns the queue of a slot, made when first needed.
func (cl *cluster) queueOf(slot int) *gateQueue {
	cl.count()
	g, owner := &cl.gates[slot], cl.owners.of(slot)
	if g.queue == nil {
		g.queue = new(gateQueue)
		cl.waiting = append(cl.waiting, slot)
	}
	if q := g.queue; !q.waits() {
		q.server, q.cause = nil, errSlotMoves
		if owner == noNode {
			q.cause = errNoOwner
		}
		if at := max(owner, g.node); owner != noNode || g.out > 0 {
			q.server = cl.pool.servers[at]
		}
	}
	return g.queue
}

// await has r wait, whose bytes are in w.
func (cl *cluster) await(r *request, w *waitList) {
	l, q := cl.pool.l, cl.gates[r.slot-1].queue
	w.first, w.last = chain(w.first, w.last, r)
	if r.state&(isRefused|isRepeated) == 0 || r.deadline == 0 {
		r.deadline = l.now + int64(cl.pool.spec.FailoverWait)
	}
	r.state |= inConn | isHeld
	if owner := r.owner(); owner != nil && owner.waits == waitsForNothing {
		owner.waitBehind()
	}
	cl.held++
	cl.bytes += int(r.bytes)
	q.count(r, 1)
	if cl.held > mostHeld || cl.bytes > mostHeldBytes || l.relief.scarce {
		cl.crowded = true
	}
	cl.hurry()
}

// endWait takes r, which waits no more, out of the count.
func (cl *cluster) endWait(q *gateQueue, r *request) {
	r.behind = nil
	r.state &^= inConn | isHeld
	cl.held--
	cl.bytes -= int(r.bytes)
	q.count(r, -1)
}

// hurry has gates served in this turn, or at once in the next.
func (cl *cluster) hurry() {
	if cl.serving {
		cl.again = true
	} else if cl.counting {
		cl.pool.l.timers.Set(&cl.timer, cl.pool.l.now)
	}
}

// connected is called when a connection to a node is ready.
func (cl *cluster) connected() {
	for _, slot := range cl.waiting {
		if q := cl.gates[slot].queue; q.down {
			q.due, q.down = 0, false
		}
	}
	cl.hurry()
}

// serve has what waits go on where it can.
func (cl *cluster) serve() {
	l := cl.pool.l
	next, waits := l.now+int64(time.Hour), false
	served, crowded := cl.waiting, cl.crowded
	cl.waiting, cl.crowded, cl.serving, cl.again = nil, false, true, false
	var left []int
	for _, slot := range served {
		g := &cl.gates[slot]
		q := g.queue
		if cl.expire(q, crowded); q.due <= l.now {
			cl.release(slot)
		}
		switch {
		case q.waits():
			waits = true
			next = min(next, q.nextTry(l.now))
		case q.asked > 0:
		case l.now-q.redirected >= calmTime:
			g.queue = nil
			continue
		default:
			next = min(next, q.redirected+calmTime)
		}
		left = append(left, slot)
	}
	cl.waiting = append(left, cl.waiting...)
	cl.serving = false
	if cl.again {
		next = l.now
	}
	if waits {
		cl.tellStale()
		next = min(next, l.now+stalePause)
	}
	if len(cl.waiting) == 0 {
		cl.endCount()
		next = min(next, l.now+calmTime)
	}
	if cl.counting && (!cl.timer.Armed() || cl.timer.Due() > next) {
		l.timers.Set(&cl.timer, next)
	}
}

// release sends what waits for a slot to its owner, unless another node owes replies or the owner takes no requests.
func (cl *cluster) release(slot int) {
	g := &cl.gates[slot]
	q := g.queue
	switch {
	case !q.waits() || q.asked > 0 || g.out > 0 && (g.node != cl.owners.of(slot) || q.holdsReturned()): // what is outstanding may come back, too
		return
	case cl.owners.of(slot) == noNode:
		q.cause = errNoOwner
		return
	}
	back, fresh := q.back, q.fresh
	back.join(&q.rest)
	q.back, q.fresh, q.releasing = waitList{}, waitList{}, true
	if cl.sendWaiting(slot, &back) { // what was never sent waits for all that has come back
		cl.sendWaiting(slot, &fresh)
	}
	fresh.join(&q.fresh)
	q.rest, q.fresh, q.releasing = back, fresh, false
}

// sendWaiting sends what is in w, and tells whether that was all: the first request that cannot go ends it.
func (cl *cluster) sendWaiting(slot int, w *waitList) (all bool) {
	l, q := cl.pool.l, cl.gates[slot].queue
	for w.first != nil && (w.first.owner() == nil || cl.sendOn(q, w.first)) {
		r := w.first
		w.first = r.behind
		cl.endWait(q, r)
		if r.owner() == nil {
			w.out.Drain(l.memory, int(r.bytes))
			l.answer(r, nil, nil)
			continue
		}
		to := cl.connAgain(r)
		if to == nil {
			w.out.Drain(l.memory, int(r.bytes))
			continue
		}
		if r.state&(isRefused|isRepeated) == 0 {
			r.deadline = 0
		}
		cl.passed(slot)
		to.enqueue(r, int(r.bytes))
		w.out.Transfer(l.memory, int(r.bytes), &to.stream.Out)
		to.wake() // which may fail, and bring requests back
	}
	return w.first == nil
}

// sendOn tells whether r, the first that waits, can be sent now. Where it cannot, its connection is tried again.
func (cl *cluster) sendOn(q *gateQueue, r *request) bool {
	l := cl.pool.l
	if r.owner().session.tracking != nil { // each attempt is over another connection
		return true
	}
	to := r.owner().serverConn(int(r.slot) - 1)
	if !to.isDown() {
		return true
	}
	if r.slot-1 == noKey && cl.takeOtherMaster() {
		return true
	}
	q.cause = to.hold.cause
	if to.state == connClosed && l.now-to.opened >= retryPause {
		to.open()
	}
	if to.state != connReady && to.state != connClosed {
		to.armHold()
	}
	q.due, q.down = l.now+retryPause, true
	return false
}

// isLate tells whether it is too late to send r once more, which a node has refused.
func (cl *cluster) isLate(r *request) bool {
	margin := min(lastTry, int64(cl.pool.spec.FailoverWait)/2)
	return r.state&isRefused != 0 && r.isOverdue(cl.pool.l.now+margin)
}

// expire answers what has waited for too long, or all, and drops what nobody waits for.
func (cl *cluster) expire(q *gateQueue, all bool) {
	p, l := cl.pool, cl.pool.l
	over := func(r *request) bool { return all || r.owner() == nil || r.isOverdue(l.now) || cl.isLate(r) }
	for _, w := range q.lists() {
		for late := w.takeOut(l.memory, over); late != nil; {
			r := late
			late = r.behind
			cl.endWait(q, r)
			if r.owner() != nil {
				if q.server != nil {
					*q.server.counters[link.HeldExpired]++
				}
				*p.counters[link.ForwardError]++
				p.giveUp(r)
			}
			l.answer(r, p.failure(r, p.errorText(q.cause), false), nil)
		}
	}
}

// What waits at a gate of a cluster, in its order.

package core

import (
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// gateQueue is what waits at a gate. Loop only.
type gateQueue struct {
	back       waitList // what has come back
	rest       waitList // what had come back, and was not sent with what is outstanding, which was before it
	fresh      waitList // what was never sent
	cause      error    // why it waits: for the error reply when it has done so for too long
	due        int64    // ns: when it is tried again
	asked      int      // requests of the slot that are outstanding by ASK: the others wait, since their keys may come back meanwhile
	redirects  int      // in a row
	redirected int64    // ns: when the last one was
	down       bool     // it waits for a connection
	releasing  bool     // what waits is being sent: others wait behind it
	server     *server  // for which it is counted; nil: none
}

// waits tells whether requests wait at the gate; q may be nil.
func (q *gateQueue) waits() bool {
	return q != nil && (q.releasing || q.holdsReturned() || q.fresh.first != nil)
}

// holdsReturned tells whether requests wait that were sent already.
func (q *gateQueue) holdsReturned() bool { return q.back.first != nil || q.rest.first != nil }

// lists returns what waits, in the order in which it is sent.
func (q *gateQueue) lists() [3]*waitList { return [...]*waitList{&q.back, &q.rest, &q.fresh} }

// isShut tells whether requests have to wait at the gate, whoever has the slot; q may be nil.
func (q *gateQueue) isShut() bool { return q != nil && (q.asked > 0 || q.waits()) }

// count counts r as one that begins to wait, or ends.
func (q *gateQueue) count(r *request, change int) {
	if q.server == nil {
		return
	}
	n := &q.server.counters
	*n[link.Held] += uint64(change)
	*n[link.HeldBytes] += uint64(change * int(r.bytes))
	if change > 0 && r.state&isRefused == 0 {
		*n[link.HeldTotal]++
	}
}

// nextTry returns when the queue must be looked at again, whatever happens.
func (q *gateQueue) nextTry(now int64) int64 {
	next := now + int64(time.Hour)
	if q.due > now {
		next = q.due
	}
	for _, w := range q.lists() {
		for r := w.first; r != nil; r = r.behind {
			if r.deadline > now {
				next = min(next, r.deadline)
			}
		}
	}
	return next
}

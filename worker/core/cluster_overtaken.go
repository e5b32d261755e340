// Requests that lose their turn: a node has refused one for now, it waits to be sent again, and a later request of the same client and slot was
// under way already. If the node takes that one, the first can be executed no more without being the later one.

package core

import (
	"cmp"

	"github.com/pinion-proxy/pinion/worker/link"
)

// overtaken is called when the owner of its slot has executed r. What r's client has asked for before, and waits, is answered as not
// executed. Reads may be late.
func (cl *cluster) overtaken(r *request) {
	client := r.owner()
	if !cl.counting || r.slot <= 0 || client == nil {
		return
	}
	q := cl.gates[r.slot-1].queue
	if q == nil {
		return
	}
	lost := func(waits *request) bool { return !waits.isRepeatable() && waits.isBefore(r, client) }
	for late := q.back.takeOut(cl.pool.l.memory, lost); late != nil; { // what rests was behind r
		one := late
		late = one.behind
		cl.endWait(q, one)
		*cl.pool.counters[link.ForwardError]++
		cl.pool.l.answer(one, cl.pool.failure(one, cl.pool.errorText(q.cause), false), nil)
	}
}

// isBefore tells whether the client has asked for r, or what r is a part of, before it asked for another request.
func (r *request) isBefore(other *request, client *client) bool {
	if r.owner() != client {
		return false
	}
	first, second := cmp.Or(r.parent, r), cmp.Or(other.parent, other)
	for at := client.head; at != nil && at != second; at = at.next {
		if at == first {
			return true
		}
	}
	return false
}

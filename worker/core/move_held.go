// Requests of clients that are to move which wait for a server that is down: they go back into the client's input, as if they had not
// been read, and wait in the other worker. Else such a client could not move before the wait is over.

package core

import (
	"slices"

	"github.com/pinion-proxy/pinion/worker/stream"
)

// returnHeld gives frozen clients of which nothing but held requests is under way these back.
func (g *outgoing) returnHeld() {
	g.heldFrozen = false
	l := g.l
	clients := map[*client]bool{} // whose requests go back
	texts := map[*request]*stream.Output{}
	for e := range l.endpoints {
		for c := range e.everyConn {
			if c.isHolding() {
				c.takeReturned(clients, texts)
			}
		}
	}
	for _, p := range l.pools {
		if p.cluster != nil {
			p.cluster.takeReturned(clients, texts)
		}
	}
	for c, returned := range clients {
		if returned {
			c.takeBackInput(texts)
		}
	}
}

// returning tells which requests go back to their clients, which it notes.
func returning(clients map[*client]bool) func(r *request) bool {
	return func(r *request) bool {
		owner := r.owner()
		if owner == nil {
			return false
		}
		if _, known := clients[owner]; !known {
			clients[owner] = owner.isReturnable()
		}
		return clients[owner]
	}
}

// takeReturned takes those requests off a connection that is down which go back to their clients.
func (c *conn) takeReturned(clients map[*client]bool, texts map[*request]*stream.Output) {
	returns := returning(clients)
	if !c.hasRequest(returns) {
		return
	}
	m, old := c.endpoint.pool.l.memory, c.stream.Out
	c.stream.Out = stream.Output{}
	var stays *request
	for r := c.head; r != nil; {
		next, to := r.behind, &c.stream.Out
		if returns(r) {
			to = new(stream.Output)
			texts[r] = to
			c.withdraw(r, stays)
			c.endHold(r)
		} else {
			stays = r
		}
		old.Transfer(m, int(r.bytes), to)
		r = next
	}
	c.armHold()
}

// takeReturned takes those requests off the gates of a cluster which go back to their clients.
func (cl *cluster) takeReturned(clients map[*client]bool, texts map[*request]*stream.Output) {
	m, returns := cl.pool.l.memory, returning(clients)
	for _, slot := range cl.waiting {
		q := cl.gates[slot].queue
		for _, w := range q.lists() {
			old := *w
			*w = waitList{}
			for r := old.first; r != nil; {
				next, to := r.behind, &w.out
				if r.behind = nil; returns(r) {
					to = new(stream.Output)
					texts[r] = to
					cl.endWait(q, r)
				} else {
					w.first, w.last = chain(w.first, w.last, r)
				}
				old.out.Transfer(m, int(r.bytes), to)
				r = next
			}
		}
	}
}

// hasRequest tells whether there is such a request in the in queue.
func (c *conn) hasRequest(which func(r *request) bool) bool {
	for r := c.head; r != nil; r = r.behind {
		if which(r) {
			return true
		}
	}
	return false
}

// isReturnable tells whether the client is frozen, and all that it is owed are replies to held requests, each of which could be read
// again with the same result.
func (c *client) isReturnable() bool {
	if c.moving.stage != moveFrozen || c.skip > 0 || c.walk != nil || c.head == nil {
		return false
	}
	for r := c.head; r != nil; r = r.next {
		if r.state&isHeld == 0 || r.state&(isNoReply|isReformed|isRefused) != 0 || r.skips > 0 {
			return false
		}
	}
	return true
}

// takeBackInput puts the requests in the out queue, whose bytes are in texts, before what the client has sent since.
func (c *client) takeBackInput(texts map[*request]*stream.Output) {
	l := c.pool.l
	var pieces [][]byte
	for r := c.head; r != nil; r = r.next {
		pieces = texts[r].Pieces(pieces)
	}
	err := c.stream.Keep(l.memory, slices.Concat(append(pieces, c.stream.Kept())...))
	for c.head != nil {
		r := c.shift()
		r.unqueue()
		texts[r].Drop(l.memory)
		r.client = nil
		l.forget(r)
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.progress = requestProgress{}
	c.stream.Backlog = true
	c.markDirty()
}

// When requests are counted at gates. While all is quiet none waits and no slot has changed its owner, so the owner is all that a request needs
// to know of its slot: the gates of all slots are more than the caches of a CPU have, and to write to one for each request and each reply was
// most of what a cluster cost beside servers on a ring.
//
//	quiet ── a slot gets another owner, a node refuses, is lost or down ──► counting: what is outstanding is found in the in queues
//	  ▲                                                                        │
//	  └───────── nothing waits, and nothing is outstanding at a former owner ◄─┘

package core

// count has requests be counted at gates from now on, those included that are in in queues. None may be between its queue and what becomes
// of it then: who takes a whole queue counts first.
func (cl *cluster) count() {
	if cl.counting {
		return
	}
	if cl.counting = true; cl.gates == nil {
		cl.gates = make([]gate, noKey+1)
	}
	clear(cl.gates)
	for place, s := range cl.pool.servers {
		for c := range s.everyConnOfNode {
			for r := c.head; r != nil; r = r.behind {
				if r.slot > 0 {
					g := &cl.gates[r.slot-1]
					g.node = int16(place)
					g.out++
				}
			}
		}
	}
	cl.hurry()
}

// everyConnOfNode calls do for each connection over which requests that have passed a gate may have gone.
func (s *server) everyConnOfNode(do func(*conn) bool) {
	for c := range s.primary.everyConn {
		if !do(c) {
			return
		}
	}
	for _, c := range s.primary.dedicated.all {
		if !do(c) {
			return
		}
	}
	for _, c := range s.leaving {
		if !do(c) {
			return
		}
	}
}

// endCount ends counting, of which nothing that waits needs the result, unless another node than the owner of a slot owes replies.
func (cl *cluster) endCount() {
	if !cl.counting {
		return
	}
	for slot := range cl.gates {
		if g := &cl.gates[slot]; g.out > 0 && g.node != cl.owners.of(slot) {
			return
		}
	}
	cl.counting = false
}

// Replicas of a Redis Cluster: each has a place of its own among the pool's servers, and answers reads of its primary's slots over
// connections that have said READONLY.
//
// A replica does not know that a slot of its primary is being moved, and says of a key that has gone ahead that there is none. So what it
// says of a key that it does not have is not believed: its primary is asked, which knows. Requests whose replies do not tell whether all
// keys are there go to primaries.

package core

import (
	"slices"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// locateReplicas has the masters have the replicas that a topology says.
func (cl *cluster) locateReplicas(nodes []*link.ServerTopology) {
	p := cl.pool
	if p.replicas == nil {
		return
	}
	for _, s := range p.servers {
		s.replicas = nil
	}
	for k, node := range nodes {
		e := p.servers[k].primary
		p.servers[k].near = node != nil && p.isNear(node.Endpoints[0].Zone)
		var of *server
		if node != nil && len(node.Slots) == 0 {
			if i, ok := link.PlaceIndex(node.Of); ok && nodes[i] != nil && len(nodes[i].Slots) > 0 {
				of = p.servers[i]
			}
		}
		if r := e.replica; r != nil && r.server != of {
			r.leave()
			r.server = of
		}
		if of == nil || len(e.conns) == 0 {
			continue
		}
		if e.replica == nil {
			e.replica = &replica{server: of, endpoint: e, tag: link.LeaseTag(e.address), lease: p.l.shared.Lease(p.index, k, 0)}
		}
		e.replica.near = p.servers[k].near
		of.replicas = append(of.replicas, e.replica)
	}
}

// readOnly returns the greeting of the connections to replicas of a cluster, of clients whose sessions have g.
func (p *pool) readOnly(g *greeting) *greeting {
	if g.readOnly == nil {
		g.readOnly = &greeting{index: len(p.greetings), version: g.version, db: g.db, bytes: slices.Clone(g.bytes), steps: slices.Clone(g.steps), reads: readsReplica}
		g.readOnly.add(greetReadOnly, "READONLY")
		p.greetings = append(p.greetings, g.readOnly)
	}
	return g.readOnly
}

// tellsMissing tells whether the reply to a request of cmd shows that a key is not there: a sum over several does not.
func tellsMissing(cmd *resp.Command) bool {
	return cmd.Route == resp.Fragment && cmd.Merge == resp.MergeArray || cmd.First > 0 && cmd.First == cmd.Last && cmd.Find == nil
}

// slotForReads returns the server that has a slot now; nil: its requests go the way of all others.
func (cl *cluster) slotForReads(slot int) *server {
	if slot >= noKey || cl.isShut(slot) {
		return nil
	}
	return cl.pool.servers[cl.owners.of(slot)]
}

// passInPlace has r pass the gate of its slot, for which its owner has this connection, and tells whether it may.
func (cl *cluster) passInPlace(r *request, slot int, to *conn) bool {
	if to.isDown() {
		return false
	}
	r.slot = int16(slot + 1)
	cl.passed(slot)
	return true
}

// askAgain asks a read again that a replica has not answered, of another one or of the primary, or if that cannot be now, when it can.
// known tells that a replica does not have the key, so that only the primary can say more.
func (cl *cluster) askAgain(r *request, text *stream.Output, known bool) {
	m := cl.pool.l.memory
	b := slices.Concat(text.Pieces(nil)...)
	_, args, err := resp.ConsumeRequest(b, nil)
	cmd := r.asks()
	if err != nil || len(args) <= max(cmd.First, 1) {
		text.Drop(m)
		cl.pool.replicas.refuse(r, errGarbage)
		return
	}
	slot := shard.Slot(args[max(cmd.First, 1)].Of(b))
	if cl.awaitsReads || cl.isShut(slot) {
		cl.queueRead(r, slot, text)
		return
	}
	s, owner := cl.pool.servers[cl.owners.of(slot)], r.owner()
	if best, _ := cl.pool.replicas.choose(s); !known && (best != nil || cl.pool.spec.ReadFrom == link.ReadFromReplica) {
		cl.askReplica(r, text, best, s)
		return
	}
	to := s.primary.conn(cl.pool.inPlace(owner.session.greeting), owner.lane)
	switch {
	case to.unbegun >= mostWaitingInPlace:
		text.Drop(m)
		cl.pool.replicas.refuse(r, errTooManyReads)
	case !cl.passInPlace(r, slot, to):
		cl.queueRead(r, slot, text)
	default:
		s.fallsBack()
		to.enqueue(r, int(r.bytes))
		to.stream.Out.Join(text)
		to.wake()
	}
}

// askReplica asks a read again, of another replica of its server; nil: there is none.
func (cl *cluster) askReplica(r *request, text *stream.Output, best *replica, s *server) {
	to, failure := cl.pool.replicas.connTo(best, s, r.owner())
	if failure != nil {
		text.Drop(cl.pool.l.memory)
		cl.pool.replicas.refuse(r, failure)
		return
	}
	to.enqueue(r, int(r.bytes))
	to.stream.Out.Join(text)
	to.wake()
}

// queueRead has r wait at the gate of its slot.
func (cl *cluster) queueRead(r *request, slot int, text *stream.Output) {
	r.slot = int16(slot + 1)
	q := cl.queueOf(slot)
	q.fresh.out.Join(text)
	cl.await(r, &q.fresh)
}

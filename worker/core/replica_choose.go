// Choosing who answers a read: the primary, or a replica. Of those that may, each gets the same, unless it is far slower than others.
//
//	master ────────── no pool with replicas gets here
//	prefer_replica ── a replica that is fit, else the primary, in its place
//	replica ───────── a replica that is fit, else nobody: an error
//	nearest ───────── the primary and the replicas that are fit, those of the process's zone if there are any
//
// A read in the place of a replica goes over connections of its own, and the primary owes only so many of these at a time: the primary's
// own requests never wait behind all that its replicas should have answered. The rest waits for that, and what is too much fails.

package core

import (
	"errors"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

const (
	// mostInPlace is how many reads in the place of its replicas a primary may owe all workers, and mostWaitingInPlace how many more may
	// wait over one connection of a worker.
	mostInPlace        = 512
	mostWaitingInPlace = 4096

	// One that owes more than twice as much as another, and littleOwed, is passed over. It gets up to mostBehind of that later, in a row.
	littleOwed = 4
	mostBehind = 256
)

var (
	errReplicaSilent = errors.New("keeps silent")
	errNoReplica     = &refusal{resp.AppendError(nil, "ERR no replica can be read from")}
	errTooManyReads  = &refusal{resp.AppendError(nil, "ERR no replica can be read from, and the master has enough reads in their place")}
)

// forward has a replica answer r, a request of c or a fragment of one, and tells whether that is done: else its server's primary does, as
// without replicas.
func (rs *replicas) forward(r *request, c *client, server int, b []byte, in *stream.Stream) bool {
	to, failure := rs.connFor(r, c, server)
	switch {
	case failure != nil:
		rs.refuse(r, failure)
	case to == nil:
		return false
	default:
		to.send(r, b, in)
	}
	return true
}

// forwardOutput is forward for a request that consists of head and body.
func (rs *replicas) forwardOutput(r *request, c *client, server int, head []byte, body *stream.Output) bool {
	m := rs.pool.l.memory
	to, failure := rs.connFor(r, c, server)
	switch {
	case failure != nil:
		body.Drop(m)
		rs.refuse(r, failure)
	case to == nil:
		return false
	default:
		to.enqueue(r, len(head)+body.Len())
		to.stream.Out.Append(m, head)
		to.stream.Out.Join(body)
		to.wake()
	}
	return true
}

// connFor returns over which connection r goes; nil: as without replicas, or nobody may answer it.
func (rs *replicas) connFor(r *request, c *client, server int) (to *conn, failure error) {
	if cmd := r.asks(); cmd == nil || !cmd.Replica || !rs.serves(c) || server < 0 {
		return nil, nil
	}
	if cl := rs.pool.cluster; cl != nil {
		return rs.connInCluster(r, c, server)
	}
	s := rs.pool.servers[server]
	best, primary := rs.choose(s)
	if primary {
		return nil, nil
	}
	if to, failure = rs.connTo(best, s, c); best == nil && failure == nil {
		s.fallsBack()
	}
	return to, failure
}

// connInCluster is connFor for a slot of a cluster.
func (rs *replicas) connInCluster(r *request, c *client, slot int) (to *conn, failure error) {
	cl := rs.pool.cluster
	s := cl.slotForReads(slot)
	if s == nil || !tellsMissing(r.asks()) {
		return nil, nil
	}
	best, primary := rs.choose(s)
	if primary {
		return nil, nil
	}
	if to, failure = rs.connTo(best, s, c); best == nil && failure == nil {
		if !cl.passInPlace(r, slot, to) {
			return nil, nil
		}
		s.fallsBack()
	}
	return to, failure
}

// serves tells whether the client's reads may go to replicas: it has none that depend on what it asked the primary before.
func (rs *replicas) serves(c *client) bool {
	return c.session.tracking == nil && c.session.watch == nil && (rs.own == 0 || !c.hasWritten())
}

// candidate is who may answer a read now: a replica, or the primary.
type candidate struct {
	endpoint *endpoint
	replica  *replica // nil: it is the primary
	owed     int      // what it owes this worker
}

// choose returns the replica that is to answer a read now; nil: none can. primary tells that the primary is as good. They take turns, so that
// all get the same, but for those that owe far more than another one, which are passed over and get most of it later.
func (rs *replicas) choose(s *server) (best *replica, primary bool) {
	all := rs.findCandidates(s)
	if len(all) == 0 {
		return nil, false
	}
	least, latest := all[0].owed, all[0].endpoint.turns
	for i := range all {
		least, latest = min(least, all[i].owed), max(latest, all[i].endpoint.turns)
	}
	var next *candidate
	for i := range all {
		c := &all[i]
		c.endpoint.turns = max(c.endpoint.turns, latest-mostBehind)
		if c.owed <= 2*least+littleOwed && (next == nil || c.endpoint.turns < next.endpoint.turns) {
			next = c
		}
	}
	next.endpoint.turns++
	return next.replica, next.replica == nil
}

// findCandidates returns who may answer a read of the server's keys now, valid until the next one: those of the process's zone if there are
// any, which matters with nearest. Where no zone is known all are equally near.
func (rs *replicas) findCandidates(s *server) []candidate {
	nearest, near := rs.pool.spec.ReadFrom == link.ReadFromNearest, false
	all := rs.candidates[:0]
	add := func(e *endpoint, r *replica, isNear bool) {
		if isNear && !near {
			near, all = true, all[:0]
		}
		if isNear == near {
			all = append(all, candidate{e, r, e.outstanding()})
		}
	}
	for _, r := range s.replicas {
		if r.isFit() {
			add(r.endpoint, r, nearest && r.near)
		}
	}
	if nearest && !rs.isDown(s) {
		add(s.primary, nil, s.near)
	}
	rs.candidates = all
	return all
}

// isDown tells whether the primary is ejected, and keeps its keys all the same.
func (rs *replicas) isDown(s *server) bool {
	return rs.pool.cluster == nil && rs.pool.placement.isDown(s.index)
}

// connTo returns the connection of a client to a replica, or where there is none, to the primary in its place.
func (rs *replicas) connTo(best *replica, s *server, c *client) (*conn, error) {
	g := c.session.greeting
	if best != nil {
		rs.begin()
		*s.counters[link.ReplicaReads]++
		if rs.pool.cluster != nil {
			g = rs.pool.readOnly(g)
		}
		return best.endpoint.conn(g, c.lane), nil
	}
	if rs.pool.spec.ReadFrom == link.ReadFromReplica {
		return nil, errNoReplica
	}
	if rs.isDown(s) {
		return nil, rs.pool.errNoServer()
	}
	to := s.primary.conn(rs.pool.inPlace(g), c.lane)
	if to.unbegun >= mostWaitingInPlace {
		return nil, errTooManyReads
	}
	return to, nil
}

// fallsBack counts a read that goes to its server's primary in the place of a replica.
func (s *server) fallsBack() { *s.counters[link.ReplicaFallbacks]++ }

// roomInPlace returns how many more reads in the place of replicas may be written over the connection, to a primary that could do with so many.
func (c *conn) roomInPlace(room int) int {
	if c.endpoint.pool.timeout == 0 {
		return c.most - c.owed
	}
	return min(room, c.most-c.owed)
}

// refuse answers a read that nobody may answer.
func (rs *replicas) refuse(r *request, failure error) {
	p := rs.pool
	*p.counters[link.ForwardError]++
	p.giveUp(r)
	p.l.answer(r, p.failure(r, p.errorText(failure), false), nil)
}

// noteWrite is called when the client is about to ask for cmd.
func (c *client) noteWrite(cmd *resp.Command) {
	if cmd.Write || cmd.Local == resp.LocalExec {
		c.ownSession().writeOwed = c.owed + 1
	}
}

// noteReply is called when one more reply goes to a client that waits for that to a write.
func (c *client) noteReply() {
	if c.session.writeOwed--; c.session.writeOwed == 0 {
		c.mayHaveWritten()
	}
}

// mayHaveWritten notes that the client has the reply to a write, or has moved here and may have it.
func (c *client) mayHaveWritten() {
	if rs := c.pool.replicas; rs != nil && rs.own > 0 {
		c.ownSession().wrote = c.pool.l.now
	}
}

// hasWritten tells whether the client waits for the reply to a write, or has got it lately.
func (c *client) hasWritten() bool {
	s := c.session
	return s.writeOwed > 0 || s.wrote != 0 && c.pool.l.now-s.wrote <= c.pool.replicas.own
}

// inPlace returns the greeting of the connections for reads in the place of replicas, of clients whose sessions have g.
func (p *pool) inPlace(g *greeting) *greeting {
	if g.inPlace == nil {
		g.inPlace = &greeting{index: len(p.greetings), version: g.version, db: g.db, bytes: g.bytes, steps: g.steps, reads: readsInPlace}
		p.greetings = append(p.greetings, g.inPlace)
	}
	return g.inPlace
}

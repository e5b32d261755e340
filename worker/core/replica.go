// Replicas of servers: which of them may answer reads now, and what becomes of those that are under way when one may not any more.
//
//	             ┌─ its lease holds, and it does what it is asked ──► fit: gets reads
//	a replica ───┤
//	             └─ the judge has not renewed the lease, or it has just failed ──► gets none; what it was not sent goes elsewhere,
//	                                                                              and what it was sent as well if it keeps silent,
//	                                                                              see replica_again.go
//
// The judge is the master process, see link.Lease. A replica that fails is left alone for a while; this never counts against its server.

package core

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// restTime is for how long a replica is left alone that has failed, in ns. It doubles with each failure in a row, up to longestRest.
	restTime    = int64(100 * time.Millisecond)
	longestRest = int64(3 * time.Second)

	// watchPause is the time between two looks at replicas with reads under way, in ns: whether their leases hold.
	watchPause = int64(50 * time.Millisecond)

	// silenceTime is for how long one without a lease may keep silent before its reads are asked again elsewhere, in ns.
	silenceTime = int64(100 * time.Millisecond)

	// attemptTime is how long an attempt to connect to one may take, in ns.
	attemptTime = int64(250 * time.Millisecond)
)

// replica is what a worker knows of a replica that it may read from. Loop only, but for the lease.
type replica struct {
	server   *server // the one whose keys it has
	endpoint *endpoint
	lease    *uint64 // shared: written by the judge; nil: there is none
	tag      uint64  // of the address, see link.LeaseTag
	near     bool    // it is in the process's zone
	rests    int64   // ns: until then it is left alone
	rest     int64   // ns: for how long it was the last time, if it has not answered since; 0: it has
}

// replicas is how a pool reads from replicas. Loop only.
type replicas struct {
	pool  *pool
	own   int64       // ns: for how long after a write of a client its reads go to the primary
	watch timer.Timer // while reads are under way
	spare int         // how many reads in their place a primary may owe over one connection

	candidates []candidate // for a read: see findCandidates
}

// newReplicas returns how the pool reads from replicas, of which its servers have none yet; nil: not at all.
func newReplicas(p *pool) *replicas {
	if !p.spec.ReadsReplicas() {
		return nil
	}
	rs := &replicas{pool: p, own: int64(p.spec.ReadYourWrites), spare: max(1, mostInPlace/(p.spec.ServerConnections*p.l.spec.Slots))}
	rs.watch.Fire = rs.look
	return rs
}

// locateConfigured has the server have the replicas that it has in the topology at first.
func (s *server) locateConfigured() {
	t := s.pool.l.spec.Topology.Pool(s.pool.name)
	if s.pool.replicas == nil || t == nil || t.Cluster {
		return
	}
	if at, ok := t.Primary(s.spec.Name); ok {
		s.near = s.pool.isNear(at.Zone)
	}
	if at := t.Server(s.spec.Name); at != nil {
		s.locate(at.Replicas())
	}
}

// locate has the server have these replicas, in the order of their numbers. Those that have gone, or are the primary now, are left.
func (s *server) locate(all []link.Endpoint) {
	if s.pool.replicas == nil {
		return
	}
	former := s.replicas
	s.replicas = nil
	for number, at := range all {
		i := slices.IndexFunc(former, func(r *replica) bool {
			return r.endpoint.network == at.Network && r.endpoint.address == at.Address
		})
		var r *replica
		if i >= 0 {
			r = former[i]
			former = slices.Delete(former, i, i+1)
		} else {
			r = s.newReplica(at)
		}
		r.near = s.pool.isNear(at.Zone)
		r.lease = s.pool.l.shared.Lease(s.pool.index, s.index, number)
		s.replicas = append(s.replicas, r)
	}
	for _, r := range former {
		r.leave()
		for c := range r.endpoint.everyConn {
			c.endpoint.pool.l.descriptors.serverSockets--
		}
	}
}

func (s *server) newReplica(at link.Endpoint) *replica {
	e := newEndpoint(s, at.Network, at.Address)
	e.prober = nil
	e.counters, e.heard, e.troubles, e.trouble = s.replicaCounters(), new(uint64), link.NewTroubles(), ""
	e.certificate = link.NewCertificate()
	s.pool.l.descriptors.share(e)
	r := &replica{server: s, endpoint: e, tag: link.LeaseTag(at.Address)}
	e.replica = r
	for _, c := range e.conns {
		c.readFrom(r)
	}
	return r
}

// replicaCounters are those of a server for its replicas: what is queued for them and how many connections they have is no concern of
// its own connections, which share what it can do, and the rest counts for it.
func (s *server) replicaCounters() link.ServerWords {
	words := s.counters
	for _, k := range []int{link.ServerConnections, link.InQueue, link.InQueueBytes, link.OutQueue, link.OutQueueBytes, link.Held, link.HeldBytes} {
		words[k] = new(uint64)
	}
	return words
}

// readFrom makes c one over which a replica is read from.
func (c *conn) readFrom(r *replica) {
	c.reads = r
	if c.hold == nil {
		c.hold = new(hold)
	}
}

// attemptTime returns how long an attempt to connect to a replica may take, and then its greeting: there must be time left to ask elsewhere.
func (p *pool) attemptTime() int64 {
	if p.timeout == 0 {
		return attemptTime
	}
	return min(attemptTime, p.timeout/3)
}

// isNear tells whether the process is in that zone.
func (p *pool) isNear(zone string) bool { return zone != "" && zone == p.l.spec.Zone }

// isFit tells whether the replica may get a read now.
func (r *replica) isFit() bool {
	l := r.endpoint.pool.l
	return r.lease != nil && r.rests <= l.now && link.LeaseHolds(atomic.LoadUint64(r.lease), r.tag, l.liveMillis())
}

// outstanding returns how many requests of this worker wait for the endpoint.
func (e *endpoint) outstanding() int {
	return int(*e.counters[link.InQueue] + *e.counters[link.OutQueue])
}

// failed is called when the replica has not done what it was asked. It is left alone for a while.
func (r *replica) failed(err error) {
	e := r.endpoint
	if r.rests > e.pool.l.now { // with several connections, or to several requests
		return
	}
	r.rest = min(max(restTime, 2*r.rest), longestRest)
	r.rests = e.pool.l.now + r.rest
	if text := cause(err); text != e.trouble {
		e.trouble = text
		e.server.logLimited(logevent.ReplicaFailed, e.pool.name, e.server.spec.Name, e.address, text)
	}
}

// succeeded is called when the replica has answered.
func (r *replica) succeeded() {
	e := r.endpoint
	r.rest = 0
	if e.trouble != "" {
		e.trouble = ""
		e.server.logLimited(logevent.ReplicaAnswers, e.pool.name, e.server.spec.Name, e.address)
	}
}

// everyReplica calls do for each replica of each server.
func (rs *replicas) everyReplica(do func(r *replica) bool) {
	for _, s := range rs.pool.servers {
		for _, r := range s.replicas {
			if !do(r) {
				return
			}
		}
	}
}

// begin is called when a read is under way.
func (rs *replicas) begin() {
	if !rs.watch.Armed() {
		rs.pool.l.timers.Set(&rs.watch, rs.pool.l.now+watchPause)
	}
}

// look looks at the replicas with reads under way: those that must not be read from any more give back what they have not got, and those
// of them that keep silent all of it.
func (rs *replicas) look() {
	var unfit []*replica
	busy := false
	for r := range rs.everyReplica {
		if r.endpoint.outstanding() == 0 {
			continue
		}
		busy = true
		if !r.isFit() {
			unfit = append(unfit, r)
		}
	}
	for _, r := range unfit {
		for c := range r.everyConn {
			c.endReads()
		}
	}
	if busy {
		rs.begin()
	}
}

// everyConn calls do for each connection over which the replica is read from.
func (r *replica) everyConn(do func(*conn) bool) {
	for c := range r.endpoint.everyConn {
		if c.reads == r && !do(c) {
			return
		}
	}
}

// endReads is called when the replica must not be read from any more: what it was not sent goes elsewhere, and the rest if it keeps silent,
// unless some of that may be what it is busy with.
func (c *conn) endReads() {
	if c.owed > 0 && c.endpoint.pool.l.now-c.heard >= silenceTime && c.owesOnlyQuick() {
		c.fail(errReplicaSilent)
		return
	}
	c.returnUnsent()
}

// owesOnlyQuick tells whether nobody waits for anything that is sent over the connection and may take a server long.
func (c *conn) owesOnlyQuick() bool {
	unbegun := c.firstUnbegun()
	for r := c.head; r != unbegun; r = r.behind {
		if r.owner() != nil && !r.asks().Quick {
			return false
		}
	}
	return true
}

// leave ends all connections to a replica that is none of the server's any more. What it owes is asked again elsewhere.
func (r *replica) leave() {
	for c := range r.endpoint.everyConn {
		if (c.reads == r || c.greeting.reads == endsScripts) && c.state != connClosed {
			c.end(errMoved)
		}
	}
}

// everyEndpoint calls do for each endpoint of each pool, replicas included.
func (l *loop) everyEndpoint(do func(*endpoint) bool) {
	for e := range l.endpoints {
		if !do(e) {
			return
		}
	}
	for _, p := range l.pools {
		if p.replicas == nil || p.cluster != nil { // whose replicas have places
			continue
		}
		for r := range p.replicas.everyReplica {
			if !do(r.endpoint) {
				return
			}
		}
	}
}

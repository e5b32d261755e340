// Reading from replicas: whom a pool reads from, and what the judge, which is the master, tells all workers about each replica in
// shared memory.
//
// A worker may send a read to a replica as long as its lease lasts, and looks at that when it sends. The judge renews a lease with each
// look at the replica that finds it fit, and takes it away with each that does not. So nobody reads from replicas of which nobody knows
// any more whether they are fit, be it that the master is dead, stopped or slow.

package link

import (
	"hash/fnv"
	"strconv"
	"sync/atomic"
)

// ReadFrom is where the reads of a pool go that replicas can answer. Writes always go to the primary.
type ReadFrom string

const (
	ReadFromMaster        ReadFrom = "master"         // the primary
	ReadFromPreferReplica ReadFrom = "prefer_replica" // a replica that is fit, else the primary
	ReadFromReplica       ReadFrom = "replica"        // a replica that is fit, else nobody
	ReadFromNearest       ReadFrom = "nearest"        // any of both, those of the process's zone first
)

// ReadsReplicas tells whether replicas get any of the pool's reads.
func (p *Pool) ReadsReplicas() bool { return p.ReadFrom != "" && p.ReadFrom != ReadFromMaster }

// ReplicaAddress is a replica of a server whose address the configuration gives.
type ReplicaAddress struct {
	Network string // "tcp" or "unix"
	Address string // "host:port" or a path
	Zone    string `json:",omitempty"`
}

// MaxReplicas is how many replicas of a server are read from, the first ones in its topology: each has words in shared memory. A
// replica in a cluster has a place, and words, of its own: those of the replica 0 there.
const MaxReplicas = 8

// Replicas returns the endpoints of the server that are replicas: those that are read from, by number.
func (s *ServerTopology) Replicas() (all []Endpoint) {
	for _, e := range s.Endpoints {
		if e.Role == Replica && len(all) < MaxReplicas {
			all = append(all, e)
		}
	}
	return all
}

// ReplicaState is what the judge last found of a replica. Numbers are for good.
type ReplicaState uint8

const (
	ReplicaUnknown    ReplicaState = 0 // not looked at yet
	ReplicaFit        ReplicaState = 1
	ReplicaSilent     ReplicaState = 2 // it does not answer
	ReplicaLoading    ReplicaState = 3
	ReplicaSyncing    ReplicaState = 4 // it is getting all data anew
	ReplicaLinkDown   ReplicaState = 5 // it does not hear the primary
	ReplicaIsNone     ReplicaState = 6 // it says that it is no replica
	ReplicaOfAnother  ReplicaState = 7 // it follows another primary
	ReplicaBehind     ReplicaState = 8 // by more than max_replica_lag
	ReplicaUnmeasured ReplicaState = 9 // how far behind it is cannot be told: the primary does not answer, or has only just begun to
	ReplicaRefuses    ReplicaState = 10
	ReplicaBusy       ReplicaState = 11 // a script keeps it from answering
	numReplicaStates               = 12
)

const (
	replicaStateShift = 56 // of the word that tells what was found
	replicaLagMask    = 1<<replicaStateShift - 1
	leaseTagBits      = 24 // of a lease
	leaseTagMask      = 1<<leaseTagBits - 1
)

var replicaStates = [numReplicaStates]string{
	ReplicaUnknown: "unknown", ReplicaFit: "fit", ReplicaSilent: "silent", ReplicaLoading: "loading", ReplicaSyncing: "syncing", ReplicaLinkDown: "link down",
	ReplicaIsNone: "no replica", ReplicaOfAnother: "follows another", ReplicaBehind: "behind", ReplicaUnmeasured: "lag unknown", ReplicaRefuses: "refuses",
	ReplicaBusy: "busy",
}

// Measured tells whether it is known by how much the data of such a replica is behind.
func (s ReplicaState) Measured() bool { return s == ReplicaFit || s == ReplicaBehind }

// String returns one or two words; those of ReplicaUnknown for states of later builds.
func (s ReplicaState) String() string {
	if int(s) >= len(replicaStates) {
		s = ReplicaUnknown
	}
	return replicaStates[s]
}

// LeaseTag returns what ties a lease to an address: replicas come and go, and a worker may know of that before the judge, or after it.
func LeaseTag(address string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(address))
	return h.Sum64() & leaseTagMask
}

// NewLease returns the word that lets workers read from the replica with that tag until a time, in ms of CLOCK_MONOTONIC.
func NewLease(tag uint64, until int64) uint64 { return uint64(max(until, 0))<<leaseTagBits | tag }

// LeaseHolds tells whether a worker may send a read to the replica with that tag now, in ms of CLOCK_MONOTONIC.
func LeaseHolds(word, tag uint64, now int64) bool {
	return word&leaseTagMask == tag && now < int64(word>>leaseTagBits)
}

// layReplicas places the words, which the judge alone writes: per server, the leases of its replicas and their states.
func (l *layout) layReplicas() {
	var servers []int
	words := 0
	for _, n := range l.Servers {
		servers = append(servers, words)
		words += n * 2 * MaxReplicas
	}
	l.add(block{Of: ofServer, Words: states(replicaNames("lease_")...), First: l.end, Pools: servers, PerServer: 2 * MaxReplicas})
	l.add(block{Of: ofServer, Words: states(replicaNames("replica_")...), First: l.end + MaxReplicas, Pools: servers, PerServer: 2 * MaxReplicas})
	l.end += roundUp(words)
}

func replicaNames(prefix string) (names []string) {
	for i := range MaxReplicas {
		names = append(names, prefix+strconv.Itoa(i))
	}
	return names
}

func (s *Shared) locateReplicas() {
	for i, name := range replicaNames("lease_") {
		s.leases[i] = s.place(ofServer, name, 0)
	}
	for i, name := range replicaNames("replica_") {
		s.replicas[i] = s.place(ofServer, name, 0)
	}
}

// Lease is the lease of a replica, by its number; see LeaseHolds. Atomic access only. nil: the memory, of another build, has none, and
// there is no such lease.
func (s *Shared) Lease(pool, server, replica int) *uint64 {
	return s.at(s.leases[replica], 0, pool, server)
}

// SetReplica stores what the judge has found of a replica, and how many ms its data is behind; the lease first if that ends it.
func (s *Shared) SetReplica(pool, server, replica int, lease uint64, state ReplicaState, lag int64) {
	word, about := s.Lease(pool, server, replica), s.at(s.replicas[replica], 0, pool, server)
	if word == nil || about == nil {
		return
	}
	atomic.StoreUint64(word, lease)
	atomic.StoreUint64(about, uint64(state)<<replicaStateShift|uint64(max(lag, 0))&replicaLagMask)
}

// Replica returns what the judge has last found of a replica, and how many ms its data was behind.
func (s *Shared) Replica(pool, server, replica int) (state ReplicaState, lag int64) {
	about := s.at(s.replicas[replica], 0, pool, server)
	if about == nil {
		return ReplicaUnknown, 0
	}
	word := atomic.LoadUint64(about)
	return ReplicaState(word >> replicaStateShift), int64(word & replicaLagMask)
}

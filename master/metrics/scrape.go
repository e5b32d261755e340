// One scrape: everything is read once, and made into families.

package metrics

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

// scrape is what has been read for one.
type scrape struct {
	view        *View
	worker      [len(link.WorkerCounters)]uint64
	pools       []pool
	servers     []server
	clients     []uint64 // by worker
	connections []uint64 // likewise
	held        []uint64 // likewise: bytes
	turns       []turns  // likewise
	processes   []usage
}

// usage is what a process uses.
type usage struct {
	name string // the slot of a worker, or "master"
	process.Usage
}

type pool struct {
	of       *link.Pool
	labels   labels
	counters [len(link.PoolCounters)]uint64
}

// notPlaced is the place of a server that is none of a cluster's.
const notPlaced = -1

type server struct {
	pool      *link.Pool
	labels    labels // of serverLabels
	address   string // empty: not known
	place     int    // of a cluster; or notPlaced
	known     *link.ServerTopology
	follows   bool       // somebody is asked where it is
	sentinels *Sentinels // nil: none are asked
	state     shard.State
	down      bool // it cannot be used, as the workers have last found

	certificateEnds int64   // s since the epoch; 0: not known
	share           float64 // of its keys that it has
	replicas        []replica

	counters  [len(link.ServerCounters)]uint64
	latencies histogram
}

// replica is one that is read from if it is fit.
type replica struct {
	labels labels // of replicaLabels
	totals.Replica
}

func (s *server) followed(value func(*link.ServerTopology) float64) (float64, bool) {
	if !s.follows || s.known == nil {
		return 0, false
	}
	return value(s.known), true
}

// histogram is that of a server: how many replies took no longer than each bound, all of them, and all times together.
type histogram struct {
	below   [len(latencyBounds)]uint64
	all     uint64
	seconds float64
}

// read reads all that a view leads to, and releases it.
func read(v *View) *scrape {
	defer v.Release()
	s := &scrape{view: v}
	v.Counts.Locate()
	for i := range s.worker {
		s.worker[i] = v.Counts.Worker(i)
	}
	serving := v.Counts.Serving()
	for i := range serving.Pools {
		s.readPool(i)
	}
	for i := range v.Workers {
		words := serving.Worker(v.Workers[i].Slot)
		s.connections = append(s.connections, atomic.LoadUint64(words[link.CurrConnections]))
		s.turns = append(s.turns, turnsOf(&words))
		s.held = append(s.held, atomic.LoadUint64(words[link.MemoryHeld]))
		clients := uint64(0)
		for k := range serving.Pools {
			clients += atomic.LoadUint64(serving.PoolCounter(v.Workers[i].Slot, k, link.ClientConnections))
		}
		s.clients = append(s.clients, clients)
		if v.Workers[i].PID != 0 {
			s.readProcess(s.slot(i), v.Workers[i].PID)
		}
	}
	s.readProcess("master", v.PID)
	return s
}

func (s *scrape) readProcess(name string, pid int) {
	if u, ok := process.UsageOf(pid); ok {
		s.processes = append(s.processes, usage{name, u})
	}
}

func (s *scrape) readPool(i int) {
	of := &s.view.Counts.Serving().Pools[i]
	p := pool{of: of, labels: labelsOf("pool", of.Name)}
	for k := range p.counters {
		p.counters[k] = s.view.Counts.Pool(i, k)
	}
	s.pools = append(s.pools, p)
	t := s.view.Topology.Pool(of.Name)
	if of.IsCluster() {
		s.readNodes(i, t)
		return
	}
	for k := range of.Servers {
		one := server{place: notPlaced, address: of.Servers[k].Address, follows: of.Discovers()}
		if of.Discovers() {
			one.address = ""
			if t != nil {
				one.known = t.Server(of.Servers[k].Name)
				at, _ := t.Primary(of.Servers[k].Name)
				one.address = at.Address
			}
			if i < len(s.view.Sentinels) && k < len(s.view.Sentinels[i]) {
				one.sentinels = &s.view.Sentinels[i][k]
			}
		}
		s.readServer(i, k, of.Servers[k].Name, link.Primary, one)
	}
}

// readNodes reads the nodes of a cluster, which go by their addresses. Of two that say that they have one, the first counts.
func (s *scrape) readNodes(i int, t *link.PoolTopology) {
	if t == nil {
		return
	}
	seen := map[string]bool{}
	for k := range t.Servers {
		known := &t.Servers[k]
		place, ok := link.PlaceIndex(known.Server)
		if !ok || len(known.Endpoints) == 0 || seen[known.Endpoints[0].Address] {
			continue
		}
		at := known.Endpoints[0]
		seen[at.Address] = true
		s.readServer(i, place, at.Address, at.Role, server{place: place, address: at.Address, known: known, follows: true})
	}
}

// readServer reads what is counted of a server.
func (s *scrape) readServer(i, k int, name string, role link.Role, one server) {
	serving := s.view.Counts.Serving()
	one.pool, one.labels = &serving.Pools[i], labelsOf(serverLabels, serving.Pools[i].Name, name, string(role))
	if one.pool.ServerTLS != nil {
		one.certificateEnds, _ = serving.CertificateEnds(i, k)
	}
	if one.place == notPlaced {
		one.state = shard.Liveness(atomic.LoadUint64(serving.Liveness(i, k))).State()
		one.share = serving.Share(i, k)
		one.down = serving.TroubleOf(i, k).Why != link.TroubleUnknown
	}
	if t := s.view.Topology.Pool(serving.Pools[i].Name); t != nil {
		for _, r := range serving.Replicas(i, t, t.Server(serving.Pools[i].Servers[k].Name)) {
			one.replicas = append(one.replicas, replica{labelsOf(replicaLabels, serving.Pools[i].Name, name, r.Address), r})
		}
	}
	var counted totals.Server
	s.view.Counts.ReadServer(i, k, &counted)
	one.counters = counted.Counters
	one.latencies = histogramOf(&counted.Latencies)
	s.servers = append(s.servers, one)
}

// midpoints are the times that the sum takes for those of a bucket, in s.
var midpoints = func() (all [link.LatencyBuckets]float64) {
	before := time.Duration(0)
	for bucket := range all {
		bound := link.LatencyBound(bucket)
		all[bucket], before = (bound+before).Seconds()/2, bound
	}
	return all
}()

func histogramOf(counts *[link.LatencyBuckets]uint64) (h histogram) {
	bound := 0
	for bucket, n := range counts {
		for bound < len(latencyBounds) && link.LatencyBound(bucket) > time.Duration(latencyBounds[bound])*time.Microsecond {
			h.below[bound] = h.all
			bound++
		}
		if n > 0 {
			h.all += n
			h.seconds += float64(n) * midpoints[bucket]
		}
	}
	for ; bound < len(latencyBounds); bound++ {
		h.below[bound] = h.all
	}
	return h
}

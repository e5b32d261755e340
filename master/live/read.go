// One read: everything is read once, and compared with what the last one has found.

package live

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/history"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Reader remembers what the last read has found.
type Reader struct {
	at      time.Time // of the last read; zero: there was none
	number  uint64    // of reads
	servers map[history.Place]*seen
	pools   map[string]*[len(link.PoolCounters)]uint64
	drops   map[string]uint64     // by pool
	cpu     map[int]time.Duration // by pid
	rings   map[string]*ring
}

// NewReader returns one that has not read anything.
func NewReader() *Reader {
	return &Reader{servers: map[history.Place]*seen{}, pools: map[string]*[len(link.PoolCounters)]uint64{}, drops: map[string]uint64{}, cpu: map[int]time.Duration{}, rings: map[string]*ring{}}
}

// reading is one read.
type reading struct {
	*Reader
	source  *Source
	seconds float64 // since the last one; 0: there was none
	since   *history.Interval
	recent  history.Histogram // of all pools
	cpu     map[int]time.Duration
}

// Read reads all that a source leads to, and releases it. It returns what happened since the last read, which is nil for the first.
func (r *Reader) Read(s *Source, now time.Time) (*State, *history.Interval) {
	defer s.Release()
	s.Counts.Locate()
	g := &reading{Reader: r, source: s, since: &history.Interval{From: r.at, To: now}, cpu: map[int]time.Duration{}}
	if !r.at.IsZero() {
		g.seconds = max(now.Sub(r.at).Seconds(), 0.001)
	}
	r.number++
	state := &State{
		Now: now.UnixMilli(), Build: s.Build, PID: s.PID, StartedAt: millis(s.StartedAt), Phase: s.Phase, Unready: s.Unready, Busy: s.Busy,
		Generation: s.Generation, ConfigHash: s.ConfigHash, MemoryLimit: s.MemoryLimit, Generations: s.Generations,
		Connections: s.Counts.Worker(link.CurrConnections),
	}
	for i := range s.Counts.Serving().Pools {
		state.Pools = append(state.Pools, g.pool(i))
	}
	for _, c := range s.Certificates {
		if c.Ends.Sub(now) < soon {
			state.Ending = append(state.Ending, Certificate{c.Pool, c.Key, c.File, c.Ends.UnixMilli()})
		}
	}
	total := &g.since.Total
	state.Flow = g.flow(total, &g.recent)
	for _, w := range s.Workers {
		state.Workers = append(state.Workers, g.worker(w.Slot, w.PID, w.Serves, w.BornAt, now))
	}
	state.MasterCPU, state.MasterBytes = g.usage(s.PID)
	r.finish(g)
	r.at = now
	if g.seconds == 0 {
		return state, nil
	}
	return state, g.since
}

// finish forgets what there is no more.
func (r *Reader) finish(g *reading) {
	r.cpu = g.cpu
	for at, s := range r.servers {
		if s.read != r.number {
			delete(r.servers, at)
		}
	}
	pools := map[string]bool{}
	for _, p := range g.since.Pools {
		pools[p.Name] = true
	}
	for name := range r.pools {
		if !pools[name] {
			delete(r.pools, name)
			delete(r.rings, name)
			delete(r.drops, name)
		}
	}
}

// perSecond returns a rate; 0: this is the first read.
func (g *reading) perSecond(n uint64) float64 {
	if g.seconds == 0 {
		return 0
	}
	return float64(n) / g.seconds
}

// flow makes a flow of what was counted.
func (g *reading) flow(c *history.Counted, recent *history.Histogram) Flow {
	f := Flow{Rate: g.perSecond(c.Requests), Errors: g.perSecond(c.Errors), Clients: c.Clients, Bytes: c.Bytes}
	f.percentiles(recent)
	return f
}

// pool reads a pool, its servers, and adds what happened to the whole.
func (g *reading) pool(i int) Pool {
	serving := g.source.Counts.Serving()
	of := &serving.Pools[i]
	var now [len(link.PoolCounters)]uint64
	for k := range now {
		now[k] = g.source.Counts.Pool(i, k)
	}
	before := g.pools[of.Name]
	if before == nil {
		begin := now
		before = &begin
		g.pools[of.Name] = before
	}
	p := Pool{
		Name: of.Name, Protocol: string(of.Protocol), Distribution: of.Distribution, Blocked: now[link.BlockedClients], Subscribers: now[link.Subscribers],
		Refused: g.perSecond(since(now[link.RefusedCommands], before[link.RefusedCommands])), Servers: []Server{},
	}
	p.Unaccepted, p.Dropped = g.queue(of.Name)
	if i < len(g.source.Listens) {
		p.Listen = g.source.Listens[i]
	}
	happened := history.Pool{Name: of.Name}
	happened.Clients = now[link.ClientConnections]
	happened.Errors = since(now[link.ForwardError], before[link.ForwardError])
	for word := range link.NumErrorWords {
		happened.Errors += since(now[link.FirstErrorWord+word], before[link.FirstErrorWord+word])
	}
	var recent history.Histogram
	if of.IsCluster() {
		p.Distribution = "cluster"
		p.Servers = append(p.Servers, g.nodes(i, &happened, &recent)...)
	} else {
		p.Servers = append(p.Servers, g.members(i, &happened, &recent)...)
	}
	p.sum()
	p.Flow = g.flow(&happened.Counted, &recent)
	addHistogram(&g.recent, &recent)
	total := &g.since.Total
	total.Requests, total.Errors = total.Requests+happened.Requests, total.Errors+happened.Errors
	total.Clients, total.Bytes = total.Clients+happened.Clients, total.Bytes+happened.Bytes
	addHistogram(&total.Latencies, &happened.Latencies)
	g.since.Pools = append(g.since.Pools, happened)
	*before = now
	return p
}

// queue returns how many connections to a pool wait to be accepted, and how many attempts to connect are dropped in a second.
func (g *reading) queue(pool string) (waiting int, dropped float64) {
	all := uint64(0)
	for i := range g.source.Queues {
		if q := &g.source.Queues[i]; q.Pool == pool {
			waiting, all = waiting+q.Waiting, all+q.Dropped
		}
	}
	if before, known := g.drops[pool]; known {
		dropped = g.perSecond(since(all, before))
	}
	g.drops[pool] = all
	return waiting, dropped
}

// members reads the servers of a pool that has no cluster.
func (g *reading) members(i int, happened *history.Pool, recent *history.Histogram) (all []Server) {
	serving, t := g.source.Counts.Serving(), g.source.Topology.Pool(g.source.Counts.Serving().Pools[i].Name)
	of := &serving.Pools[i]
	live := make([]bool, len(of.Servers))
	for k := range of.Servers {
		live[k] = !of.Remaps() || shard.Liveness(atomic.LoadUint64(serving.Liveness(i, k))).Alive()
	}
	shares := g.sharesOf(g.source.Generation, of, live)
	for k := range of.Servers {
		s := Server{Name: of.Servers[k].Name, Address: of.Servers[k].Address, Role: string(link.Primary), Share: shares[k]}
		if of.Discovers() {
			s.Address, s.Stale = whereIs(t, s.Name)
		}
		word := shard.Liveness(atomic.LoadUint64(serving.Liveness(i, k)))
		s.State = word.State().String()
		if f := serving.TroubleOf(i, k); word.Alive() && f.Why != link.TroubleUnknown {
			s.State, s.Why, s.Since = "down", f.Why.String(), totals.WallTime(f.Since).UnixMilli()
		}
		if s.Address == "" {
			s.State = "unknown"
		}
		if !word.Alive() {
			e := link.Ejection(atomic.LoadUint64(serving.Ejection(i, k)))
			s.Why, s.Since = e.Why().String(), e.Since()
		}
		if part := serving.Share(i, k); part > 0 && part < 1 {
			s.Starting = part
		}
		g.server(i, k, &s, happened, recent)
		all = append(all, s)
	}
	return all
}

// whereIs returns where a server is that fails over, and whether nobody says any more that it still is.
func whereIs(t *link.PoolTopology, server string) (address string, stale bool) {
	if t == nil {
		return "", false
	}
	at, _ := t.Primary(server)
	known := t.Server(server)
	return at.Address, known != nil && known.Stale
}

// nodes reads the nodes of a cluster, which go by their addresses. Of two that say that they have one, the first counts.
func (g *reading) nodes(i int, happened *history.Pool, recent *history.Histogram) (all []Server) {
	t := g.source.Topology.Pool(g.source.Counts.Serving().Pools[i].Name)
	if t == nil {
		return nil
	}
	known := map[string]bool{}
	for k := range t.Servers {
		node := &t.Servers[k]
		place, ok := link.PlaceIndex(node.Server)
		if !ok || len(node.Endpoints) == 0 || known[node.Endpoints[0].Address] {
			continue
		}
		at := node.Endpoints[0]
		known[at.Address] = true
		s := Server{
			Name: at.Address, Address: at.Address, Role: string(at.Role), State: shard.Live.String(), Stale: node.Stale,
			Share: float64(node.SlotCount()) / link.HashSlots,
		}
		if node.Failed {
			s.State = "failed"
		}
		g.server(i, place, &s, happened, recent)
		all = append(all, s)
	}
	return all
}

// server reads what is counted of a server, and adds what happened to its pool.
func (g *reading) server(i, k int, s *Server, pool *history.Pool, recent *history.Histogram) {
	counts, serving := g.source.Counts, g.source.Counts.Serving()
	var now totals.Server
	counts.ReadServer(i, k, &now)
	at := history.Place{Pool: serving.Pools[i].Name, Server: s.Name}
	before := g.servers[at]
	if before == nil {
		before = &seen{Server: now}
		g.servers[at] = before
	}
	before.read = g.number
	grew := func(counter int) uint64 { return since(now.Counters[counter], before.Counters[counter]) }
	happened := history.Counted{
		Requests: grew(link.Requests), Errors: grew(link.ServerErr) + grew(link.ServerTimedout), Latencies: before.grow(&now),
		Bytes: now.Counters[link.InQueueBytes] + now.Counters[link.OutQueueBytes] + now.Counters[link.HeldBytes],
	}
	s.Flow = g.flow(&happened, &before.recent)
	s.Timeouts = g.perSecond(grew(link.ServerTimedout))
	s.Conns, s.Queued, s.Sent, s.Held = now.Counters[link.ServerConnections], now.Counters[link.InQueue], now.Counters[link.OutQueue], now.Counters[link.Held]
	if t := g.source.Topology.Pool(at.Pool); t != nil {
		for _, r := range serving.Replicas(i, t, t.Server(serving.Pools[i].Servers[k].Name)) {
			s.Replicas = append(s.Replicas, Replica{Address: r.Address, Zone: r.Zone, State: r.State.String(), LagMS: r.Lag})
		}
	}
	pool.Requests, pool.Errors, pool.Bytes = pool.Requests+happened.Requests, pool.Errors+happened.Errors, pool.Bytes+happened.Bytes
	addHistogram(&pool.Latencies, &happened.Latencies)
	addHistogram(recent, &before.recent)
	pool.Servers = append(pool.Servers, history.Server{Name: s.Name, Requests: happened.Requests})
	before.Server = now
}

// worker reads a slot.
func (g *reading) worker(slot, pid int, serves bool, bornAt, now time.Time) Worker {
	serving := g.source.Counts.Serving()
	words := serving.Worker(slot)
	w := Worker{Slot: slot, PID: pid, Serves: serves, Conns: atomic.LoadUint64(words[link.CurrConnections]), Bytes: atomic.LoadUint64(words[link.MemoryHeld])}
	for i := range serving.Pools {
		w.Clients += atomic.LoadUint64(serving.PoolCounter(slot, i, link.ClientConnections))
	}
	if pid != 0 {
		w.Age = int64(now.Sub(bornAt) / time.Second)
		w.CPU, w.RSS = g.usage(pid)
	}
	return w
}

// usage returns what a process uses: of one CPU, since the last read, and of memory.
func (g *reading) usage(pid int) (cpu float64, resident int64) {
	u, ok := process.UsageOf(pid)
	if !ok {
		return 0, 0
	}
	g.cpu[pid] = u.CPU
	if before, known := g.Reader.cpu[pid]; known && g.seconds > 0 {
		cpu = (u.CPU - before).Seconds() / g.seconds
	}
	return cpu, u.ResidentBytes
}

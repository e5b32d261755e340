// Servers that are ejected since they are slower than the others of their pool. The master judges them, once a second, so that all workers
// agree, and ejects them as a worker ejects one that fails: workers leave them out, and probe them.
//
// Only the generation that serves is judged, by what its own workers have measured. A generation that follows it, of this master or the
// next one, begins to judge anew, and takes over who is ejected.

package master

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/outlier"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// ejectSlow ejects servers of the generation that serves which are much slower than others, at most one of each pool.
func (m *master) ejectSlow() {
	g := m.generations.serving
	if g == nil || g.counters == nil {
		return
	}
	for i := range g.pools {
		if p := &g.pools[i]; p.EjectLatency > 0 && p.Remaps() {
			if v, found := g.judge(i).Look(g.latencies(i)); found {
				m.ejectServer(g, i, v)
			}
		}
	}
}

// judge returns who judges the servers of a pool.
func (g *generation) judge(pool int) *outlier.Judge {
	if g.judges == nil {
		g.judges = make([]outlier.Judge, len(g.pools))
	}
	j := &g.judges[pool]
	j.Factor, j.Floor = g.pools[pool].EjectLatency, g.pools[pool].EjectLatencyFloor
	return j
}

// latencies returns how long the servers of a pool took to reply to the workers of the generation.
func (g *generation) latencies(pool int) []outlier.Server {
	servers := make([]outlier.Server, len(g.pools[pool].Servers))
	for k := range servers {
		servers[k].Live = shard.Liveness(atomic.LoadUint64(g.counters.Liveness(pool, k))).Alive()
		g.counters.AddOwnLatency(pool, k, &servers[k].Counts)
	}
	return servers
}

// ejectServer ejects a server, unless it is not live any more.
func (m *master) ejectServer(g *generation, pool int, v outlier.Verdict) {
	p := &g.pools[pool]
	name, word, about := p.Servers[v.Server].Name, g.counters.Liveness(pool, v.Server), g.counters.Ejection(pool, v.Server)
	mono, wall := sock.Monotonic(), m.world.now()

	after := p.EjectedAgain(link.Ejection(atomic.LoadUint64(about)), link.TroubleSlow, wall.UnixMilli())
	pause := p.RetryPause(name, after.Probes(), mono)
	old := atomic.LoadUint64(word)
	next, live := shard.Liveness(old).Eject(mono/int64(time.Millisecond), pause.Milliseconds())
	if !live || !atomic.CompareAndSwapUint64(word, old, uint64(next)) {
		return
	}
	atomic.StoreUint64(about, uint64(after))
	atomic.StoreUint64(g.counters.SlowLimit(pool, v.Server), uint64(max(p.EjectLatencyFloor, time.Duration(p.EjectLatency)*v.Others)))
	atomic.AddUint64(g.counters.Epoch(pool), 1)
	m.countEjection(p, v.Server, wall)
	m.log.Event(logfile.ServerSlow, p.Name, name, pause.Round(time.Millisecond), v.Median, v.Others)
}

// countEjection counts an ejection beside what workers count: each word of theirs has one writer.
func (m *master) countEjection(p *link.Pool, server int, at time.Time) {
	s := &p.Servers[server]
	m.totals.Past = m.totals.Past.Add(&totals.Sums{Pools: map[string]totals.PoolSums{p.Name: {
		Counters: map[string]uint64{link.PoolCounters[link.ServerEjects].Name: 1},
		Servers: map[string]totals.ServerSums{s.Name: {
			Network: s.Network, Address: s.Address,
			Counters: map[string]uint64{link.ServerCounters[link.ServerEjectedAt].Name: uint64(at.UnixMicro())},
		}},
	}}})
	m.updateInherited()
}

// What a generation leaves to the next: its counters, so that totals never go backwards, and which servers are ejected,
// so that no key moves because of a reload. Everything goes by name: pools and servers come and go, and another version
// may count other things.

package master

import (
	"sync/atomic"

	"github.com/pinion-proxy/pinion/worker/link"
)

type legacy struct {
	Worker map[string]uint64     `json:"worker"`
	Pools  map[string]legacyPool `json:"pools"`
}

type legacyPool struct {
	Counters map[string]uint64       `json:"counters"`
	Servers  map[string]legacyServer `json:"servers"`
}

type legacyServer struct {
	Network  string            `json:"network"`
	Address  string            `json:"address"`
	Liveness uint64            `json:"liveness"` // shard.Liveness; times in it are of CLOCK_MONOTONIC, which both sides see
	Counters map[string]uint64 `json:"counters"`

	Latencies latencies `json:"latencies_us,omitempty"`
}

// bequeath returns the totals of the generation and all before it. Gauges are among them while its workers live.
func (g *generation) bequeath(gauges bool) *legacy {
	g.refresh()
	collect := func(infos []link.CounterInfo, sum func(counter int) uint64) map[string]uint64 {
		all := make(map[string]uint64, len(infos))
		for i, info := range infos {
			if gauges || info.Kind != link.Gauge {
				all[info.Name] = sum(i)
			}
		}
		return all
	}
	l := &legacy{Worker: collect(link.WorkerCounters[:], g.shared.SumWorker), Pools: map[string]legacyPool{}}
	for i := range g.pools {
		p := legacyPool{
			Counters: collect(link.PoolCounters[:], func(counter int) uint64 { return g.shared.SumPool(i, counter) }),
			Servers:  map[string]legacyServer{},
		}
		for k, s := range g.pools[i].Servers {
			counts := g.shared.SumLatency(i, k)
			p.Servers[s.Name] = legacyServer{
				Network: s.Network, Address: s.Address, Latencies: latenciesOf(&counts),
				Liveness: atomic.LoadUint64(g.shared.Liveness(i, k)),
				Counters: collect(link.ServerCounters[:], func(counter int) uint64 { return g.shared.SumServer(i, k, counter) }),
			}
		}
		l.Pools[g.pools[i].Name] = p
	}
	return l
}

// inherit counts what earlier generations have counted.
func (g *generation) inherit(l *legacy) {
	store := func(words []uint64, infos []link.CounterInfo, from map[string]uint64) {
		for i, info := range infos {
			atomic.StoreUint64(&words[i], from[info.Name])
		}
	}
	slot := g.shared.Legacy()
	store(g.shared.Worker(slot), link.WorkerCounters[:], l.Worker)
	for i := range g.pools {
		p := l.Pools[g.pools[i].Name]
		store(g.shared.Pool(slot, i), link.PoolCounters[:], p.Counters)
		for k, s := range g.pools[i].Servers {
			old := p.Servers[s.Name]
			store(g.shared.Server(slot, i, k), link.ServerCounters[:], old.Counters)
			counts := old.Latencies.counts()
			g.inheritLatencies(i, k, &counts)
		}
	}
}

// inheritLiveness takes over which servers are ejected, and until when. A server that has moved is a new one. Nobody
// serves by this generation yet.
func (g *generation) inheritLiveness(l *legacy) {
	for i := range g.pools {
		if !g.pools[i].AutoEjectHosts {
			continue
		}
		for k, s := range g.pools[i].Servers {
			old, ok := l.Pools[g.pools[i].Name].Servers[s.Name]
			if ok && old.Network == s.Network && old.Address == s.Address {
				atomic.StoreUint64(g.shared.Liveness(i, k), old.Liveness)
			}
		}
		atomic.AddUint64(g.shared.Epoch(i), 1)
	}
}

// refresh takes over what the workers of earlier generations have counted meanwhile.
func (g *generation) refresh() {
	if g.previous != nil {
		g.inherit(g.previous.bequeath(true))
	}
}

// clients returns how many clients the generation has.
func (g *generation) clients() (n int) {
	for i := range g.pools {
		n += int(g.shared.SumPool(i, link.ClientConnections))
	}
	return n
}

// reaches tells whether a worker of the generation is connected to a server.
func (g *generation) reaches(pool, server string) bool {
	for i := range g.pools {
		for k, s := range g.pools[i].Servers {
			if g.pools[i].Name == pool && s.Name == server && g.shared.SumServer(i, k, link.ServerConnections) > 0 {
				return true
			}
		}
	}
	return false
}

// absorb adds what the workers of a generation have counted that did not come to serve after all.
func (g *generation) absorb(failed *generation) {
	failed.previous = nil
	failed.inherit(&legacy{})
	own := failed.bequeath(false)
	before := g.shared.Legacy()
	l := &legacy{Worker: map[string]uint64{}, Pools: map[string]legacyPool{}}
	add := func(words []uint64, infos []link.CounterInfo, more map[string]uint64) map[string]uint64 {
		sum := map[string]uint64{}
		for i, info := range infos {
			if info.Kind == link.Timestamp {
				sum[info.Name] = max(words[i], more[info.Name])
			} else {
				sum[info.Name] = words[i] + more[info.Name]
			}
		}
		return sum
	}
	l.Worker = add(g.shared.Worker(before), link.WorkerCounters[:], own.Worker)
	for i := range g.pools {
		from := own.Pools[g.pools[i].Name]
		p := legacyPool{Servers: map[string]legacyServer{}}
		p.Counters = add(g.shared.Pool(before, i), link.PoolCounters[:], from.Counters)
		for k, s := range g.pools[i].Servers {
			more := from.Servers[s.Name]
			counts := *g.shared.Latency(before, i, k)
			for bucket, n := range more.Latencies.counts() {
				counts[bucket] += n
			}
			p.Servers[s.Name] = legacyServer{
				Counters:  add(g.shared.Server(before, i, k), link.ServerCounters[:], more.Counters),
				Latencies: latenciesOf(&counts),
			}
		}
		l.Pools[g.pools[i].Name] = p
	}
	g.inherit(l)
}

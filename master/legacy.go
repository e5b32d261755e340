// What generations leave to each other: their counters, so that totals never go backwards, and which servers are ejected,
// so that no key moves because of a reload. Everything goes by name: pools and servers come and go, and another version
// may count other things.

package master

import (
	"maps"
	"slices"
	"sync/atomic"

	"github.com/pinion-proxy/pinion/worker/link"
)

// legacy is what some workers have counted.
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

// own returns what the workers of the generation have counted. Gauges are among it while they live.
func (g *generation) own(gauges bool) *legacy { return g.counted(gauges, 0, len(g.slots)) }

// counted returns what slots have counted, from the first to the one before end.
func (g *generation) counted(gauges bool, first, end int) *legacy {
	collect := func(infos []link.CounterInfo, words func(slot int) []uint64) map[string]uint64 {
		all := make(map[string]uint64, len(infos))
		for i, info := range infos {
			if info.Kind == link.Gauge && !gauges {
				continue
			}
			for slot := first; slot < end; slot++ {
				all[info.Name] = sumOf(info.Kind, all[info.Name], atomic.LoadUint64(&words(slot)[i]))
			}
		}
		return all
	}
	l := &legacy{Pools: map[string]legacyPool{}}
	l.Worker = collect(link.WorkerCounters[:], g.shared.Worker)
	for i := range g.pools {
		p := legacyPool{Servers: map[string]legacyServer{}}
		p.Counters = collect(link.PoolCounters[:], func(slot int) []uint64 { return g.shared.Pool(slot, i) })
		for k, s := range g.pools[i].Servers {
			counts := g.latencyCounts(i, k, first, end)
			p.Servers[s.Name] = legacyServer{
				Network: s.Network, Address: s.Address, Latencies: latenciesOf(&counts),
				Liveness: atomic.LoadUint64(g.shared.Liveness(i, k)),
				Counters: collect(link.ServerCounters[:], func(slot int) []uint64 { return g.shared.Server(slot, i, k) }),
			}
		}
		l.Pools[g.pools[i].Name] = p
	}
	return l
}

// sumOf adds up two values of a counter.
func sumOf(kind link.CounterKind, a, b uint64) uint64 {
	if kind == link.Timestamp {
		return max(a, b)
	}
	return a + b
}

// add returns what both have counted. Who is added is the newer one.
func (l *legacy) add(more *legacy) *legacy {
	if l == nil {
		return more
	}
	if more == nil {
		return l
	}
	both := &legacy{Worker: addCounters(link.WorkerCounters[:], l.Worker, more.Worker), Pools: maps.Clone(l.Pools)}
	if both.Pools == nil {
		both.Pools = map[string]legacyPool{}
	}
	for name, p := range more.Pools {
		both.Pools[name] = both.Pools[name].add(p)
	}
	return both
}

func (p legacyPool) add(more legacyPool) legacyPool {
	both := legacyPool{Counters: addCounters(link.PoolCounters[:], p.Counters, more.Counters), Servers: maps.Clone(p.Servers)}
	if both.Servers == nil {
		both.Servers = map[string]legacyServer{}
	}
	for name, s := range more.Servers {
		old := both.Servers[name]
		s.Counters = addCounters(link.ServerCounters[:], old.Counters, s.Counters)
		if len(old.Latencies) > 0 {
			s.Latencies = maps.Clone(s.Latencies)
			if s.Latencies == nil {
				s.Latencies = latencies{}
			}
			for bound, n := range old.Latencies {
				s.Latencies[bound] += n
			}
		}
		both.Servers[name] = s
	}
	return both
}

func addCounters(infos []link.CounterInfo, a, b map[string]uint64) map[string]uint64 {
	sum := maps.Clone(a)
	if sum == nil {
		sum = map[string]uint64{}
	}
	for name, n := range b {
		kind := link.Counter // one of another version
		if i := slices.IndexFunc(infos, func(info link.CounterInfo) bool { return info.Name == name }); i >= 0 {
			kind = infos[i].Kind
		}
		sum[name] = sumOf(kind, sum[name], n)
	}
	return sum
}

// only forgets the pools and servers that no generation has: nobody asks for them any more.
func (l *legacy) only(generations []*generation) *legacy {
	if l == nil {
		return nil
	}
	kept := &legacy{Worker: l.Worker, Pools: map[string]legacyPool{}}
	for _, g := range generations {
		for i := range g.pools {
			from, has := l.Pools[g.pools[i].Name]
			if !has {
				continue
			}
			p, has := kept.Pools[g.pools[i].Name]
			if !has {
				p = legacyPool{Counters: from.Counters, Servers: map[string]legacyServer{}}
				kept.Pools[g.pools[i].Name] = p
			}
			for _, s := range g.pools[i].Servers {
				if server, has := from.Servers[s.Name]; has {
					p.Servers[s.Name] = server
				}
			}
		}
	}
	return kept
}

// inherit puts what others have counted where everyone reads it along with what the generation counts.
func (g *generation) inherit(l *legacy) {
	if l == nil {
		l = &legacy{}
	}
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

// inherited returns what stands where inherit has put it.
func (g *generation) inherited() *legacy {
	return g.counted(false, g.shared.Legacy(), g.shared.Legacy()+1)
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

// counting returns all generations whose counters this master reads, the oldest first: those that have or may have
// workers, its own and another master's.
func (m *master) counting() []*generation {
	all := slices.Clone(m.inherited)
	if m.target != nil {
		all = append(all, m.target.left...)
	}
	slices.Reverse(all)
	all = append(all, m.generations()...)
	if m.heir != nil {
		all = append(all, m.heir)
	}
	return slices.DeleteFunc(all, func(g *generation) bool { return g.shared == nil })
}

// others returns what all but some generations have counted, those that are gone included.
func (m *master) others(gauges bool, except ...*generation) *legacy {
	sum := m.past
	for _, other := range m.counting() {
		if !slices.Contains(except, other) {
			sum = sum.add(other.own(gauges))
		}
	}
	return sum
}

// total returns what all generations have counted, and which servers are ejected in the one that serves. A new master adds
// what its own workers count.
func (m *master) total() *legacy {
	return m.others(false, m.generation, m.heir).add(m.generation.own(false)).only([]*generation{m.generation})
}

// refresh takes over what the workers of other generations have counted meanwhile, if there are any.
func (m *master) refresh() {
	if len(m.counting()) > 1 {
		m.restate()
	}
}

// restate has the generation that serves, and the one that is to follow, count what all others have counted.
func (m *master) restate() {
	for _, g := range [...]*generation{m.generation, m.coming} {
		if g != nil && g.shared != nil {
			g.inherit(m.others(true, g))
		}
	}
	m.recount()
	if m.target != nil {
		m.target.catchUp()
	}
}

// bury forgets retired generations whose workers are all gone, wherever they stand among those that live: what they have
// counted is counted on.
func (m *master) bury() {
	before := len(m.retired)
	m.retired = slices.DeleteFunc(m.retired, func(g *generation) bool {
		if g.gone() {
			m.forget(g)
			return true
		}
		return false
	})
	if len(m.retired) < before {
		m.past = m.past.only(m.counting())
		m.restate()
	}
}

// forget keeps what a generation has counted, and gives its memory back.
func (m *master) forget(g *generation) {
	if g.shared == nil {
		return
	}
	m.past = m.past.add(g.own(false))
	m.clients.forget(g)
	g.unshare(m.world)
}

// The counters of one generation: memory that its workers write, and whose counters those are. What generations before it
// have counted is put beside them, so that totals never go backwards, and so is which servers are ejected, so that no key
// moves because of a reload.

package totals

import (
	"sync/atomic"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Counters are those of a generation, of this master or of another one.
type Counters struct {
	*link.Shared
	Pools   []link.Pool // in the order of the memory
	Listens []string    // what the clients of each pool connect to: a network, a space and an address

	occupied []*[link.MaxNodes]bool // by pool, places of nodes, see Occupy; nil: it is not known which
}

// Occupy notes which places of pools of a cluster have a node. Those that never had one count nothing, and are not looked at: that
// alone would make memory of them.
func (c *Counters) Occupy(t *link.Topology) {
	if c.occupied == nil {
		c.occupied = make([]*[link.MaxNodes]bool, len(c.Pools))
	}
	for i := range c.Pools {
		known := t.Pool(c.Pools[i].Name)
		if known == nil || !known.Cluster {
			continue
		}
		if c.occupied[i] == nil {
			c.occupied[i] = new([link.MaxNodes]bool)
		}
		for _, s := range known.Servers {
			if place, ok := link.PlaceIndex(s.Server); ok {
				c.occupied[i][place] = true
			}
		}
	}
}

// servers calls do for the index of each server of a pool that may have counted something.
func (c *Counters) servers(pool int) func(do func(server int) bool) {
	places := c.Pools[pool].IsCluster() && c.occupied != nil && c.occupied[pool] != nil
	return func(do func(server int) bool) {
		for k := range c.Pools[pool].Servers {
			if (!places || k < link.MaxNodes && c.occupied[pool][k]) && !do(k) {
				return
			}
		}
	}
}

// Sum returns what the workers of the generation have counted. Gauges are among it while they live.
func (c *Counters) Sum(gauges bool) *Sums {
	return c.sum(gauges, link.SlotRange{First: 0, End: c.Slots()})
}

// sum returns what slots have counted, those counters included that only the build knows which has made the memory.
func (c *Counters) sum(gauges bool, slots link.SlotRange) *Sums {
	sums := &Sums{Worker: c.WorkerTotals(slots, gauges), Pools: map[string]PoolSums{}}
	for i := range c.Pools {
		p := PoolSums{Counters: c.PoolTotals(i, slots, gauges), Servers: map[string]ServerSums{}}
		for k := range c.servers(i) {
			s := &c.Pools[i].Servers[k]
			p.Servers[s.Name] = ServerSums{
				Network: s.Network, Address: s.Address, Latencies: c.LatencyTotals(i, k, slots),
				Liveness: atomic.LoadUint64(c.Liveness(i, k)),
				Ejection: atomic.LoadUint64(c.Ejection(i, k)),
				Started:  load(c.StartedAt(i, k)),
				Slow:     atomic.LoadUint64(c.SlowLimit(i, k)),
				Counters: c.ServerTotals(i, k, slots, gauges),
			}
		}
		sums.Pools[c.Pools[i].Name] = p
	}
	return sums
}

// Inherit stores the totals of other generations where readers add them to those of this generation.
func (c *Counters) Inherit(others *Sums) {
	if others == nil {
		others = &Sums{}
	}
	store := func(words []*uint64, infos []link.CounterInfo, from map[string]uint64) {
		for i, info := range infos {
			atomic.StoreUint64(words[i], from[info.Name])
		}
	}
	slot := c.Legacy()
	worker := c.Worker(slot)
	store(worker[:], link.WorkerCounters[:], others.Worker)
	for i := range c.Pools {
		p := others.Pools[c.Pools[i].Name]
		pool := c.Pool(slot, i)
		store(pool[:], link.PoolCounters[:], p.Counters)
		for k := range c.servers(i) {
			old := p.Servers[c.Pools[i].Servers[k].Name]
			server := c.Server(slot, i, k)
			store(server[:], link.ServerCounters[:], old.Counters)
			counts := old.Latencies.counts()
			c.SetLatency(slot, i, k, &counts)
		}
	}
}

// Inherited returns what stands where Inherit has put it.
func (c *Counters) Inherited() *Sums {
	return c.sum(false, link.SlotRange{First: c.Legacy(), End: c.Legacy() + 1})
}

// InheritLiveness takes over which servers are ejected, and until when. A server that has moved is a new one. Nobody
// serves by this generation yet.
func (c *Counters) InheritLiveness(others *Sums) {
	for i := range c.Pools {
		if !c.Pools[i].Ejects() {
			continue
		}
		for k, s := range c.Pools[i].Servers {
			old, ok := others.Pools[c.Pools[i].Name].Servers[s.Name]
			if ok && old.Network == s.Network && old.Address == s.Address {
				atomic.StoreUint64(c.Liveness(i, k), old.Liveness)
				atomic.StoreUint64(c.Ejection(i, k), old.Ejection)
				atomic.StoreUint64(c.SlowLimit(i, k), old.Slow)
				store(c.StartedAt(i, k), old.Started)
			}
		}
		atomic.AddUint64(c.Epoch(i), 1)
	}
}

// load returns a word; 0: the memory, of another build, does not have it.
func load(word *uint64) uint64 {
	if word == nil {
		return 0
	}
	return atomic.LoadUint64(word)
}

// store sets a word, if the memory has it.
func store(word *uint64, value uint64) {
	if word != nil {
		atomic.StoreUint64(word, value)
	}
}

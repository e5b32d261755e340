// What generations leave to each other, by name: another version may count other things.

package totals

import (
	"maps"
	"slices"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Sums is what some workers have counted, in the form in which one master tells another.
type Sums struct {
	Worker map[string]uint64   `json:"worker"`
	Pools  map[string]PoolSums `json:"pools"`
}

// PoolSums is what they have counted of a pool, by the name of the counter, and of its servers, by their name.
type PoolSums struct {
	Counters map[string]uint64     `json:"counters"`
	Servers  map[string]ServerSums `json:"servers"`
}

// ServerSums is what they have counted of a server, by the name of the counter.
type ServerSums struct {
	Network  string            `json:"network"`
	Address  string            `json:"address"`
	Liveness uint64            `json:"liveness"`           // shard.Liveness; times in it are of CLOCK_MONOTONIC, which both sides see
	Ejection uint64            `json:"ejection,omitempty"` // link.Ejection
	Started  uint64            `json:"started,omitempty"`  // since when it is back, see link.Shared.StartedAt
	Slow     uint64            `json:"slow,omitempty"`     // see link.Shared.SlowLimit
	Counters map[string]uint64 `json:"counters"`

	Latencies Latencies `json:"latencies_us,omitempty"`
}

// Add returns what both have counted. Who is added is the newer one.
func (s *Sums) Add(more *Sums) *Sums {
	if s == nil {
		return more
	}
	if more == nil {
		return s
	}
	both := &Sums{Worker: addCounters(link.WorkerCounters[:], s.Worker, more.Worker), Pools: maps.Clone(s.Pools)}
	if both.Pools == nil {
		both.Pools = map[string]PoolSums{}
	}
	for name, p := range more.Pools {
		both.Pools[name] = both.Pools[name].add(p)
	}
	return both
}

func (p PoolSums) add(more PoolSums) PoolSums {
	both := PoolSums{Counters: addCounters(link.PoolCounters[:], p.Counters, more.Counters), Servers: maps.Clone(p.Servers)}
	if both.Servers == nil {
		both.Servers = map[string]ServerSums{}
	}
	for name, s := range more.Servers {
		old := both.Servers[name]
		s.Counters = addCounters(link.ServerCounters[:], old.Counters, s.Counters)
		if len(old.Latencies) > 0 {
			s.Latencies = maps.Clone(s.Latencies)
			if s.Latencies == nil {
				s.Latencies = Latencies{}
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
		sum[name] = kind.Add(sum[name], n)
	}
	return sum
}

// Only drops the pools and servers that no generation has.
func (s *Sums) Only(generations ...*Counters) *Sums {
	if s == nil {
		return nil
	}
	kept := &Sums{Worker: s.Worker, Pools: map[string]PoolSums{}}
	for _, c := range generations {
		for i := range c.Pools {
			from, has := s.Pools[c.Pools[i].Name]
			if !has {
				continue
			}
			p, has := kept.Pools[c.Pools[i].Name]
			if !has {
				p = PoolSums{Counters: from.Counters, Servers: map[string]ServerSums{}}
				kept.Pools[c.Pools[i].Name] = p
			}
			for _, server := range c.Pools[i].Servers {
				if sums, has := from.Servers[server.Name]; has {
					p.Servers[server.Name] = sums
				}
			}
		}
	}
	return kept
}

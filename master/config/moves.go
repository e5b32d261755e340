// How many keys a reload moves.

package config

import (
	"fmt"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/shard/hash"
)

// Preview is Diff with one line more for each pool of which keys move: how many. It takes a moment for many servers.
func Preview(old, new *Config) []string { return diff(old, new, true) }

// Map returns where the keys of a pool live that is of no cluster.
func (p *Pool) Map() *shard.Map {
	distribution, known := shard.ParseDistribution(p.Distribution)
	function, found := hash.ByName(p.Hash)
	tag, err := shard.ParseHashTag(p.HashTag)
	if !known || !found || err != nil {
		panic(fmt.Sprintf("config: pool %q passed with hash %q, distribution %q, hash tag %q", p.Name, p.Hash, p.Distribution, p.HashTag))
	}
	servers := make([]shard.Server, len(p.Servers))
	for i, s := range p.Servers {
		servers[i] = shard.Server{Name: s.Name, Weight: s.Weight}
	}
	return shard.NewMap(distribution, function, tag, servers)
}

// moves tells which part of a pool's keys is looked for in another place: at another address, or in another database. Keys with a hash
// tag are not looked at.
func (d *differ) moves(subject string, old, new *Pool) {
	random := shard.Random.String()
	if old.IsCluster() || new.IsCluster() || old.Protocol != new.Protocol || old.Distribution == random || new.Distribution == random {
		return
	}
	moved := old.Map().Moved(new.Map(), old.Hash == new.Hash, func(i, j int) bool {
		a, b := &old.Servers[i], &new.Servers[j]
		return a.Network == b.Network && a.Address == b.Address && old.DB == new.DB
	})
	if moved > 0 {
		d.say("%s: %s of its keys are looked for elsewhere", subject, percent(moved))
	}
}

// percent never says none of some, nor all of most.
func percent(part float64) string {
	switch {
	case part < 0.001:
		return "less than 0.1 %"
	case part > 0.999 && part < 1:
		return "more than 99.9 %"
	}
	return fmt.Sprintf("%.1f %%", 100*part)
}

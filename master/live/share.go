// Shares of the ring, which are worked out again when servers are ejected or come back.

package live

import (
	"slices"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/shard/hash"
	"github.com/pinion-proxy/pinion/worker/link"
)

// ring is that of a pool, and for which servers its shares were worked out.
type ring struct {
	generation uint64
	live       []bool
	of         *shard.Map
	shares     []float64
}

// sharesOf returns which part of the keys of a pool each server has.
func (r *Reader) sharesOf(generation uint64, p *link.Pool, live []bool) []float64 {
	known := r.rings[p.Name]
	if known == nil || known.generation != generation {
		known = &ring{generation: generation, of: mapOf(p)}
		r.rings[p.Name] = known
	}
	if known.of == nil {
		return make([]float64, len(live))
	}
	if known.shares == nil || !slices.Equal(known.live, live) {
		known.of.SetLive(live)
		known.live, known.shares = slices.Clone(live), known.of.Shares()
	}
	return known.shares
}

// mapOf returns the ring of a pool; nil: this build does not know what a later one has configured.
func mapOf(p *link.Pool) *shard.Map {
	distribution, known := shard.ParseDistribution(p.Distribution)
	function, found := hash.ByName(p.Hash)
	tag, err := shard.ParseHashTag(p.HashTag)
	if !known || !found || err != nil || len(p.Servers) == 0 {
		return nil
	}
	servers := make([]shard.Server, len(p.Servers))
	for i, s := range p.Servers {
		servers[i] = shard.Server{Name: s.Name, Weight: s.Weight}
	}
	return shard.NewMap(distribution, function, tag, servers)
}

// What old workers find out about servers while the new ones serve already: an ejection must not be forgotten, whoever
// has seen the failure.

package master

import (
	"sync/atomic"

	"github.com/pinion-proxy/pinion/worker/link"
)

// followed is a server that the workers of two generations watch, each by a word of their own.
type followed struct {
	old, new *uint64 // shard.Liveness
	epoch    *uint64 // of its pool, in the new generation
	seen     uint64  // what the old word was when the new one was made equal
}

// follow begins to take over what changes in the old generation. The new one has inherited what was there before.
func (t *target) follow(old *generation) {
	t.followed = nil
	for i := range t.g.pools {
		p := &t.g.pools[i]
		if !p.AutoEjectHosts {
			continue
		}
		for k := range p.Servers {
			word := old.livenessOf(p.Name, &p.Servers[k])
			if word == nil {
				continue
			}
			own := t.g.shared.Liveness(i, k)
			t.followed = append(t.followed, followed{old: word, new: own, epoch: t.g.shared.Epoch(i), seen: atomic.LoadUint64(own)})
		}
	}
}

// livenessOf returns the word of a server; nil if the generation does not have it, or has it elsewhere.
func (g *generation) livenessOf(pool string, server *link.Server) *uint64 {
	for i := range g.pools {
		if g.pools[i].Name != pool {
			continue
		}
		for k, s := range g.pools[i].Servers {
			if s.Name == server.Name && s.Network == server.Network && s.Address == server.Address {
				return g.shared.Liveness(i, k)
			}
		}
	}
	return nil
}

// catchUp takes over what the old workers have found out since, unless the new ones have found out something themselves.
func (t *target) catchUp() {
	for i := range t.followed {
		f := &t.followed[i]
		now := atomic.LoadUint64(f.old)
		if now == f.seen {
			continue
		}
		if atomic.CompareAndSwapUint64(f.new, f.seen, now) {
			atomic.AddUint64(f.epoch, 1)
		}
		f.seen = now
	}
}

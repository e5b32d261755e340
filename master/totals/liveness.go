// What old workers find out about servers while the new ones serve already: an ejection must not be forgotten, whoever
// has seen the failure.

package totals

import (
	"sync/atomic"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Following takes over what the workers of an old generation find out while those of a new one serve.
type Following struct {
	servers []followed
}

// followed is a server that the workers of two generations watch, each by a word of their own.
type followed struct {
	old, new *uint64 // shard.Liveness
	about    []inherited
	epoch    *uint64 // of its pool, in the new generation
	seen     uint64  // what the old word was when the new one was made equal
}

// inherited is a word about a server that goes with its liveness, in the old generation and the new one; nil: the memory does not have it.
type inherited struct{ from, to *uint64 }

// Follow begins with what changes in the old generation from now on. The new one has inherited what was there before.
func Follow(old, next *Counters) (f Following) {
	for i := range next.Pools {
		p := &next.Pools[i]
		if !p.Ejects() {
			continue
		}
		for k := range p.Servers {
			pool, server, ok := old.find(p.Name, &p.Servers[k])
			if !ok {
				continue
			}
			word, own := old.Liveness(pool, server), next.Liveness(i, k)
			f.servers = append(f.servers, followed{
				old: word, new: own, epoch: next.Epoch(i), seen: atomic.LoadUint64(own),
				about: []inherited{
					{old.Ejection(pool, server), next.Ejection(i, k)},
					{old.SlowLimit(pool, server), next.SlowLimit(i, k)},
					{old.StartedAt(pool, server), next.StartedAt(i, k)},
				},
			})
		}
	}
	return f
}

// find returns where a server is in the generation; false if that does not have it, or has it elsewhere.
func (c *Counters) find(pool string, server *link.Server) (i, k int, ok bool) {
	for i := range c.Pools {
		if c.Pools[i].Name != pool {
			continue
		}
		for k, s := range c.Pools[i].Servers {
			if s.Name == server.Name && s.Network == server.Network && s.Address == server.Address {
				return i, k, true
			}
		}
	}
	return 0, 0, false
}

// CatchUp takes over what the old workers have found out since, unless the new ones have found out something themselves.
func (f *Following) CatchUp() {
	for i := range f.servers {
		s := &f.servers[i]
		now := atomic.LoadUint64(s.old)
		if now == s.seen {
			continue
		}
		if atomic.CompareAndSwapUint64(s.new, s.seen, now) {
			for _, about := range s.about {
				store(about.to, load(about.from))
			}
			atomic.AddUint64(s.epoch, 1)
		}
		s.seen = now
	}
}

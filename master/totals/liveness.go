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
	was, is  *uint64 // link.Ejection, of the old and the new
	from, to *uint64 // since when it is back, likewise; nil: the memory does not have it
	epoch    *uint64 // of its pool, in the new generation
	seen     uint64  // what the old word was when the new one was made equal
}

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
				old: word, new: own, was: old.Ejection(pool, server), is: next.Ejection(i, k), from: old.StartedAt(pool, server), to: next.StartedAt(i, k),
				epoch: next.Epoch(i), seen: atomic.LoadUint64(own),
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
			atomic.StoreUint64(s.is, atomic.LoadUint64(s.was))
			store(s.to, load(s.from))
			atomic.AddUint64(s.epoch, 1)
		}
		s.seen = now
	}
}

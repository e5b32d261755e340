// Ejections while two generations serve.

package master

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

// What an old worker finds out about a server after the new ones have begun to serve is known to them, unless they have
// found out something themselves.
func TestEjectionWhileClientsMove(t *testing.T) {
	const live, ejected, probing = 0, 1<<48 + 7000, 2<<48 + 9000
	f := newMachine()
	m := newMaster(f.opts, f.world(), f)
	old, next := named(t, f, 1, "x", "y", "gone"), named(t, f, 2, "y", "x", "fresh")
	old.pools[0].AutoEjectHosts, next.pools[0].AutoEjectHosts = true, true
	word := func(g *generation, name string) *uint64 {
		for i, s := range g.pools[0].Servers {
			if s.Name == name {
				return g.counters.Liveness(0, i)
			}
		}
		t.Fatal("no server " + name)
		return nil
	}
	for _, s := range next.slots {
		s.state = slotVacant
	}
	side := &newSide{m: m, g: next}
	m.newSide = side
	next.counters.InheritLiveness(old.counters.Sum(false))
	side.liveness = totals.Follow(old.counters, next.counters)
	epoch := *next.counters.Epoch(0)

	atomic.StoreUint64(word(old, "x"), ejected)
	atomic.StoreUint64(word(old, "gone"), ejected)
	side.liveness.CatchUp()
	if got := *word(next, "x"); got != ejected || *next.counters.Epoch(0) != epoch+1 {
		t.Errorf("x is %#x in epoch %d, want %#x in %d", got, *next.counters.Epoch(0), ejected, epoch+1)
	}
	if got := *word(next, "fresh"); got != live {
		t.Errorf("fresh is %#x", got)
	}
	// One that is back, and starts slowly, does so in the new generation.
	back := func(g *generation, name string) *uint64 {
		k := slices.IndexFunc(g.pools[0].Servers, func(s link.Server) bool { return s.Name == name })
		return g.counters.StartedAt(0, k)
	}
	slow := func(g *generation, name string) *uint64 {
		k := slices.IndexFunc(g.pools[0].Servers, func(s link.Server) bool { return s.Name == name })
		return g.counters.SlowLimit(0, k)
	}
	atomic.StoreUint64(back(old, "x"), 12345)
	atomic.StoreUint64(slow(old, "x"), 67)
	atomic.StoreUint64(word(old, "x"), live)
	side.liveness.CatchUp()
	if got := *back(next, "x"); got != 12345 || *word(next, "x") != live {
		t.Errorf("x is back since %d, and its word is %#x", got, *word(next, "x"))
	}
	third := named(t, f, 1, "x", "y")
	third.pools[0].AutoEjectHosts = true
	third.counters.InheritLiveness(next.counters.Sum(false))
	if got := *back(third, "x"); got != 12345 {
		t.Errorf("after another reload x is back since %d", got)
	}
	if got, again := *slow(next, "x"), *slow(third, "x"); got != 67 || again != 67 {
		t.Errorf("x may take %d, after another reload %d", got, again)
	}

	atomic.StoreUint64(word(next, "x"), probing)
	atomic.StoreUint64(word(old, "x"), live)
	side.keepClients()
	if got := *word(next, "x"); got != probing {
		t.Errorf("x is %#x, although the new workers have found out more", got)
	}
	atomic.StoreUint64(word(old, "y"), ejected)
	side.keepClients()
	if got := *word(next, "y"); got != ejected {
		t.Errorf("y is %#x when the new generation is established", got)
	}
}

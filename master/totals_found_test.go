// Where servers were found is told from generation to generation.

package master

import (
	"maps"
	"net/netip"
	"testing"

	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

func TestFoundIsInherited(t *testing.T) {
	f := newMachine()
	m := newMaster(f.opts, f.world(), f)
	older, old, next := named(t, f, 1, "x", "y", "z"), named(t, f, 2, "x", "y"), named(t, f, 3, "fresh", "y", "x", "path")
	at := func(g *generation, name string) (i int) {
		for i, s := range g.pools[0].Servers {
			if s.Name == name {
				return i
			}
		}
		t.Fatal("no server " + name)
		return -1
	}
	for _, g := range []*generation{older, old, next} {
		for i := range g.pools[0].Servers {
			s := &g.pools[0].Servers[i]
			s.Network, s.Address = "tcp", s.Name+".test:6379"
		}
	}
	path := &next.pools[0].Servers[at(next, "path")]
	*path = link.Server{Name: path.Name, Network: "unix", Address: "/run/x.sock"}
	find := func(g *generation, name, address string, when uint64) {
		g.counters.SetFound(0, 0, at(g, name), netip.MustParseAddr(address), when)
	}
	find(older, "x", "10.0.0.1", 50) // by a straggler's worker, after the others
	find(old, "x", "10.0.0.2", 40)
	find(old, "y", "10.0.0.3", 40)
	m.generations.retired, m.generations.serving = []*generation{older}, old

	said := totals.Addresses{"fresh.test": netip.MustParseAddr("2001:db8::1"), "y.test": netip.MustParseAddr("10.0.0.9")}
	found := totals.Found(m.counted().All, said)
	if want := (totals.Addresses{"x.test": netip.MustParseAddr("10.0.0.1"), "y.test": netip.MustParseAddr("10.0.0.3"),
		"fresh.test": said["fresh.test"]}); !maps.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
	next.counters.InheritFound(found)
	for name, want := range map[string]string{"x": "10.0.0.1", "y": "10.0.0.3", "fresh": "2001:db8::1", "path": "invalid IP"} {
		if addr, _ := next.counters.Found(0, at(next, name)); addr.String() != want {
			t.Errorf("%s is at %s, want %s", name, addr, want)
		}
	}
	m.generations.retired, m.generations.serving = nil, next // what it was told it tells on
	if got := totals.Found(m.counted().All, nil); !maps.Equal(got, found) {
		t.Errorf("found %v, want %v", got, found)
	}
}

// What generations leave to each other: nothing is lost, and nothing is counted twice.

package master

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

// named makes a generation of one pool with these servers.
func named(t *testing.T, f *machine, slots int, servers ...string) *generation {
	t.Helper()
	text := "memory_limit 0\npool a\nlisten 127.0.0.1:22121\n"
	for _, name := range servers {
		text += "backend " + name + " 127.0.0.1:6379\n"
	}
	cfg, err := config.Parse("pinion.conf", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	g := newGeneration(1, cfg, Options{}, make([]int, slots), 0)
	if err := g.share(f.world()); err != nil {
		t.Fatal(err)
	}
	for _, s := range g.slots {
		s.state = slotServing
	}
	return g
}

// requested returns the requests of each server in a generation's view.
func requested(g *generation) map[string]uint64 {
	all := map[string]uint64{}
	for i, s := range g.pools[0].Servers {
		all[s.Name] = g.counters.SumServer(0, i, link.Requests)
	}
	return all
}

// summed returns what is told to who asks.
func summed(m *master) totals.Summary {
	m.refresh()
	return totals.NewSummary(m.generations.serving.counters, m.world.now(), time.Second)
}

func vacate(g *generation) {
	for _, s := range g.slots {
		g.counters.ZeroGauges(s.index)
		s.state = slotVacant
	}
}

// Generations have different servers and different numbers of workers, and end in any order.
func TestCountsGoByName(t *testing.T) {
	f := newMachine()
	m := newMaster(f.opts, f.world(), f)
	first, second, third := named(t, f, 3, "x", "y"), named(t, f, 1, "y", "z", "x"), named(t, f, 2, "z")
	count := func(g *generation, slot int, name string, n uint64) {
		server := slices.IndexFunc(g.pools[0].Servers, func(s link.Server) bool { return s.Name == name })
		*g.counters.Server(slot, 0, server)[link.Requests] += n
		*g.counters.Server(slot, 0, server)[link.ServerConnections] = 1
		*g.counters.Server(slot, 0, server)[link.ServerEjectedAt] = n
	}
	want := func(g *generation, servers map[string]uint64) {
		t.Helper()
		m.refresh()
		if got := requested(g); !maps.Equal(got, servers) {
			t.Errorf("got %v, want %v", got, servers)
		}
	}
	m.generations.serving = first
	count(first, 2, "x", 1)
	count(first, 0, "y", 10)
	m.generations.coming = second
	count(second, 0, "y", 100)
	count(second, 0, "z", 1000)
	want(first, map[string]uint64{"x": 1, "y": 110})
	m.generations.retired, m.generations.serving, m.generations.coming = []*generation{first}, second, nil
	want(second, map[string]uint64{"x": 1, "y": 110, "z": 1000})
	count(first, 1, "y", 20)
	m.generations.retired, m.generations.serving = []*generation{first, second}, third
	count(third, 1, "z", 2000)
	want(third, map[string]uint64{"z": 3000})
	if n := third.counters.SumServer(0, 0, link.ServerConnections); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	vacate(second)
	m.forgetRetired()
	want(third, map[string]uint64{"z": 3000})
	if n := third.counters.SumServer(0, 0, link.ServerConnections); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if n := third.counters.SumServer(0, 0, link.ServerEjectedAt); n != 2000 {
		t.Errorf("last ejected at %d, want 2000", n)
	}
	fourth := named(t, f, 1, "y", "z")
	m.generations.coming = fourth
	m.updateInherited()
	m.generations.retired, m.generations.serving, m.generations.coming = append(m.generations.retired, third), fourth, nil
	vacate(first)
	vacate(third)
	m.forgetRetired()
	want(fourth, map[string]uint64{"y": 130, "z": 3000}) // y was there as long as the first generation
	if past := m.totals.Past.Pools["a"].Servers; len(past) != 2 {
		t.Errorf("what nobody has any more is kept: %v", past)
	}
	if len(m.counted().All) != 1 {
		t.Errorf("%d generations count", len(m.counted().All))
	}
}

// A master of an older build reads what generations before have counted where each generation inherits it, one from the
// other.
func TestOlderBuildReadsOn(t *testing.T) {
	f := newMachine()
	m := newMaster(f.opts, f.world(), f)
	gone, first, second, third := named(t, f, 1, "x"), named(t, f, 1, "x"), named(t, f, 2, "x"), named(t, f, 1, "x")
	for i, g := range []*generation{gone, first, second, third} {
		*g.counters.Server(0, 0, 0)[link.Requests] = []uint64{1, 10, 100, 1000}[i]
	}
	vacate(gone)
	m.generations.serving, m.generations.retired = third, []*generation{gone, first, second}
	m.forgetRetired()
	var said []message
	o := &oldSide{m: m, other: hearing(func(msg message) { said = append(said, msg) })}
	o.tellGenerations()
	if len(said) != 3 || said[0].Slots != 1 || said[1].Slots != 2 {
		t.Fatalf("got %+v", said)
	}
	for i, g := range []*generation{first, second, third} {
		if n, want := requested(g)["x"], []uint64{11, 111, 1111}[i]; n != want {
			t.Errorf("generation %d and those before it have %d requests, want %d", i, n, want)
		}
	}
}

// A server to which only workers of another generation are connected is not one that this generation reaches.
func TestOthersConnectionsAreNotOwn(t *testing.T) {
	f := newMachine()
	m := newMaster(f.opts, f.world(), f)
	m.generations.serving, m.generations.coming = named(t, f, 2, "x"), named(t, f, 1, "x")
	*m.generations.coming.counters.Server(0, 0, 0)[link.ServerConnections] = 3
	m.updateInherited()
	if n := summed(m).Servers; n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
	if m.generations.serving.connected(0, 0) {
		t.Error("it counts as connected")
	}
	*m.generations.serving.counters.Server(1, 0, 0)[link.ServerConnections] = 1
	if !m.generations.serving.connected(0, 0) {
		t.Error("its own connection does not count")
	}
}

// What the new master's workers have counted it knows itself: it is not among what it is told.
func TestHeirIsToldOfOthersOnly(t *testing.T) {
	f := newMachine()
	m := newMaster(f.opts, f.world(), f)
	gone := named(t, f, 1, "x")
	vacate(gone)
	m.generations.serving, m.generations.ofNewMaster = named(t, f, 2, "x"), named(t, f, 1, "x")
	m.generations.retired = []*generation{gone, named(t, f, 1, "x")}
	for i, g := range []*generation{gone, m.generations.retired[1], m.generations.serving, m.generations.ofNewMaster} {
		*g.counters.Server(0, 0, 0)[link.Requests] = []uint64{1, 10, 100, 1000}[i]
	}
	m.forgetRetired()
	if n := summed(m).Requests; n != 1111 {
		t.Errorf("%d requests are told to who asks, want 1111", n)
	}
	msg := (&oldSide{m: m, link: &masterLink{}}).goAhead()
	if n := msg.Legacy.Pools["a"].Servers["x"].Counters["requests"]; n != 111 {
		t.Errorf("%d requests in all are told, want 111", n)
	}
	if n := msg.Past.Pools["a"].Servers["x"].Counters["requests"]; n != 1 {
		t.Errorf("%d requests of those that are gone are told, want 1", n)
	}
}

// hearing is a counterpart that is a function.
type hearing func(message)

func (h hearing) send(msg message) { h(msg) }

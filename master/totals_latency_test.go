// What a generation leaves to the next of its latencies, and what of it is told.

package master

import (
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

// alpha is the index of that pool.
const alpha = 1

func tookSo(g *generation, slot int, latency time.Duration, replies uint64) {
	g.counters.Latency(slot, alpha, 1)[link.LatencyBucket(int64(latency))] += replies
}

func latenciesIn(g *generation) totals.Latencies {
	return g.counters.LatencyTotals(alpha, 1, link.SlotRange{First: 0, End: len(g.slots) + 1})
}

// master0 is a master that has started nothing.
func master0() *master {
	f := newMachine()
	return newMaster(f.opts, f.world(), f)
}

// end has a generation be gone: it has no workers.
func end(m *master, g *generation) {
	m.generations.retired = append(m.generations.retired, g)
	m.forgetRetired()
}

// The next generation, and the one behind it, know what all before them have measured, also what comes later.
func TestLatenciesCarryOver(t *testing.T) {
	first, second, third := statsGeneration(t, 2), statsGeneration(t, 1), statsGeneration(t, 3)
	m := master0()
	tookSo(first, 0, 100*time.Microsecond, 7)
	tookSo(first, 1, 100*time.Microsecond, 3)
	pool := first.pools[alpha]
	if idle := first.counters.Sum(false).Pools[pool.Name].Servers[pool.Servers[0].Name]; len(idle.Latencies) != 0 {
		t.Errorf("a server without replies leaves %v", idle.Latencies)
	}
	m.generations.serving = second
	end(m, first)
	tookSo(second, 0, 3*time.Second, 5)
	m.generations.serving, m.generations.retired = third, []*generation{second}
	tookSo(second, 0, time.Hour, 1)
	m.refresh()
	tookSo(third, 2, 100*time.Microsecond, 1)
	want := totals.Latencies{"104": 11, "3145728": 5, "134217728": 1}
	if got := latenciesIn(third); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What the workers of a generation have measured that did not come to serve is not lost.
func TestLatenciesAreAbsorbed(t *testing.T) {
	g, failed := statsGeneration(t, 1), statsGeneration(t, 1)
	m := master0()
	m.generations.serving, m.generations.coming = g, failed
	tookSo(g, 0, time.Millisecond, 2)
	m.totals.Past = &totals.Sums{Pools: map[string]totals.PoolSums{g.pools[alpha].Name: {Servers: map[string]totals.ServerSums{
		g.pools[alpha].Servers[1].Name: {Latencies: totals.Latencies{"1024": 4}},
	}}}}
	tookSo(failed, 0, time.Millisecond, 8)
	m.updateInherited()
	m.generations.coming = nil
	end(m, failed)
	if got, want := latenciesIn(g), (totals.Latencies{"1024": 14}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPoolStatus(t *testing.T) {
	g := statsGeneration(t, 2)
	for slot := range 2 {
		tookSo(g, slot, 100*time.Microsecond, 490)
		tookSo(g, slot, 20*time.Millisecond, 10)
		*g.counters.Server(slot, alpha, 1)[link.Requests] = 501
		*g.counters.Server(slot, alpha, 1)[link.ServerConnections] = 2
		*g.counters.Server(slot, alpha, 1)[link.ServerEOF] = 3
		*g.counters.Server(slot, alpha, 1)[link.ServerErr] = 4
		*g.counters.Server(slot, alpha, 1)[link.ServerTimedout] = 5
		*g.counters.Pool(slot, alpha)[link.ClientConnections] = 3
	}
	p := g.poolStatus()[alpha]
	pool := g.pools[alpha]
	want := admin.ServerStatus{
		Name: pool.Servers[1].Name, Address: pool.Servers[1].Address, State: "live",
		Connections: 4, Requests: 1002, EOF: 6, Errors: 8, Timeouts: 10,
		P50US: 104, P99US: 20480, P999US: 20480,
	}
	if got := p.Servers[1]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if p.Clients != 6 || p.Name != pool.Name || p.Listen != g.config.Pools[alpha].Listen.Text {
		t.Errorf("the pool: %+v", p)
	}
	if idle := p.Servers[0]; idle.P50US != 0 || idle.P999US != 0 || idle.Requests != 0 {
		t.Errorf("an idle server: %+v", idle)
	}
}

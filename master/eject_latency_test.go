// Servers that are slower than the others: who notices, what is written, and what is counted.

package master

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

// slowPool is a generation that serves, of three servers of which the last is slow.
func slowPool(t *testing.T) (f *machine, m *master, g *generation, second func()) {
	f = newMachine()
	m = newMaster(f.opts, f.world(), f)
	g = named(t, f, 2, "x", "y", "z")
	p := &g.pools[0]
	p.AutoEjectHosts, p.EjectLatency, p.EjectLatencyFloor = true, 10, 10*time.Millisecond
	p.ServerRetryTimeout, p.ServerRetryMax = 30*time.Second, 5*time.Minute
	m.generations.serving = g
	return f, m, g, func() {
		f.clock = f.clock.Add(time.Second)
		for k, took := range []time.Duration{time.Millisecond, 2 * time.Millisecond, 100 * time.Millisecond} {
			for slot := range 2 {
				g.counters.Latency(slot, 0, k)[link.LatencyBucket(int64(took))] += 10
			}
		}
		m.ejectSlow()
	}
}

func TestEjectSlow(t *testing.T) {
	f, m, g, second := slowPool(t)
	word, about := g.counters.Liveness(0, 2), g.counters.Ejection(0, 2)
	state := func() shard.State { return shard.Liveness(atomic.LoadUint64(word)).State() }
	epoch := *g.counters.Epoch(0)
	for range 3 {
		second()
		if state() != shard.Live {
			t.Fatal("ejected too early")
		}
	}
	second()
	e := link.Ejection(*about)
	if state() != shard.Ejected || e.Why() != link.TroubleSlow || e.Probes() != 0 || e.Since() != f.clock.UnixMilli() || *g.counters.Epoch(0) != epoch+1 {
		t.Errorf("%v: %v, %d probes, since %d, in epoch %d", state(), e.Why(), e.Probes(), e.Since(), *g.counters.Epoch(0))
	}
	if limit := time.Duration(*g.counters.SlowLimit(0, 2)); limit < 20*time.Millisecond || limit > 23*time.Millisecond {
		t.Errorf("a probe may take %v", limit)
	}
	if n, at := g.counters.SumPool(0, link.ServerEjects), g.counters.SumServer(0, 2, link.ServerEjectedAt); n != 1 || at != uint64(f.clock.UnixMicro()) {
		t.Errorf("%d ejections, the last at %d", n, at)
	}
	if !strings.Contains(f.log.String(), `server "z" ejected for `) {
		t.Errorf("the log says\n%s", f.log.String())
	}
	m.updateInherited()
	if n := m.total().Pools["a"].Counters["server_ejects"]; n != 1 {
		t.Errorf("%d ejections are told to the next master", n)
	}

	// A probe succeeds, and nothing is better: it is left alone for longer, as after a probe that has failed.
	for again := 1; again < 3; again++ {
		atomic.StoreUint64(word, 0)
		for range 3 {
			second()
		}
		second()
		if e = link.Ejection(*about); state() != shard.Ejected || e.Probes() != again {
			t.Errorf("again: %v, %d probes", state(), e.Probes())
		}
	}

	// Long after it is as good as new.
	atomic.StoreUint64(word, 0)
	f.clock = f.clock.Add(time.Hour)
	for range 4 {
		second()
	}
	if e = link.Ejection(*about); state() != shard.Ejected || e.Probes() != 0 {
		t.Errorf("long after: %v, %d probes", state(), e.Probes())
	}
}

// A server that a worker ejects or probes meanwhile is the worker's business, and so is one of a pool without the option.
func TestEjectSlowNot(t *testing.T) {
	_, _, g, second := slowPool(t)
	word := g.counters.Liveness(0, 2)
	const probing = 2<<48 + 9000
	for range 10 {
		atomic.StoreUint64(word, probing)
		second()
		if *word != probing {
			t.Fatalf("the word of a server that is probed is %#x", *word)
		}
	}
	for _, off := range []func(p *link.Pool){
		func(p *link.Pool) { p.EjectLatency = 0 },
		func(p *link.Pool) { p.AutoEjectHosts = false },
	} {
		_, _, g, second = slowPool(t)
		off(&g.pools[0])
		for range 10 {
			second()
		}
		if word := *g.counters.Liveness(0, 2); word != 0 {
			t.Errorf("without the option the word is %#x", word)
		}
	}
}

package totals

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

func countersFor(t *testing.T, slots int, servers ...string) *Counters {
	t.Helper()
	pool := link.Pool{Name: "alpha"}
	for _, s := range servers {
		pool.Servers = append(pool.Servers, link.Server{Name: s, Network: "tcp", Address: s, Weight: 1})
	}
	pools := []link.Pool{{Name: "other"}, pool}
	n := link.ServerCounts(pools)
	shared, err := link.OpenShared(make([]byte, link.SharedBytes(n, slots)), n, slots)
	if err != nil {
		t.Fatal(err)
	}
	return &Counters{Shared: shared, Pools: pools, Listens: []string{"tcp a", "tcp b"}}
}

// What a reader beside the loop adds up is what the loop does, and never goes backwards: over a reload with stragglers, the
// death of workers, the end of a generation, and from one master to the next.
func TestWholeNeverGoesBackwards(t *testing.T) {
	const server, requests = "10.0.0.1:6379", link.Requests
	var master Totals
	old := countersFor(t, 2, server, "gone")
	next := countersFor(t, 1, "new", server)
	generations := Generations{All: []*Counters{old}, Accepting: []*Counters{old}}
	serving, index := old, 0
	last := uint64(0)
	check := func(when string, want uint64) {
		t.Helper()
		w := master.Whole(serving, generations)
		w.Locate()
		var got Server
		w.ReadServer(1, index, &got)
		latencies := uint64(0)
		for _, n := range got.Latencies {
			latencies += n
		}
		if got.Counters[requests] != want || latencies != want || w.Worker(link.TotalConnections) != want || w.Pool(1, link.Fragments) != want {
			t.Errorf("%s: got %d requests, %d latencies, %d connections, %d fragments; want %d of each", when, got.Counters[requests], latencies,
				w.Worker(link.TotalConnections), w.Pool(1, link.Fragments), want)
		}
		master.Restate(generations, time.Time{})
		if n := serving.SumServer(1, index, requests); n != want {
			t.Errorf("%s: the loop has %d", when, n)
		}
		if want < last {
			t.Errorf("%s: %d after %d", when, want, last)
		}
		last = want
	}
	count := func(c *Counters, slot, server int, n uint64) {
		*c.Server(slot, 1, server)[requests] += n
		*c.Server(slot, 1, server)[link.OutQueue] += n
		c.Latency(slot, 1, server)[7] += n
		*c.Worker(slot)[link.TotalConnections] += n
		*c.Pool(slot, 1)[link.Fragments] += n
	}
	count(old, 0, 0, 5)
	count(old, 1, 0, 2)
	check("at first", 7)
	old.ZeroGauges(1)
	check("after the death of a worker", 7)

	generations = Generations{All: []*Counters{old, next}, Accepting: []*Counters{next}}
	serving, index = next, 1
	check("when the next generation serves", 7)
	count(next, 0, 1, 3)
	count(old, 0, 0, 1) // a straggler
	check("with stragglers", 11)

	master.Forget(old)
	generations.All = []*Counters{next}
	check("when the old generation is gone", 11)

	text, err := json.Marshal(master.Others(generations, false))
	if err != nil {
		t.Fatal(err)
	}
	var told Sums
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatal(err)
	}
	successor := Totals{Past: &told}
	master, serving, index = successor, countersFor(t, 1, server), 0
	generations = Generations{All: []*Counters{serving}, Accepting: []*Counters{serving}}
	check("in the next master", 11)
	count(serving, 0, 0, 1)
	check("which goes on", 12)
}

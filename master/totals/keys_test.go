package totals

import (
	"encoding/json"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sketch"
)

// Keys outlive the generations that have counted them, and are forgotten as those of workers are.
func TestKeysOutliveGenerations(t *testing.T) {
	const minute = int64(link.KeysHalveEvery)
	var master Totals
	now := 100 * minute
	add := func(c *Counters, key string, n uint64) {
		*c.KeysHalvedAt(0, 1) = uint64(now)
		c.Shared.Keys(link.ByRequests, 0, 1).Add([]byte(key), sketch.Hash([]byte(key)), n, 1)
	}
	serving := countersFor(t, 2, "a")
	count := func(key string) uint64 {
		w := master.Whole(serving, Generations{All: []*Counters{serving}})
		w.Locate()
		for _, k := range w.Keys(link.ByRequests, "alpha", 10, now) {
			if k.Key == key {
				return k.Count
			}
		}
		return 0
	}
	add(serving, "hot", 1000)
	for range 3 { // three reloads
		old := serving
		serving = countersFor(t, 2, "a")
		master.keepKeys(old, now)
		add(serving, "hot", 100)
		add(serving, "new", 5)
	}
	if got := count("hot"); got != 1300 {
		t.Errorf("%d are told of what was asked for 1300 times", got)
	}
	text, err := json.Marshal(master.Kept())
	if err != nil {
		t.Fatal(err)
	}
	var told Kept
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatal(err)
	}
	master = Totals{} // that of the next master
	if master.Keep(nil); count("hot") != 100 {
		t.Errorf("a master that was told nothing tells %d", count("hot"))
	}
	if master.Keep(&told); count("hot") != 1300 {
		t.Errorf("the next master tells %d", count("hot"))
	}
	if got := count("new"); got != 15 {
		t.Errorf("%d are told of what was asked for 15 times", got)
	}
	now += minute
	if got := count("hot"); got != 650 {
		t.Errorf("after a minute: %d", got)
	}
	now += 70 * minute
	master.keepKeys(serving, now)
	if got := count("hot"); got != 0 || len(master.keys) != 0 {
		t.Errorf("after an hour: %d, and %d sketches are kept", got, len(master.keys))
	}
}

package master

import (
	"maps"
	"slices"
	"testing"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/metrics"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

// A new master goes on from what the old one has counted last, and keeps what it has counted itself meanwhile.
func TestTallyOfOldMaster(t *testing.T) {
	n := &newSide{m: &master{tally: tally{}}}
	n.takeTally(tally{metrics.Deaths: 2, "what a later build counts": 5})
	n.m.tally[metrics.Deaths]++ // one of its own workers
	told := tally{metrics.Deaths: 3, "what a later build counts": 5}
	n.takeTally(told)
	n.takeTally(told) // it is asked again when clients were lost
	n.m.tally.countHandoff(&admin.HandoffStatus{Kind: kindUpgrade, Outcome: admin.HandoffDone, Moved: 7, Lost: 1})
	n.m.tally.countHandoff(&admin.HandoffStatus{Kind: kindReload, Outcome: admin.HandoffFailed, Moved: 7})
	want := tally{metrics.Deaths: 4, "what a later build counts": 5, metrics.UpgradesDone: 1, metrics.ReloadsFailed: 1, metrics.Moved: 7, metrics.Lost: 1,
		metrics.Stragglers: 0, metrics.Closed: 0, metrics.MovedBytes: 0}
	if !maps.Equal(n.m.tally, want) {
		t.Errorf("got %v, want %v", n.m.tally, want)
	}
}

// What a master has counted is in the memory of the generation that serves, where the next one finds it if it was killed.
func TestTallyOfKilledMaster(t *testing.T) {
	shared, err := link.OpenShared(make([]byte, link.SharedBytes([]int{1}, 2)), []int{1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	g := &generation{counters: &totals.Counters{Shared: shared, Pools: []link.Pool{{Name: "alpha", Servers: make([]link.Server, 1)}}}}
	killed := &master{tally: tally{}}
	killed.keepTally() // nothing serves yet
	killed.generations.serving = g
	want := tally{}
	for i, name := range link.MasterCounters {
		want[name], killed.tally[name] = uint64(i+1), uint64(i+1)
	}
	killed.keepTally()
	next := &master{tally: tally{}}
	next.reviveTally(g)
	next.reviveTally(g) // and those beside it
	if !maps.Equal(next.tally, want) {
		t.Errorf("got %v, want %v", next.tally, want)
	}
	if n := g.counters.SumWorker(link.TotalConnections); n != 0 {
		t.Errorf("it counts as %d connections", n)
	}
}

// Each of what metrics show of it has a word.
func TestTallyIsKeptWhole(t *testing.T) {
	for _, name := range []string{metrics.ReloadsDone, metrics.ReloadsFailed, metrics.UpgradesDone, metrics.UpgradesFailed, metrics.Moved, metrics.Stragglers, metrics.Closed,
		metrics.Lost, metrics.MovedBytes, metrics.Deaths} {
		if !slices.Contains(link.MasterCounters, name) {
			t.Errorf("%q is forgotten when a master is killed", name)
		}
	}
}

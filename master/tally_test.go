package master

import (
	"maps"
	"testing"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/metrics"
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

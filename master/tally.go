// What the master counts itself, beside its workers: reloads, upgrades, deaths. Its successor goes on counting.

package master

import (
	"sync/atomic"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/metrics"
	"github.com/pinion-proxy/pinion/worker/link"
)

// tally is counts by their names, see package metrics. Masters of different builds pass it on; names that one does not know stay.
type tally map[string]uint64

// keepTally stores it where the next master finds it if this one is killed.
func (m *master) keepTally() {
	g := m.generations.serving
	if g == nil || g.counters == nil {
		return
	}
	for _, name := range link.MasterCounters {
		if word := g.counters.Tally(name); word != nil {
			atomic.StoreUint64(word, m.tally[name])
		}
	}
}

// reviveTally goes on from what a master that was killed has stored in a generation that it has left.
func (m *master) reviveTally(g *generation) {
	for _, name := range link.MasterCounters {
		if word := g.counters.Tally(name); word != nil {
			m.tally[name] = max(m.tally[name], atomic.LoadUint64(word))
		}
	}
}

// countHandoff counts a reload or an upgrade that has ended.
func (t tally) countHandoff(h *admin.HandoffStatus) {
	name := map[[2]string]string{
		{kindReload, admin.HandoffDone}: metrics.ReloadsDone, {kindReload, admin.HandoffFailed}: metrics.ReloadsFailed,
		{kindUpgrade, admin.HandoffDone}: metrics.UpgradesDone, {kindUpgrade, admin.HandoffFailed}: metrics.UpgradesFailed,
	}[[2]string{h.Kind, h.Outcome}]
	t[name]++
	t[metrics.Lost] += uint64(h.Lost)
	if h.Outcome == admin.HandoffDone {
		t[metrics.Moved] += uint64(h.Moved)
		t[metrics.Stragglers] += uint64(h.Stragglers)
		t[metrics.Closed] += uint64(h.Closed)
		t[metrics.MovedBytes] += uint64(h.Bytes)
	}
}

// takeTally adds what the old master has counted since it last told.
func (n *newSide) takeTally(told tally) {
	for name, count := range told {
		n.m.tally[name] += count - min(count, n.tallied[name])
	}
	n.tallied = told
}

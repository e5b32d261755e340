// The slow log, as operators reset it. It is read beside the loop.

package master

import (
	"slices"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
)

// resetSlowLog forgets the slow requests of a pool; without a name, those of all pools.
func (m *master) resetSlowLog(pool string) admin.Outcome {
	pools := m.poolNames()
	if pool != "" && !slices.Contains(pools, pool) {
		return admin.Outcome{Error: m.noPool(pool), Failure: admin.FailureUnknown}
	}
	if pool != "" {
		pools = []string{pool}
	}
	m.totals.ResetSlow(pools, m.world.now())
	m.log.Event(logfile.SlowLogReset)
	return admin.Outcome{Lines: []string{"the slow log is empty"}}
}

// poolNames are those of the pools of all generations.
func (m *master) poolNames() (names []string) {
	for _, g := range m.countedGenerations() {
		for i := range g.pools {
			if name := g.pools[i].Name; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// noPool is the error about a name of a pool that there is not.
func (m *master) noPool(name string) string { return admin.NoPool(name, m.poolNames()) }

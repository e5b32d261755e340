// The slow log, as operators reset it. It is read beside the loop.

package master

import (
	"fmt"
	"slices"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
)

// resetSlowLog forgets the slow requests of a pool; without a name, those of all pools.
func (m *master) resetSlowLog(pool string) admin.Outcome {
	var pools []string
	for _, g := range m.countedGenerations() {
		for i := range g.pools {
			if pool == "" || g.pools[i].Name == pool {
				pools = append(pools, g.pools[i].Name)
			}
		}
	}
	if pool != "" && !slices.Contains(pools, pool) {
		return admin.Outcome{Error: fmt.Sprintf("there is no pool %q", pool), Failure: admin.FailureUnknown}
	}
	m.totals.ResetSlow(pools, m.world.now())
	m.log.Printf(logfile.Notice, "the slow log was reset through the admin socket")
	return admin.Outcome{Lines: []string{"the slow log is empty"}}
}

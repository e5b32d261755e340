// Replicas that are read from: each generation has them judged in its own memory, for as long as that is there.

package master

import (
	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/replica"
	"github.com/pinion-proxy/pinion/worker/link"
)

// watchReplicas begins to look at the replicas of a generation's pools that read from any, unless it has begun. From then on the
// workers may read from those that are fit.
func (m *master) watchReplicas(g *generation) {
	if g.counters == nil || g.replicas != nil {
		return
	}
	g.replicas = map[string]replica.Watching{}
	for i := range g.pools {
		p, t := &g.pools[i], g.topology.Pool(g.pools[i].Name)
		if t != nil && p.ReadsReplicas() {
			g.replicas[p.Name] = m.world.watchReplicas(p, i, t.Servers, g.counters.Shared)
		}
	}
}

// relocateReplicas has the replicas of a pool be looked at where they are now.
func (g *generation) relocateReplicas(p *link.PoolTopology) {
	if w, ok := g.replicas[p.Pool]; ok {
		w.Locate(p.Servers)
	}
}

// replicaStatus returns what was last found of the replicas of a server of a pool.
func (g *generation) replicaStatus(pool int, server string) (all []admin.ReplicaStatus) {
	t := g.topology.Pool(g.pools[pool].Name)
	for _, r := range g.counters.Replicas(pool, t, t.Server(server)) {
		all = append(all, admin.ReplicaStatus{Address: r.Address, Zone: r.Zone, State: r.State.String(), LagMS: r.Lag})
	}
	return all
}

// unwatchReplicas ends it, before the memory goes.
func (g *generation) unwatchReplicas() {
	for _, w := range g.replicas {
		w.Stop()
	}
	g.replicas = nil
}

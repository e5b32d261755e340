// Replicas that are read from: each generation has them judged in its own memory, for as long as that is there.

package master

import (
	"slices"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
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
			g.replicas[p.Name] = m.world.watchReplicas(p, i, t.Servers, g.counters.Shared, replica.Reports{
				InZone: func(address, zone string) {
					m.world.report(event{then: func() { m.serverInZone(g, p.Name, address, zone) }})
				},
				Changed: func(address string, state link.ReplicaState) {
					m.world.report(event{then: func() { m.replicaChanged(g, p.Name, address, state) }})
				},
			})
		}
	}
}

// replicaChanged is called when a replica of a pool has had another state for a while. Earlier generations look at theirs, too, and say nothing.
func (m *master) replicaChanged(g *generation, pool, address string, state link.ReplicaState) {
	switch s := m.generations.serving; {
	case s != nil && g.number < s.number:
	case state == link.ReplicaFit:
		m.log.Event(logfile.ReplicaFit, pool, address)
	default:
		m.log.Event(logfile.ReplicaUnfit, pool, address, state)
	}
}

// serverInZone is called when a server of a pool has said where it is. It is the topology that tells the workers; of a pool whose servers are
// where they are configured, the configuration says that, too.
func (m *master) serverInZone(g *generation, pool, address, zone string) {
	t := g.topology.Pool(pool)
	if t == nil || !t.Discovers {
		return
	}
	servers, news := slices.Clone(t.Servers), false
	for i := range servers {
		s := &servers[i]
		s.Endpoints = slices.Clone(s.Endpoints)
		for k := range s.Endpoints {
			if e := &s.Endpoints[k]; e.Address == address && e.Zone != zone {
				e.Zone, news = zone, true
			}
		}
	}
	if news {
		m.relocate(g, link.PoolTopology{Pool: pool, Version: t.Version + 1, Servers: servers})
	}
}

// keepZones returns servers with what is known of where they are: those who say which there are do not know.
func keepZones(servers []link.ServerTopology, before *link.PoolTopology) []link.ServerTopology {
	zones := map[string]string{}
	for _, s := range before.Servers {
		for _, e := range s.Endpoints {
			zones[e.Address] = e.Zone
		}
	}
	servers = slices.Clone(servers)
	for i := range servers {
		servers[i].Endpoints = slices.Clone(servers[i].Endpoints)
		for k := range servers[i].Endpoints {
			if e := &servers[i].Endpoints[k]; e.Zone == "" {
				e.Zone = zones[e.Address]
			}
		}
	}
	return servers
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

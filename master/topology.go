// The topology: where the servers of pools that discover are now. It is the one thing that changes while a generation lives,
// so all workers of the generation, and whatever replaces it, are told.

package master

import (
	"slices"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/worker/link"
)

// relocate takes over where the servers of a generation's pool are, if it is news. The workers are told and, through the fd
// store, the next master should this one be killed.
func (m *master) relocate(g *generation, p link.PoolTopology) {
	before := g.topology.Pool(p.Pool)
	if before == nil {
		return
	}
	p.Servers = keepZones(keepSwitched(p.Servers, before), before)
	since := g.switchingSince
	for _, s := range p.Servers {
		if was := before.Server(s.Server); was != nil && s.MovedAt > was.MovedAt && (since == 0 || s.MovedAt < since) {
			since = s.MovedAt
		}
	}
	if !g.topology.Replace(p) {
		return
	}
	g.switchingSince = since
	if g.counters != nil {
		g.counters.Occupy(&g.topology)
	}
	g.relocateReplicas(g.topology.Pool(p.Pool))
	for _, s := range g.slots {
		if s.process != nil {
			m.passTopology(s)
		}
	}
	m.replaceSpec(g)
}

// keepSwitched returns servers with what is known of the workers since their last move.
func keepSwitched(servers []link.ServerTopology, before *link.PoolTopology) []link.ServerTopology {
	servers = slices.Clone(servers)
	for i := range servers {
		s := &servers[i]
		if was := before.Server(s.Server); was != nil && was.MovedAt == s.MovedAt && s.SwitchedAt == 0 {
			s.SwitchedAt = was.SwitchedAt
		}
	}
	return servers
}

// replaceSpec has the next master, should this one be killed, begin with the topology of now.
func (m *master) replaceSpec(g *generation) {
	if g == m.generations.serving && g.specFD >= 0 {
		m.world.close(g.specFD)
		g.specFD = -1
		m.storeSpecAgain()
	}
}

// workerSwitched is called when a worker has done what the topology says that it was passed.
func (m *master) workerSwitched(s *slot) {
	s.behind--
	m.noteSwitched(s.generation)
}

// noteSwitched notes when no worker of a generation goes to a former address any more.
func (m *master) noteSwitched(g *generation) {
	if g.switchingSince == 0 || slices.ContainsFunc(g.slots, func(s *slot) bool { return s.process != nil && (s.untold || s.behind > 0) }) {
		return
	}
	for i := range g.topology.Pools {
		for k := range g.topology.Pools[i].Servers {
			if s := &g.topology.Pools[i].Servers[k]; s.MovedAt >= g.switchingSince && s.SwitchedAt == 0 {
				s.SwitchedAt = m.world.now().UnixMilli()
			}
		}
	}
	g.switchingSince = 0
	m.replaceSpec(g)
	m.endFailovers()
}

// passToNewMaster tells the new master of an upgrade, if there is one, where the servers of a pool are.
func (m *master) passToNewMaster(p link.PoolTopology) {
	if m.oldSide != nil && m.oldSide.link != nil {
		m.oldSide.other.send(message{Kind: messageTopology, Topology: &link.Topology{Pools: []link.PoolTopology{p}}})
	}
}

// takeTopology takes over the topology that another master has sent; nil: none. A server of which this master knows of a later
// failover stays where it is, and the other master may have other servers.
func (m *master) takeTopology(t *link.Topology) {
	if t == nil {
		return
	}
	for _, p := range t.Pools {
		for _, g := range m.generations.all() {
			own := g.topology.Pool(p.Pool)
			if own == nil || own.Cluster != p.Cluster {
				continue
			}
			if own.Cluster { // its own follower knows as much, if it knows anything
				if !own.Located() {
					m.relocate(g, p)
				}
				continue
			}
			merged := link.PoolTopology{Pool: p.Pool, Version: p.Version}
			for _, s := range own.Servers {
				if said := p.Server(s.Server); said != nil && said.Epoch >= s.Epoch && len(said.Endpoints) > 0 {
					s = *said
				}
				merged.Servers = append(merged.Servers, s)
			}
			m.relocate(g, merged)
		}
	}
}

// updateTopology takes over what a later message says of the pools that the welcome has told of.
func (m *message) updateTopology(later *link.Topology) {
	if m.Topology == nil || later == nil {
		return
	}
	for _, p := range later.Pools {
		m.Topology.Replace(p)
	}
}

// passTopology sends a worker its specification with the present topology. Where there is no descriptor for it, it is tried again: the
// worker goes on asking a master that may be none any more.
func (m *master) passTopology(s *slot) {
	spec := m.launch(s).Spec
	fd, err := m.world.sealed(spec.Text())
	if err != nil {
		m.log.Event(logfile.TopologyUntold, s.index, s.process.PID, err)
		s.untold = true
		return
	}
	s.untold = m.pass(s, link.Message{Kind: link.Relocated}, fd) != nil
	if !s.untold {
		s.behind++
	}
	m.world.close(fd)
}

// storeSpecAgain replaces the specification in the fd store by the present one.
func (m *master) storeSpecAgain() {
	g := m.generations.serving
	if !m.world.services.Present() {
		return
	}
	name := g.storedName(systemd.Spec)
	m.world.services.Unstore(name)
	err := m.makeSpec(g)
	if err == nil {
		err = m.world.services.Store(name, g.specFD)
	}
	m.checkStored(err)
}

// inheritTopology gives a new generation the topology of the one before: a pool that discovers goes on with what was
// discovered of those servers that are configured as before.
func (g *generation) inheritTopology(before *link.Topology, pools []link.Pool) {
	for i := range g.pools {
		p, known := &g.pools[i], before.Pool(g.pools[i].Name)
		k := slices.IndexFunc(pools, func(old link.Pool) bool { return old.Name == p.Name })
		if known == nil || !known.Discovers || k < 0 {
			continue
		}
		own := g.topology.Pool(p.Name)
		if p.IsCluster() {
			if known.Cluster && isSameCluster(p, &pools[k]) {
				*own = *known
			}
			continue
		}
		for _, s := range p.Servers {
			found := known.Server(s.Name)
			if found != nil && slices.ContainsFunc(pools[k].Servers, func(old link.Server) bool { return sameServer(old, s) }) {
				*own.Server(s.Name) = *found
				own.Version, own.Discovers = known.Version, true
			}
		}
	}
}

// isSameCluster tells whether two pools are of one cluster, as far as the configuration tells: some node is a seed of both.
func isSameCluster(a, b *link.Pool) bool {
	return slices.ContainsFunc(a.Seeds, func(seed string) bool { return slices.Contains(b.Seeds, seed) })
}

// sameServer reports whether two servers are configured alike, in the fields that masters tell each other.
func sameServer(a, b link.Server) bool {
	return a.Name == b.Name && a.Network == b.Network && a.Address == b.Address
}

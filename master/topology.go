// The topology: where the servers of pools that discover are at present. It is the one thing that changes while a generation
// lives, so whoever serves by the generation, or is to follow it, is told.

package master

import (
	"slices"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/worker/link"
)

// moveServers takes what was discovered of a pool, unless something as new is known. The workers are told, the new master of
// an upgrade that is under way, and, by what is stored, the next master should this one be killed.
func (m *master) moveServers(p link.PoolTopology) {
	for _, g := range m.generations.all() {
		if !g.topology.Replace(p) {
			continue
		}
		for _, s := range g.slots {
			if s.process != nil {
				m.passTopology(s)
			}
		}
		if g == m.generations.serving && g.specFD >= 0 {
			m.world.close(g.specFD)
			g.specFD = -1
			m.storeSpecAgain()
		}
	}
	if m.oldSide != nil && m.oldSide.link != nil {
		m.oldSide.other.send(message{Kind: messageTopology, Topology: &link.Topology{Pools: []link.PoolTopology{p}}})
	}
}

// takeTopology takes what another master has said of pools.
func (m *master) takeTopology(t *link.Topology) {
	if t == nil {
		return
	}
	for _, p := range t.Pools {
		m.moveServers(p)
	}
}

// passTopology gives a worker its specification with the topology as it is now.
func (m *master) passTopology(s *slot) {
	spec := m.launch(s).Spec
	fd, err := m.world.sealed(spec.Text())
	if err != nil {
		m.log.Printf(logfile.Error, "telling worker %d (pid %d) where servers are: %v", s.index, s.process.PID, err)
		return
	}
	m.pass(s, link.Message{Kind: link.Relocated}, fd)
	m.world.close(fd)
}

// storeSpecAgain has the service manager keep the specification as it is now. What is stored twice is kept twice.
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

// inheritTopology begins a generation where the one before the master has connected to: a pool that discovers goes on with
// what was discovered, as long as the configuration says the same of its servers.
func (g *generation) inheritTopology(before *link.Topology, pools []link.Pool) {
	for i := range g.pools {
		p, known := &g.pools[i], before.Pool(g.pools[i].Name)
		k := slices.IndexFunc(pools, func(old link.Pool) bool { return old.Name == p.Name })
		if known == nil || !known.Discovers || k < 0 || !slices.EqualFunc(pools[k].Servers, p.Servers, sameServer) {
			continue
		}
		*g.topology.Pool(p.Name) = *known
	}
}

// sameServer reports whether two servers are configured alike, as far as another master says how.
func sameServer(a, b link.Server) bool {
	return a.Name == b.Name && a.Network == b.Network && a.Address == b.Address
}

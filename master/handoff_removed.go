// Addresses that only one of two generations serves. Its workers accept there until they end, and then serve the connections
// that still wait: no other worker does.

package master

import (
	"slices"

	"github.com/pinion-proxy/pinion/worker/link"
)

// servedSockets returns where a generation listens.
func (g *generation) servedSockets() (all []socketName) {
	for i := range g.config.Pools {
		l := g.config.Pools[i].Listen
		all = append(all, socketName{Network: l.Network, Address: l.Address})
	}
	return all
}

// unserved returns the pools of a generation whose addresses are not among those that another one serves. If served is
// empty, nothing is known and no pool is returned.
func (g *generation) unserved(served []socketName) (pools []int) {
	if len(served) == 0 {
		return nil
	}
	for i, own := range g.servedSockets() {
		if !slices.Contains(served, own) {
			pools = append(pools, i)
		}
	}
	return pools
}

// added returns the pools of a coming generation that listen where this master did not listen before.
func (m *master) added(g *generation) (pools []int) {
	for i := range g.config.Pools {
		fresh := true
		for _, l := range m.listeners.All() {
			fresh = fresh && (l.Fresh || !l.At(g.config.Pools[i].Listen))
		}
		if fresh {
			pools = append(pools, i)
		}
	}
	return pools
}

// tellRemoved tells a worker that no other worker accepts at the addresses of some pools.
func (m *master) tellRemoved(s *slot, pools []int) {
	for part := range slices.Chunk(pools, link.MaxRemoved) {
		m.pass(s, link.Message{Kind: link.Removed, Body: link.Body(link.RemovedBody{Pools: part})})
	}
}

// coverRemoved is called after the death of a worker that was moving its clients: another old worker serves the connections
// that wait in its queues at removed addresses.
func (o *oldSide) coverRemoved() {
	m := o.m
	if len(o.removed) == 0 {
		return
	}
	m.acceptForMissing(m.generations.serving)
	for _, from := range m.generations.serving.slots {
		if from.state == slotGiving {
			m.tellRemoved(from, o.removed)
		}
	}
}

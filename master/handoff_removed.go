// Addresses that only one of two generations serves. Its workers accept there until they end, and then serve the connections
// that still wait: no other worker does.

package master

import (
	"slices"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/worker/link"
)

// servedSockets returns where a generation listens.
func (g *generation) servedSockets() (all []socketName) {
	for _, l := range listenAddresses(g.config) {
		all = append(all, socketName{Network: l.Network, Address: l.Address})
	}
	return all
}

// unserved returns the addresses of a generation that are not among those that another one serves. If served is empty, nothing is
// known and none is returned.
func (g *generation) unserved(served []socketName) (all []config.ListenID) {
	if len(served) == 0 {
		return nil
	}
	for _, own := range g.servedSockets() {
		if !slices.Contains(served, own) {
			all = append(all, config.ListenID{Network: own.Network, Address: own.Address})
		}
	}
	return all
}

// added returns the addresses of a coming generation at which no worker of this master accepted before.
func (m *master) added(g *generation) (all []config.ListenID) {
	for _, at := range listenAddresses(g.config) {
		if !slices.ContainsFunc(m.listeners.All(), func(l *listen.Listener) bool { return !l.Fresh && l.At(at) && !m.isIdle(l) }) {
			all = append(all, at.ID())
		}
	}
	return all
}

// isIdle reports whether the generation that serves does not accept from a socket of the service manager.
func (m *master) isIdle(l *listen.Listener) bool {
	return m.generations.serving != nil && m.generations.serving.layout().Idle(l)
}

// tellRemoved tells a worker that no other worker accepts at some addresses. Builds that know one address of a pool are told of pools.
func (m *master) tellRemoved(s *slot, removed []config.ListenID) {
	var pools []int
	var single []link.Listener
	for i := range s.generation.config.Pools {
		gone := among(s.generation.config.Pools[i].Listens(), removed)
		if len(gone) == len(s.generation.config.Pools[i].Listens()) {
			pools = append(pools, i)
			continue
		}
		for _, at := range gone {
			single = append(single, link.Listener{Network: at.Network, Address: at.Address})
		}
	}
	for part := range slices.Chunk(pools, link.MaxRemoved) {
		m.pass(s, link.Message{Kind: link.Removed, Body: link.Body(link.RemovedBody{Pools: part})})
	}
	for part := range slices.Chunk(single, link.MaxRemovedListeners) {
		m.pass(s, link.Message{Kind: link.Removed, Body: link.Body(link.RemovedBody{Listeners: part})})
	}
}

// among returns those of the addresses that are among others.
func among(all []config.Listen, others []config.ListenID) (some []config.Listen) {
	for _, l := range all {
		if slices.Contains(others, l.ID()) {
			some = append(some, l)
		}
	}
	return some
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

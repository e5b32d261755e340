// Workers of earlier generations that still have clients, stragglers above all: their ways to the generation that serves. Those
// whom they could hand over to before end with the generation that was theirs, and then their clients would be cut.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// connectEarlier connects the workers of earlier generations to those that have taken over, before the generation between
// them ends. Where that fails, their clients count as lost.
func (o *oldSide) connectEarlier() {
	m := o.m
	for _, g := range m.generations.retired {
		for _, from := range g.slots {
			if from.state != slotDraining {
				continue
			}
			err := m.connectTo(from, o.status.Generation, o.slots, o.sendPeer)
			if err == nil {
				continue
			}
			m.logStranded(from, err)
			if !from.lossesCounted {
				o.losses.add(from.clients(), fmt.Sprintf("worker %d of generation %d: connecting it to the new workers: %v", from.index, g.number, err))
				from.lossesCounted = true
			}
		}
	}
}

// sendPeer passes the other end of a connection to a new worker.
func (o *oldSide) sendPeer(msg message) error {
	if o.link == nil {
		return o.m.passOwnPeer(o.m.generations.coming, msg)
	}
	o.other.send(msg)
	return nil
}

// connectAdopted connects a worker of an earlier generation that the old master has left, if that one has not.
func (m *master) connectAdopted(from *slot) {
	g := m.generations.serving
	if g == nil || m.masters.connectedByOld[[2]uint64{from.generation.number, uint64(from.index)}] {
		return
	}
	err := m.connectTo(from, g.number, len(g.slots), func(msg message) error { return m.passOwnPeer(g, msg) })
	if err != nil {
		m.logStranded(from, err)
	}
}

// logStranded tells of clients that have no way to the generation that serves.
func (m *master) logStranded(from *slot, err error) {
	m.log.Printf(logfile.Error, "worker %d of generation %d (clients: %d) is not connected to the generation that serves, its clients cannot move on: %v",
		from.index, from.generation.number, from.clients(), err)
}

// connectTo connects a worker of an earlier generation to its partners among slots of another one, whose ends pass hands
// over. One that works is enough.
func (m *master) connectTo(from *slot, generation uint64, slots int, pass func(message) error) (failed error) {
	connected := 0
	for _, to := range partners(from.index, len(from.generation.slots), slots) {
		ours, theirs, err := m.world.pair()
		if err != nil {
			failed = err
			continue
		}
		body := link.PeerBody{Slot: to.slot, Share: to.onWire(), Generation: generation}
		err = m.pass(from, link.Message{Kind: link.Peer, Body: link.Body(body)}, ours)
		m.world.close(ours)
		if err == nil {
			msg := message{Kind: messagePeer, Generation: from.generation.number, From: from.index, Slot: to.slot, Share: to.onWire()}
			msg.fds = []int{theirs}
			err = pass(msg)
		} else {
			m.world.close(theirs)
		}
		if err != nil {
			failed = err
			continue
		}
		connected++
	}
	if connected > 0 {
		return nil
	}
	return failed
}

// passPeer passes a worker of a generation its end of a connection to one of an earlier generation.
func (m *master) passPeer(g *generation, msg message) error {
	if g == nil || msg.Slot < 0 || msg.Slot >= len(g.slots) || len(msg.fds) != 1 || g.slots[msg.Slot].state != slotServing {
		return fmt.Errorf("new worker %d does not serve", msg.Slot)
	}
	body := link.PeerBody{Slot: msg.From, Share: msg.Share, Generation: msg.Generation}
	return m.pass(g.slots[msg.Slot], link.Message{Kind: link.Peer, Body: link.Body(body)}, msg.fds[0])
}

// passOwnPeer is meet for a connection that is not a message of another master.
func (m *master) passOwnPeer(g *generation, msg message) error {
	defer m.world.close(msg.fds[0])
	return m.passPeer(g, msg)
}

// peerFromOldMaster is told of a worker that the old master connects to one of this master's.
func (m *master) peerFromOldMaster(msg message) {
	if m.masters.connectedByOld == nil {
		m.masters.connectedByOld = map[[2]uint64]bool{}
	}
	err := m.passPeer(m.generations.serving, msg)
	if err != nil {
		m.log.Printf(logfile.Error, "worker %d of generation %d: connecting it to new worker %d: %v", msg.From, msg.Generation, msg.Slot, err)
		return
	}
	m.masters.connectedByOld[[2]uint64{msg.Generation, uint64(msg.From)}] = true
}

// earlierPeerFailed tells of a connection between workers of an earlier generation and the one that serves that could not be used.
func (m *master) earlierPeerFailed(s *slot, body link.PeerFailedBody) {
	if body.Unjoined {
		m.log.Printf(logfile.Error, "worker %d of generation %d (clients: %d): connecting it to worker %d of generation %d: %s",
			s.index, s.generation.number, s.clients(), body.Slot, body.Generation, body.Reason)
	}
}

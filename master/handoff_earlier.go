// Workers of earlier generations that still have clients, stragglers above all, are connected to each generation that takes
// over. The workers to which they were connected before end with their own generation, and then the clients could move
// nowhere.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// connectEarlier connects the workers of earlier generations to those that have taken over, before the generation between
// them ends. The clients of a worker that cannot be connected count as lost.
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

// sendPeer passes the other end of a connection to a new worker, of this master or of the new one.
func (o *oldSide) sendPeer(msg message) error {
	if o.link == nil {
		return o.m.passOwnPeer(o.m.generations.coming, msg)
	}
	o.other.send(msg)
	return nil
}

// connectAdopted connects a worker of an earlier generation, taken over from the old master, to those that serve, unless the
// old master has done so.
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

// logStranded logs that the clients of a worker cannot move to the generation that serves.
func (m *master) logStranded(from *slot, err error) {
	m.log.Event(logfile.EarlierUnjoined, from.index, from.generation.number, from.clients(), err)
}

// connectTo connects a worker of an earlier generation to its partners among the slots of another one; pass takes the
// partners' ends. One connection is enough for success.
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

// passOwnPeer is passPeer for a connection that this master has made itself.
func (m *master) passOwnPeer(g *generation, msg message) error {
	defer m.world.close(msg.fds[0])
	return m.passPeer(g, msg)
}

// peerFromOldMaster handles a connection that the old master has made between one of its earlier workers and one of this
// master's.
func (m *master) peerFromOldMaster(msg message) {
	if m.masters.connectedByOld == nil {
		m.masters.connectedByOld = map[[2]uint64]bool{}
	}
	err := m.passPeer(m.generations.serving, msg)
	if err != nil {
		m.log.Event(logfile.EarlierUnconnected, msg.From, msg.Generation, msg.Slot, err)
		return
	}
	m.masters.connectedByOld[[2]uint64{msg.Generation, uint64(msg.From)}] = true
}

// earlierPeerFailed logs that a connection between a worker of an earlier generation and one of the generation that serves
// could not be used.
func (m *master) earlierPeerFailed(s *slot, body link.PeerFailedBody) {
	if body.Unjoined {
		m.log.Event(logfile.EarlierPeerFailed, s.index, s.generation.number, s.clients(), body.Slot, body.Generation, body.Reason)
	}
}

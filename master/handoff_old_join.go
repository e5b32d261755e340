// Joining: the old side connects its workers to the new ones. All connections are made and confirmed before a client moves.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/worker/link"
)

// connectWorkers connects the workers of both sides, before the first client moves: if descriptors, for instance, are too
// few, nothing has changed yet.
func (o *oldSide) connectWorkers() {
	o.enter(oldJoining, joinTimeout)
	o.awaited, o.results = map[pair]bool{}, map[int]link.ClientsMovedBody{}
	for _, from := range o.m.generations.serving.slots {
		if from.state == slotServing && !o.connectWorker(from, everyPartner) {
			return
		}
	}
	o.checkJoined()
}

// workerJoined is called when an old worker confirms a connection.
func (o *oldSide) workerJoined(p pair) {
	delete(o.awaited, p)
	o.checkJoined()
}

// checkJoined ends the phase when all workers that live have confirmed their connections.
func (o *oldSide) checkJoined() {
	if o.phase != oldJoining {
		return
	}
	for p := range o.awaited {
		if o.m.generations.serving.slots[p.from].state == slotServing {
			return
		}
	}
	o.move()
}

// replaced is called when a worker of the old generation becomes ready during the handoff: its predecessor has died.
func (o *oldSide) replaced(from *slot) {
	if from.generation != o.m.generations.serving || o.phase != oldJoining && o.phase != oldMoving {
		return
	}
	if o.connectWorker(from, everyPartner) && o.phase == oldMoving {
		o.startMoving(from)
	}
}

const everyPartner = -1

// connectWorker connects an old worker to its partners, or only to the one in a slot. It closes each end as soon as it is
// passed on. A failure ends the attempt.
func (o *oldSide) connectWorker(from *slot, only int) (done bool) {
	m := o.m
	for _, to := range partners(from.index, len(m.generations.serving.slots), o.slots) {
		if only != everyPartner && to.slot != only {
			continue
		}
		ours, theirs, err := m.world.pair()
		if err == nil {
			err = m.pass(from, link.Message{Kind: link.Peer, Body: link.Body(link.PeerBody{Slot: to.slot, Share: to.onWire()})}, ours)
			m.world.close(ours)
			if err != nil {
				m.world.close(theirs)
			}
		}
		if err != nil {
			o.fail(withHint(fmt.Errorf("connecting %v: %w", pair{from.index, to.slot}, err)))
			return false
		}
		o.awaited[pair{from.index, to.slot}] = true
		o.other.send(message{Kind: messagePeer, From: from.index, Slot: to.slot, Share: to.onWire(), fds: []int{theirs}})
	}
	return true
}

// reconnect connects all old workers that move clients to a slot to the new worker that is there now.
func (o *oldSide) reconnect(slot int) {
	for _, from := range o.m.generations.serving.slots {
		if from.state == slotGiving && !o.connectWorker(from, slot) {
			return
		}
	}
}

// Joining: the source connects its workers to those of the target. All of that is done, and confirmed, before a client moves.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/worker/link"
)

// join gives the workers of both sides connections to each other, all of them before the first client moves: what is short
// here, descriptors above all, must change nothing.
func (s *source) join() {
	s.enter(sourceJoining, joinTimeout)
	s.awaited, s.given = map[pair]bool{}, map[int]link.GivenBody{}
	for _, from := range s.m.generation.slots {
		if from.state == slotServing && !s.connect(from, everyPartner) {
			return
		}
	}
	s.checkJoined()
}

// joined notes that an old worker has its end of a connection.
func (s *source) joined(p pair) {
	delete(s.awaited, p)
	s.checkJoined()
}

// checkJoined goes on when all workers have their connections. Those that died do not count.
func (s *source) checkJoined() {
	if s.phase != sourceJoining {
		return
	}
	for p := range s.awaited {
		if s.m.generation.slots[p.from].state == slotServing {
			return
		}
	}
	s.give()
}

// replaced follows when a worker of the old generation becomes ready during the handoff: its predecessor has died.
func (s *source) replaced(from *slot) {
	if from.generation != s.m.generation || s.phase != sourceJoining && s.phase != sourceGiving {
		return
	}
	if s.connect(from, everyPartner) && s.phase == sourceGiving {
		s.begin(from)
	}
}

const everyPartner = -1

// connect gives a worker and its partners, or the one in a slot, the ends of connections to each other. It closes each end as
// soon as it is passed on. What cannot be done ends the attempt.
func (s *source) connect(from *slot, only int) (done bool) {
	m := s.m
	for _, to := range partners(from.index, len(m.generation.slots), s.slots) {
		if only != everyPartner && to.slot != only {
			continue
		}
		ours, theirs, err := m.world.pair()
		if err == nil {
			err = m.pass(from, link.Message{Kind: link.Peer, Body: link.Body(link.PeerBody{Slot: to.slot, Share: to.told()})}, ours)
			m.world.close(ours)
			if err != nil {
				m.world.close(theirs)
			}
		}
		if err != nil {
			s.fail(withRemedy(fmt.Errorf("connecting %v: %w", pair{from.index, to.slot}, err)))
			return false
		}
		s.awaited[pair{from.index, to.slot}] = true
		s.target.say(word{Kind: wordPeer, From: from.index, Slot: to.slot, Share: to.told(), fds: []int{theirs}})
	}
	return true
}

// introduce connects the successor of a new worker that has died to all who give to its slot.
func (s *source) introduce(slot int) {
	for _, from := range s.m.generation.slots {
		if from.state == slotGiving && !s.connect(from, slot) {
			return
		}
	}
}

// What a new side does about new workers that hang, die, or cannot be handed clients.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// peerFailed follows when a new worker cannot talk to one of the old side. Where the two have talked, the old side's worker says
// so, too, and gets another connection.
func (n *newSide) peerFailed(s *slot, body link.PeerFailedBody) {
	n.m.log.Printf(logfile.Warn, "new worker %d says of worker %d: %s", s.index, body.Slot, body.Reason)
	n.losses.add(body.Lost, fmt.Sprintf("worker %d: %s", body.Slot, body.Reason))
	if body.Unjoined && n.failure == nil {
		n.fail(fmt.Errorf("connecting %v: %s", pair{body.Slot, s.index}, body.Reason))
	}
}

// suspect follows when a worker of the old side can hand nothing more to one of these. One that hangs goes, and its slot
// starts anew; one that lives gets other connections, but not for ever.
func (n *newSide) suspect(msg message) {
	if msg.Slot < 0 || msg.Slot >= len(n.g.slots) {
		return
	}
	s := n.g.slots[msg.Slot]
	switch {
	case msg.Hung:
		n.m.kill(s, msg.Reason)
	case (s.state == slotServing || s.state == slotPrepared) && n.reconnects[s.index] < maxReconnects:
		n.reconnects[s.index]++
		n.other.send(message{Kind: messageAgain, Slot: s.index})
	case s.state == slotServing, s.state == slotPrepared:
		n.fail(fmt.Errorf("new worker %d cannot be given clients: %s", s.index, msg.Reason))
	}
}

// maxReconnects is how many times a worker gets other connections to those who hand over to it.
const maxReconnects = 3

// workerDied follows the death of a worker; words are what it said last. One worker of each slot may die while it takes over:
// it is an ordinary crash, and those who hand over know what it had not taken yet.
func (n *newSide) workerDied(s *slot, reason string) {
	switch n.phase {
	case newReturning:
		n.handedBack(s, link.ClientsMovedBody{})
	case newAccepting, newSettling:
		if n.died[s.index] {
			n.fail(fmt.Errorf("new worker %d died twice: %s", s.index, reason))
			n.stopWaiting()
			return
		}
		n.died[s.index] = true
		n.m.fill(s)
		n.stopWaiting()
	default:
		n.fail(fmt.Errorf("new worker %d: %s", s.index, reason))
	}
}

// stopWaiting goes on where only the end of a worker was waited for, so that its clients could be counted.
func (n *newSide) stopWaiting() {
	switch {
	case n.phase == newAccepting && n.moved != nil && n.failure == nil:
		n.allMoved(n.moved)
	case n.phase == newSettling && n.agreedTo && !n.hasUnreaped():
		n.takeOver()
	}
}

// workerLeaving follows when a worker will end, because a signal has told it to.
func (n *newSide) workerLeaving(s *slot) {
	if n.phase != newReturning {
		n.fail(fmt.Errorf("a signal has told new worker %d to end", s.index))
	}
}

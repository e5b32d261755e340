// New workers that hang, die, or cannot receive clients.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// peerFailed is called when the connection of a new worker to an old one does not work. If it has worked before, the old
// worker reports it, too, and gets another one.
func (n *newSide) peerFailed(s *slot, body link.PeerFailedBody) {
	n.m.log.Event(logfile.NewPeerFailed, s.index, body.Slot, body.Reason)
	n.losses.add(body.Lost, fmt.Sprintf("worker %d: %s", body.Slot, body.Reason))
	if body.Unjoined && n.failure == nil {
		n.fail(fmt.Errorf("connecting %v: %s", pair{body.Slot, s.index}, body.Reason))
	}
}

// suspect is called when an old worker can hand no more clients to a new one. A new worker that hangs is killed and
// replaced; one that lives gets new connections, a limited number of times.
func (n *newSide) suspect(msg message) {
	if msg.Slot < 0 || msg.Slot >= len(n.g.slots) {
		return
	}
	s := n.g.slots[msg.Slot]
	if msg.Gone && s.process != nil {
		n.gone[s.index] = s.process.PID
	}
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

// maxReconnects is how many times a new worker gets new connections to the old workers.
const maxReconnects = 3

// workerDied is called after the death of a new worker. One worker of each slot may die while clients move: it is an
// ordinary crash, and the old workers still have every client that it had not received.
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

// stopWaiting goes on with what had to wait until a dead worker was reaped and its clients counted.
func (n *newSide) stopWaiting() {
	switch {
	case n.phase == newAccepting && n.moved != nil && n.failure == nil:
		n.allMoved(n.moved)
	case n.phase == newSettling && n.agreedTo && !n.hasUnreaped():
		n.takeOver()
	}
}

// workerLeaving is called when a signal has told a new worker to end.
func (n *newSide) workerLeaving(s *slot) {
	if n.phase != newReturning {
		n.fail(fmt.Errorf("a signal has told new worker %d to end", s.index))
	}
}

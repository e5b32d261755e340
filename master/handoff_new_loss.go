// What a new side does about new workers that hang, die, or cannot be handed clients.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// peerFailed follows when a new worker cannot talk to one of the old side. Where the two have talked, the old side's worker says
// so, too, and gets another connection.
func (t *newSide) peerFailed(s *slot, body link.PeerFailedBody) {
	t.m.log.Printf(logfile.Warn, "new worker %d says of worker %d: %s", s.index, body.Slot, body.Reason)
	t.losses.add(body.Lost, fmt.Sprintf("worker %d: %s", body.Slot, body.Reason))
	if body.Unjoined && t.failure == nil {
		t.fail(fmt.Errorf("connecting %v: %s", pair{body.Slot, s.index}, body.Reason))
	}
}

// suspect follows when a worker of the old side can hand nothing more to one of these. One that hangs goes, and its slot
// starts anew; one that lives gets other connections, but not for ever.
func (t *newSide) suspect(msg message) {
	if msg.Slot < 0 || msg.Slot >= len(t.g.slots) {
		return
	}
	s := t.g.slots[msg.Slot]
	switch {
	case msg.Hung:
		t.m.kill(s, msg.Reason)
	case (s.state == slotServing || s.state == slotPrepared) && t.again[s.index] < maxAgain:
		t.again[s.index]++
		t.other.send(message{Kind: messageAgain, Slot: s.index})
	case s.state == slotServing, s.state == slotPrepared:
		t.fail(fmt.Errorf("new worker %d cannot be given clients: %s", s.index, msg.Reason))
	}
}

// maxAgain is how many times a worker gets other connections to those who hand over to it.
const maxAgain = 3

// lost follows the death of a worker; words are what it said last. One worker of each slot may die while it takes over:
// it is an ordinary crash, and those who hand over know what it had not taken yet.
func (t *newSide) lost(s *slot, reason string) {
	switch t.phase {
	case newReturning:
		t.handedBack(s, link.ClientsMovedBody{})
	case newAccepting, newSettling:
		if t.died[s.index] {
			t.fail(fmt.Errorf("new worker %d died twice: %s", s.index, reason))
			t.stopWaiting()
			return
		}
		t.died[s.index] = true
		t.m.fill(s)
		t.stopWaiting()
	default:
		t.fail(fmt.Errorf("new worker %d: %s", s.index, reason))
	}
}

// stopWaiting goes on where only the end of a worker was waited for, so that its clients could be counted.
func (t *newSide) stopWaiting() {
	switch {
	case t.phase == newAccepting && t.moved != nil && t.failure == nil:
		t.settle(t.moved)
	case t.phase == newSettling && t.may && !t.mourns():
		t.takeOver()
	}
}

// missing follows when a worker will end, because a signal has told it to.
func (t *newSide) missing(s *slot) {
	if t.phase != newReturning {
		t.fail(fmt.Errorf("a signal has told new worker %d to end", s.index))
	}
}

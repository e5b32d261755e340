// The new side when the handoff fails: its workers hand their clients back before they end.

package master

import (
	"errors"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// fail tells the old side that the attempt has failed. If no client can have moved, the attempt ends here.
func (n *newSide) fail(reason error) {
	n.other.send(message{Kind: messageFailed, Reason: reason.Error(), Lost: n.losses.clients, LostReason: n.losses.reason})
	switch {
	case n.phase == newSettling: // the old master may have agreed and left already
		n.failure = reason
	case n.mayHaveClients():
		n.failure = reason
		n.until = n.m.world.now().Add(settleTimeout) // for the old side to say abort
	default:
		n.cancel(reason)
	}
}

// abort is called when the old side gives up. unmoved says that it has not begun to move clients.
func (n *newSide) abort(reason string, unmoved bool) {
	m := n.m
	if !n.mayHaveClients() || unmoved {
		n.cancel(errors.New(reason))
		return
	}
	n.enter(newReturning, returnTimeout)
	n.returned = map[int]bool{}
	if n.failure == nil {
		n.failure = errors.New(reason)
	}
	added := m.added(n.g)
	if len(added) > 0 {
		m.acceptForMissing(n.g)
	}
	patience := min(n.g.config.Global.HandoffPatience, returnTimeout/2) // beyond that they come back one by one
	for _, s := range n.g.slots {
		switch s.state {
		case slotServing, slotPrepared: // a prepared worker may have received clients already
			s.become(slotGiving, time.Time{})
			m.tellRemoved(s, added)
			m.pass(s, link.Message{Kind: link.MoveClients, Body: link.Body(link.MoveClientsBody{Patience: patience})})
		case slotStarting:
			m.kill(s, reason)
		}
	}
	n.checkReturned()
}

// handedBack is called when a worker has handed back all that it could, or is dead.
func (n *newSide) handedBack(s *slot, body link.ClientsMovedBody) {
	n.returned[s.index] = true
	n.kept += body.Stragglers
	n.checkReturned()
}

func (n *newSide) checkReturned() {
	if n.phase != newReturning {
		return
	}
	for _, s := range n.g.slots {
		if s.state == slotGiving && !n.returned[s.index] {
			return
		}
	}
	n.sendReturned()
	n.cancel(n.failure)
}

func (n *newSide) sendReturned() {
	n.other.send(message{Kind: messageReturned, Kept: n.kept, Lost: n.losses.clients, LostReason: n.losses.reason})
}

// cancel ends the attempt: the new generation will not serve. Workers that could not hand all clients back drain.
func (n *newSide) cancel(reason error) {
	m := n.m
	m.newSide, m.generations.coming = nil, nil
	if n.kept > 0 {
		m.log.Event(logfile.ClientsKept, clientsAre(n.kept, "are"), n.kept)
	}
	if n.g != nil {
		for _, s := range n.g.slots {
			if s.state == slotGiving {
				m.release(s, n.g.config.Global.ShutdownTimeout, nil)
				continue
			}
			m.kill(s, "its generation is given up")
			if s.state == slotWaiting {
				s.become(slotVacant, time.Time{})
			}
		}
		m.generations.retired = append(m.generations.retired, n.g)
	}
	if n.link != nil {
		if n.claimed {
			m.world.services.MainPID(n.old) // though the service manager may not listen to this process any more
		}
		m.listeners.Abandon()
		if m.endAfter != nothing { // as asked
			reason = nil
		}
		m.fail(reason)
		return
	}
	m.dropListeners(m.generations.serving)
	m.dropHTTP()
	m.dropStatistics()
	m.dropControl()
}

// How a new side ends in failure: its workers hand back what they have taken, and only then go.

package master

import (
	"errors"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// fail tells the old side that this comes to nothing. Before clients have moved, that is the end of it.
func (t *newSide) fail(reason error) {
	t.other.send(message{Kind: messageFailed, Reason: reason.Error(), Lost: t.losses.clients, LostReason: t.losses.reason})
	switch {
	case t.phase == newSettling: // it may have decided already, to leave
		t.failure = reason
	case t.engaged():
		t.failure = reason
		t.until = t.m.world.now().Add(settleTimeout) // for the old side to say abort
	default:
		t.cancel(reason)
	}
}

// abort follows when the old side does not want to go on. It knows whether it has begun to have clients moved.
func (t *newSide) abort(reason string, unmoved bool) {
	m := t.m
	if !t.engaged() || unmoved {
		t.cancel(errors.New(reason))
		return
	}
	t.enter(newReturning, returnTimeout)
	t.returned = map[int]bool{}
	if t.failure == nil {
		t.failure = errors.New(reason)
	}
	added := m.added(t.g)
	if len(added) > 0 {
		m.shelter(t.g)
	}
	patience := min(t.g.config.Global.HandoffPatience, returnTimeout/2) // beyond that they come back one by one
	for _, s := range t.g.slots {
		switch s.state {
		case slotServing, slotPrepared: // the latter may have taken clients already
			s.become(slotGiving, time.Time{})
			m.tellRemoved(s, added)
			m.pass(s, link.Message{Kind: link.MoveClients, Body: link.Body(link.MoveClientsBody{Patience: patience})})
		case slotStarting:
			m.kill(s, reason)
		}
	}
	t.checkReturned()
}

// handedBack notes that a worker has handed back all that it could, or is dead.
func (t *newSide) handedBack(s *slot, body link.ClientsMovedBody) {
	t.returned[s.index] = true
	t.kept += body.Stragglers
	t.checkReturned()
}

func (t *newSide) checkReturned() {
	if t.phase != newReturning {
		return
	}
	for _, s := range t.g.slots {
		if s.state == slotGiving && !t.returned[s.index] {
			return
		}
	}
	t.sayReturned()
	t.cancel(t.failure)
}

func (t *newSide) sayReturned() {
	t.other.send(message{Kind: messageReturned, Kept: t.kept, Lost: t.losses.clients, LostReason: t.losses.reason})
}

// cancel ends the attempt: nobody serves by this generation. Workers that could not hand everything back finish it.
func (t *newSide) cancel(reason error) {
	m := t.m
	m.newSide, m.generations.coming = nil, nil
	if t.kept > 0 {
		m.log.Printf(logfile.Error, "%s kept by workers that do not serve: they move as soon as they can, and are cut after shutdown_timeout", clientsAre(t.kept, "are"))
	}
	if t.g != nil {
		for _, s := range t.g.slots {
			if s.state == slotGiving {
				m.release(s, t.g.config.Global.ShutdownTimeout, nil)
				continue
			}
			m.kill(s, "is not needed")
			if s.state == slotWaiting {
				s.become(slotVacant, time.Time{})
			}
		}
		m.generations.retired = append(m.generations.retired, t.g)
	}
	if t.link != nil {
		if t.asked {
			m.world.services.MainPID(t.old) // which may not be listened to any more
		}
		m.listeners.Abandon()
		if m.after != nothing { // as asked
			reason = nil
		}
		m.fail(reason)
		return
	}
	m.dropListeners(m.generations.serving)
}

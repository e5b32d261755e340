// The ways in which an old side ends an attempt: the old generation serves on, or everything stops.

package master

import (
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/link"
)

// fail ends the attempt. If clients have moved, they come back first.
func (s *oldSide) fail(reason error) {
	m := s.m
	switch s.phase {
	case oldReturning, oldLeaving:
		return
	case oldCalling, oldWaiting, oldJoining:
		s.other.send(message{Kind: messageAbort, Reason: reason.Error(), Unmoved: true})
		s.conclude(reason)
		return
	}
	m.log.Printf(logfile.Error, "%s fails, clients come back: %v", s.status.Kind, reason)
	s.failure = reason
	s.enter(oldReturning, returnTimeout+settleTimeout) // the new side may take the former, and then says so
	s.resume()
	s.other.send(message{Kind: messageAbort, Reason: reason.Error()})
}

// resume has the workers serve on.
func (s *oldSide) resume() {
	for _, from := range s.m.generations.serving.slots {
		if from.state == slotGiving {
			from.become(slotServing, time.Time{})
			s.m.pass(from, link.Message{Kind: link.Resume})
			if from.leaves {
				s.m.drainSlot(from)
			}
		}
	}
}

// stop ends the attempt because pinion stops: what has moved need not come back, and there is nobody to come back to.
func (s *oldSide) stop() {
	m := s.m
	const reason = "pinion stops"
	s.other.send(message{Kind: messageAbort, Reason: reason, Intent: intentNames[stop]})
	m.oldSide = nil
	for _, reply := range s.replies {
		reply <- admin.Outcome{Error: reason, Failure: admin.FailureBusy}
	}
	if s.link != nil {
		s.link.close()
		s.dismissChild()
	}
}

// notSent follows when the new master has not got a message.
func (s *oldSide) notSent(u *unsent) {
	if s.phase == oldLeaving { // perhaps it does not know that it may; whether it has, only its process tells
		s.m.log.Printf(logfile.Error, "%s: %v", s.status.Kind, u)
		s.dismissChild()
		return
	}
	s.fail(u)
}

// dismissChild ends a new master that hangs. One that works has its time to end by itself.
func (s *oldSide) dismissChild() {
	m := s.m
	if !m.child {
		return
	}
	known := m.workerPIDs()
	m.world.dismiss(func(pid int) bool {
		return !known[pid] && (!m.keeper.stays || process.SameCommand(pid) || isSuccessor(pid))
	})
}

// abandon makes the old generation the only one again.
func (s *oldSide) abandon() {
	m := s.m
	s.resume()
	if s.link != nil {
		s.link.close()
		m.dropListeners(m.generations.serving)
		s.dismissChild()
	}
	if s.phase == oldLeaving {
		m.serveStats()
	}
	for _, old := range m.generations.serving.slots { // died while their clients moved
		if old.state == slotVacant && m.phase == serving {
			m.fill(old)
		}
	}
}

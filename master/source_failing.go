// The ways in which a source ends an attempt: the old generation serves on, or everything stops.

package master

import (
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// fail ends the attempt. If clients have moved, they come back first.
func (s *source) fail(reason error) {
	m := s.m
	switch s.phase {
	case sourceReturning, sourceLeaving:
		return
	case sourceCalling, sourceWaiting, sourceJoining:
		s.target.say(word{Kind: wordAbort, Reason: reason.Error(), Unmoved: true})
		s.conclude(reason)
		return
	}
	m.log.Printf(logfile.Error, "%s fails, clients come back: %v", s.status.Kind, reason)
	s.failure = reason
	s.enter(sourceReturning, returnTimeout+settleTimeout) // the target may take the former, and then says so
	s.resume()
	s.target.say(word{Kind: wordAbort, Reason: reason.Error()})
}

// resume has the workers serve on.
func (s *source) resume() {
	for _, from := range s.m.generation.slots {
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
func (s *source) stop() {
	m := s.m
	const reason = "pinion stops"
	s.target.say(word{Kind: wordAbort, Reason: reason, Intent: intentNames[stop]})
	m.source = nil
	for _, reply := range s.replies {
		reply <- admin.Outcome{Error: reason, Failure: admin.FailureBusy}
	}
	if s.exchange != nil {
		s.exchange.close()
		s.dismissChild()
	}
}

// notSaid follows when the new master has not got a word.
func (s *source) notSaid(u *unsaid) {
	if s.phase == sourceLeaving { // perhaps it does not know that it may; whether it has, only its process tells
		s.m.log.Printf(logfile.Error, "%s: %v", s.status.Kind, u)
		s.dismissChild()
		return
	}
	s.fail(u)
}

// dismissChild ends a new master that hangs. One that works has its time to end by itself.
func (s *source) dismissChild() {
	m := s.m
	if !m.child {
		return
	}
	known := m.workerPIDs()
	m.world.dismiss(func(pid int) bool { return !known[pid] && (!m.keeper.stays || sameCommand(pid) || isSuccessor(pid)) })
}

// abandon makes the old generation the only one again.
func (s *source) abandon() {
	m := s.m
	s.resume()
	if s.exchange != nil {
		s.exchange.close()
		m.giveUp(m.generation)
		s.dismissChild()
	}
	if s.phase == sourceLeaving {
		m.serveStats()
	}
	for _, old := range m.generation.slots { // died while their clients moved
		if old.state == slotVacant && m.phase == serving {
			m.fill(old)
		}
	}
}

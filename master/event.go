// What the loop hears of workers and of what it has begun beside it.

package master

import (
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
)

// event is what is heard of a slot's worker, or what follows from something that the master has begun and does not wait for.
type event struct {
	slot *slot // nil: then follows
	process.Event
	then func()
}

// reporterOf returns what reports to the loop what is heard of a worker of a slot.
func (m *master) reporterOf(s *slot) func(process.Event) {
	return func(n process.Event) { m.world.report(event{slot: s, Event: n}) }
}

// handle takes what came from a worker. Events of a process that is no longer a slot's worker have been overtaken.
func (m *master) handle(e event) {
	if e.slot == nil {
		e.then()
		m.finishEvent()
		return
	}
	s := e.slot
	if s.process != e.From {
		m.closeUntaken(e.FDs)
		return
	}
	switch e.Kind {
	case process.Said:
		m.workerSent(s, e.Message, e.FDs)
	case process.Wrote:
		s.words.add(e.Text)
		m.log.Forward(logfile.Error, s.index, e.Text)
	case process.HungUp:
		m.hungUp(s)
	case process.Deaf:
		m.cannotSend(s, e.Text)
	case process.Exited:
		m.reap(s, e.Text)
	}
	m.finishEvent()
}

// finishEvent ends what has come to its end: conversations, generations, and the master when its last worker is gone.
func (m *master) finishEvent() {
	m.deliverLocal()
	m.forgetRetired()
	if m.phase != draining && m.phase != stopping {
		return
	}
	for _, s := range m.generations.slots() {
		if s.state != slotVacant && !m.leavesBehind(s) {
			return
		}
	}
	if m.masters.old != nil { // workers that it still hands over must not outlive this process
		return
	}
	if m.masters.newRuns { // it must not outlive this process with copies of the listening sockets; it was told, and is killed if it hangs
		return
	}
	m.become(stopped)
}

// leavesBehind reports whether this master, whose start has failed, leaves a worker to the next one: it has been there
// before.
func (m *master) leavesBehind(s *slot) bool {
	return m.err != nil && !m.masters.startedByOld && s.state == slotDraining && s.process.Adopted
}

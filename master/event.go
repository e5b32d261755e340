// Events: what comes from workers, and the results of what the loop has begun and does not wait for.

package master

import (
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
)

// event comes from a slot's worker, or is the continuation of something that was begun beside the loop.
type event struct {
	slot *slot // nil: then is called
	process.Event
	then func()
}

// reporterOf returns the function that sends the events of a slot's worker to the loop.
func (m *master) reporterOf(s *slot) func(process.Event) {
	return func(n process.Event) { m.world.report(event{slot: s, Event: n}) }
}

// handle handles an event. Those of a process that is no longer the slot's worker are dropped.
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
		m.log.Forward(s.index, logfile.WorkerWrote.Line(e.Text))
	case process.HungUp:
		m.hungUp(s)
	case process.Deaf:
		m.cannotSend(s, e.Text)
	case process.Exited:
		m.reap(s, e.Text)
	}
	m.finishEvent()
}

// finishEvent ends each event: it delivers messages between the two sides of a reload, forgets generations without workers,
// and stops a master that is to end and has no worker left.
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
	if m.masters.old != nil { // workers that the old master still hands over must not outlive this process
		return
	}
	if m.masters.newRuns { // the new master must not outlive this process with copies of the listening sockets; it was told to end, and is killed if it hangs
		return
	}
	m.become(stopped)
}

// leavesBehind reports whether this master, whose start has failed, leaves a worker to the next one, as it was left to this
// one.
func (m *master) leavesBehind(s *slot) bool {
	return m.err != nil && !m.masters.startedByOld && s.state == slotDraining && s.process.Adopted
}

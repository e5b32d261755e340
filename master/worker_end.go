// The end of a worker that lives: it is drained, told to quit, or killed.

package master

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// release lets a worker that was replaced move or drain its remaining clients, and end. At the addresses of removed pools no
// other worker accepts.
func (m *master) release(from *slot, deadline time.Duration, removed []config.ListenID) {
	switch from.state {
	case slotWaiting:
		from.become(slotVacant, time.Time{})
	case slotGiving, slotServing, slotStarting:
		until := time.Time{}
		if deadline > 0 {
			until = m.world.now().Add(deadline + grace)
		}
		if from.state != slotGiving {
			m.tellRemoved(from, removed)
		}
		from.become(slotDraining, until)
		m.pass(from, link.Message{Kind: link.Finish, Body: link.Body(link.FinishBody{Deadline: deadline})})
	}
}

// workerLeaving is called when a signal has told a worker to end. In a coming generation this fails the handoff, while all
// clients can still go back. A worker that moves its clients goes on with that.
func (m *master) workerLeaving(s *slot) {
	m.log.Event(logfile.WorkerToldToEnd, s.index, s.process.PID)
	s.toldToEnd = true
	switch {
	case s.generation == m.generations.coming:
		m.newSide.workerLeaving(s)
	case s.state == slotServing:
		m.drainSlot(s)
	}
}

// drainSlot is called when a worker has begun to drain by itself.
func (m *master) drainSlot(s *slot) {
	until := time.Time{}
	if timeout := s.generation.config.Global.ShutdownTimeout; timeout > 0 {
		until = m.world.now().Add(timeout + grace)
	}
	s.become(slotDraining, until)
	m.coverSlots()
	m.replaceDrained()
}

// replaceDrained begins a handoff to another generation of the same configuration if no worker accepts any more because all
// drain.
func (m *master) replaceDrained() {
	g := m.generations.serving
	if m.phase != serving || m.occupied() || m.endAfter != nothing || slices.ContainsFunc(g.slots, (*slot).accepts) {
		return
	}
	r := order{kind: kindReload}
	if g.revived { // only a part of its configuration is known
		m.request(r)
		return
	}
	m.log.Event(logfile.NoWorkerAccepts)
	m.handOffTo(r, g.config, nil)
}

// quitWorker tells the worker of a slot to end at once, in whatever state the slot is. A worker of an older build, which
// another master has started, ends on SIGTERM.
func (m *master) quitWorker(s *slot) {
	switch s.state {
	case slotWaiting:
		s.become(slotVacant, time.Time{})
	case slotStarting, slotPrepared, slotServing, slotGiving, slotDraining:
		s.become(slotDying, m.world.now().Add(grace))
		m.world.send(s.process, link.Message{Kind: link.Quit}) // if it does not end, it is killed at the deadline
		if s.process.Adopted {
			m.world.terminate(s.process)
		}
	}
}

// kill sends SIGKILL to the worker of a slot. The slot stays dying until the worker is reaped.
func (m *master) kill(s *slot, why string) {
	switch s.state {
	case slotStarting, slotPrepared, slotServing, slotGiving, slotDraining:
		s.become(slotDying, time.Time{})
	case slotDying:
		s.until = time.Time{}
	default:
		return
	}
	s.killedFor = why
	m.log.Event(logfile.WorkerKilled, s.index, s.process.PID, why)
	m.world.kill(s.process)
}

// hungUp is called at the end of file on the worker link. Usually the worker is dead and its exit follows; one that lives
// cannot be controlled any more and must end.
func (m *master) hungUp(s *slot) {
	switch s.state {
	case slotStarting, slotPrepared, slotServing, slotGiving, slotDraining:
		s.become(slotDying, m.world.now().Add(grace))
	}
}

// expire is called at the deadline of a slot's state.
func (m *master) expire(s *slot) {
	switch s.state {
	case slotWaiting:
		s.become(slotVacant, time.Time{})
		m.fill(s)
	case slotStarting:
		m.kill(s, "not ready after "+readyTimeout.String())
	case slotDraining, slotDying:
		m.kill(s, "did not end in time")
	}
}

// The end of the master: a drain lets the workers finish their requests, a stop does not. Both are over when the last worker
// is reaped.

package master

import (
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// grace is how long after its own deadline, or after Quit, a worker is killed.
const grace = time.Second

// drain tells every worker to drain. The master closes its copies of the listening sockets first: each worker serves the
// connections that wait in its queue before it closes its copy, and no other copy may then keep the queue open for clients
// that no worker would answer.
func (m *master) drain() {
	m.become(draining)
	m.undone = nil
	m.refuseQueued()
	timeout := m.generations.serving.config.Global.ShutdownTimeout
	until := time.Time{}
	within := "without a deadline"
	if timeout > 0 {
		m.departure.until = m.world.now().Add(timeout)
		until = m.departure.until.Add(grace)
		within = "within " + timeout.String()
	}
	m.departure.at = m.world.now()
	m.expectWorkersEnd()
	m.unstoreGeneration()
	m.log.Event(logfile.Draining, within)
	m.acceptForMissing(m.generations.serving)
	left := m.leftElsewhere()
	m.closeListeners()
	ask := link.Message{Kind: link.Drain, Body: link.DrainBody(uint64(timeout.Milliseconds()))}
	for _, s := range m.generations.slots() {
		switch s.state {
		case slotWaiting:
			s.become(slotVacant, time.Time{})
		case slotStarting, slotServing:
			s.become(slotDraining, until)
			m.tellRemoved(s, left[s.index])
			m.pass(s, ask)
		}
	}
	m.finishEvent()
}

// expectWorkersEnd tells a service manager that the service stops, and how long that may take; see expectEnd.
func (m *master) expectWorkersEnd() {
	if !m.departure.ordered {
		m.world.services.Status("draining")
		return
	}
	m.world.services.Stopping("draining")
	if until := m.departure.until; !until.IsZero() {
		m.world.services.ExtendTimeout(until.Sub(m.world.now()) + 2*grace)
	}
}

// stop ends every worker at once. A second stop does not wait for them to notice.
func (m *master) stop() {
	if m.phase == stopping {
		for _, s := range m.generations.slots() {
			m.kill(s, "stopping for the second time")
		}
		return
	}
	if m.phase != draining {
		m.world.services.Stopping("stopping")
		m.unstoreGeneration()
	}
	m.become(stopping)
	m.refuseQueued()
	if m.oldSide != nil {
		m.oldSide.stop()
	}
	m.closeListeners()
	for _, s := range m.generations.slots() {
		m.quitWorker(s)
	}
	m.finishEvent()
}

// leaveBehind ends this process and nothing else: the workers serve on, and what the next master needs to take them over
// stays in the fd store. If the service manager is stopping the service, it drops the store, and the workers drain.
func (m *master) leaveBehind(err error) {
	m.log.Event(logfile.WorkersLeft, err)
	m.err, m.masters.leaveAll = err, true
	m.become(stopped)
}

// fail ends a start that cannot succeed; err becomes the result of Run. Workers that drain may go on: they have clients of
// another master's workers that could not be handed back.
func (m *master) fail(err error) {
	if m.generations.serving != nil && m.generations.serving.revived && m.phase == starting {
		m.leaveBehind(err)
		return
	}
	m.err = withHint(err)
	m.become(stopping)
	m.closeListeners()
	for _, s := range m.generations.slots() {
		if s.state != slotDraining {
			m.quitWorker(s)
		}
	}
	m.finishEvent()
}

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

// drainSoon drains, after the delay that the configuration has: until then clients are taken as before, and load balancers are
// told not to send any.
func (m *master) drainSoon() {
	delay := m.generations.serving.config.Global.DrainDelay
	if delay == 0 {
		m.drain()
		return
	}
	m.drainAt = m.world.now().Add(delay)
	m.refuseQueued()
	m.log.Event(logfile.DrainDelayed, delay)
	m.world.services.Stopping("draining soon")
	m.world.services.ExtendTimeout(delay + grace)
}

// tickDrain begins the drain when it is time.
func (m *master) tickDrain(now time.Time) {
	if m.phase == serving && !m.drainAt.IsZero() && !now.Before(m.drainAt) {
		m.drain()
	}
}

// drain tells every worker to drain. The master closes its copies of the listening sockets first: each worker serves the
// connections that wait in its queue before it closes its copy, and no other copy may then keep the queue open for clients
// that no worker would answer.
func (m *master) drain() {
	m.become(draining)
	m.refuseQueued()
	m.world.services.Stopping("draining")
	timeout := m.generations.serving.config.Global.ShutdownTimeout
	until := time.Time{}
	within := "without a deadline"
	if timeout > 0 {
		until = m.world.now().Add(timeout + grace)
		within = "within " + timeout.String()
		m.world.services.ExtendTimeout(timeout + 2*grace)
	}
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

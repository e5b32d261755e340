// Ending: a drain lets the workers finish what they owe, a stop does not; both end when the last worker is reaped.

package master

import (
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// grace is what a worker gets beyond its own deadline, and what one gets that was told to go at once.
const grace = time.Second

// drain asks every worker to end. The master lets go of the listening sockets first: nobody new comes to them from then on,
// each worker serves those who wait in its queue before it closes its copy, and then nothing may keep that queue open for
// clients whom nobody will answer.
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
	m.log.Printf(logfile.Notice, "draining %s", within)
	m.acceptForMissing(m.generations.serving)
	m.closeListeners()
	ask := link.Message{Kind: link.Drain, Body: link.DrainBody(uint64(timeout.Milliseconds()))}
	for _, s := range m.generations.slots() {
		switch s.state {
		case slotWaiting:
			s.become(slotVacant, time.Time{})
		case slotStarting, slotServing:
			s.become(slotDraining, until)
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
// stays in the store. A service that the service manager is stopping has no next master, and soon no store: then they
// drain.
func (m *master) leaveBehind(err error) {
	m.log.Printf(logfile.Error, "leaving the workers to the next master: %v", err)
	m.err, m.masters.leaveAll = err, true
	m.become(stopped)
}

// fail ends a start that cannot succeed; err becomes the result of Run. Workers that drain, because they have taken
// clients from another master that they could not hand back, have their time.
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

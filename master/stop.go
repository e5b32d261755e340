// Ending: a drain lets the workers finish what they owe, a stop does not; both end when the last worker is reaped.

package master

import (
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
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
	m.err, m.left = err, true
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

// leavesBehind tells whether this master, whose start has failed, leaves a worker to the next one: it has been there before.
func (m *master) leavesBehind(s *slot) bool {
	return m.err != nil && !m.successor && s.state == slotDraining && s.process.Adopted
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
	if m.predecessor != nil { // workers that it still hands over must not outlive this process
		return
	}
	if m.child { // it must not outlive this process with copies of the listening sockets; it was told, and is killed if it hangs
		return
	}
	m.become(stopped)
}

// quitWorker tells the worker of a slot to go at once, in whatever state the slot is. One of an older build, which another
// master has started, goes on SIGTERM.
func (m *master) quitWorker(s *slot) {
	switch s.state {
	case slotWaiting:
		s.become(slotVacant, time.Time{})
	case slotStarting, slotPrepared, slotServing, slotGiving, slotDraining:
		s.become(slotDying, m.world.now().Add(grace))
		m.world.send(s.process, link.Message{Kind: link.Quit}) // one that cannot hear it is killed in a moment
		if s.process.Adopted {
			m.world.terminate(s.process)
		}
	}
}

// kill leaves the worker of a slot no choice. The slot waits for the reaping, however long the kernel takes.
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
	m.log.Printf(logfile.Warn, "killing worker %d (pid %d): %s", s.index, s.process.PID, why)
	m.world.kill(s.process)
}

// hungUp follows the end of file on the worker link. Mostly the worker is dead and its exit follows; one that lives
// on has lost its master and must not go on serving unseen.
func (m *master) hungUp(s *slot) {
	switch s.state {
	case slotStarting, slotPrepared, slotServing, slotGiving, slotDraining:
		s.become(slotDying, m.world.now().Add(grace))
	}
}

// expire does what the state of the slot has waited for.
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

// pass sends a message to the worker of a slot, with descriptors, which stay the master's. One that is gone is dismissed. An
// error says that the master has no descriptor to keep the message for a worker that is busy: it is not told.
func (m *master) pass(s *slot, msg link.Message, fds ...int) error {
	err := m.world.send(s.process, msg, fds...)
	switch {
	case err == nil:
		return nil
	case process.NoDescriptor(err):
		m.log.Printf(logfile.Error, "telling worker %d (pid %d): %v; raise LimitNOFILE= (ulimit -n)", s.index, s.process.PID, err)
		return err
	}
	m.cannotSend(s, err.Error())
	return nil
}

// cannotSend follows when the worker of a slot takes no messages any more.
func (m *master) cannotSend(s *slot, why string) {
	m.log.Printf(logfile.Warn, "worker %d (pid %d) does not listen: %s", s.index, s.process.PID, why)
	if s.state != slotDying {
		m.quitWorker(s)
	}
}

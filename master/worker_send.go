// Messages to workers.

package master

import (
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/link"
)

// pass sends a message to the worker of a slot, with descriptors, which the master keeps. A worker that cannot be reached is
// told to quit. An error means that the master has too few descriptors to queue the message for a busy worker: it is not
// sent.
func (m *master) pass(s *slot, msg link.Message, fds ...int) error {
	err := m.world.send(s.process, msg, fds...)
	switch {
	case err == nil:
		return nil
	case process.NoDescriptor(err):
		m.log.Event(logfile.WorkerUntold, s.index, s.process.PID, err)
		return err
	}
	m.cannotSend(s, err.Error())
	return nil
}

// cannotSend is called when messages to the worker of a slot fail for good.
func (m *master) cannotSend(s *slot, why string) {
	m.log.Event(logfile.WorkerDeaf, s.index, s.process.PID, why)
	if s.state != slotDying {
		m.quitWorker(s)
	}
}

// serve lets a prepared worker accept connections.
func (m *master) serve(s *slot) {
	s.become(slotServing, time.Time{})
	s.readyAt = m.world.now()
	m.pass(s, link.Message{Kind: link.Serve})
}

// The messages of workers, and what is done about them.

package master

import (
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

// workerSent handles a message of a worker. It closes the descriptors that came with it and were not taken, that is,
// replaced by -1.
func (m *master) workerSent(s *slot, msg link.Message, fds []int) {
	defer m.closeUntaken(fds)
	switch msg.Kind {
	case link.Ready:
		if s.state == slotStarting {
			m.workerReady(s, msg)
		}
	case link.ClientsMoved:
		var body link.ClientsMovedBody
		if m.read(s, msg, &body) && s.state == slotGiving {
			m.workerMoved(s, body)
		}
	case link.PeerFailed:
		var body link.PeerFailedBody
		switch {
		case !m.read(s, msg, &body):
		case body.Generation > 0:
			m.earlierPeerFailed(s, body)
		case m.oldSide != nil && s.generation == m.generations.serving:
			m.oldSide.peerFailed(s, body)
		case m.newSide != nil && s.generation == m.generations.coming:
			m.newSide.peerFailed(s, body)
		}
	case link.Joined:
		var body link.PeerBody
		switch {
		case !m.read(s, msg, &body), body.Generation > 0:
		case m.oldSide != nil && s.generation == m.generations.serving:
			m.oldSide.workerJoined(pair{s.index, body.Slot})
		case m.newSide != nil && s.generation == m.generations.coming:
			m.newSide.workerJoined(s, pair{body.Slot, s.index})
		}
	case link.Lent:
		var body link.LentBody
		if m.read(s, msg, &body) {
			m.lent(s, body, fds)
		}
	case link.Question:
		m.workerAsks(s, msg)
	case link.Answer:
		m.workerAnswers(s, msg, fds)
	case link.Log:
		m.log.Forward(s.index, logevent.Parse(msg.Body))
	case link.Stale:
		m.workerDoubts(s, msg)
	case link.Switched:
		m.workerSwitched(s)
	case link.Leaving:
		m.workerLeaving(s)
	case link.Drained:
		m.log.Event(logfile.WorkerEmpty, s.index)
	}
}

func (m *master) closeUntaken(fds []int) {
	for _, fd := range fds {
		if fd >= 0 {
			m.world.close(fd)
		}
	}
}

// read parses the body of a worker's message, and logs an error.
func (m *master) read(s *slot, msg link.Message, body any) bool {
	err := link.ParseBody(msg, body)
	if err != nil {
		m.log.Event(logfile.WorkerMessageBad, s.index, s.process.PID, err)
	}
	return err == nil
}

// workerReady is called when a worker is ready: it serves, and when the last one is ready, the start is over. A worker of a
// coming generation waits until it may accept.
func (m *master) workerReady(s *slot, msg link.Message) {
	s.earlySignals = 0
	if m.announced() || m.phase == starting && !m.departure.at.IsZero() {
		m.tellOfDrain(s)
	}
	m.log.Event(logfile.WorkerReady, s.index, s.process.PID, cpuName(s.process.CPU))
	if s.generation == m.generations.coming {
		var body link.ReadyBody
		m.read(s, msg, &body)
		s.readyAt = m.world.now()
		m.newSide.workerReady(s, body)
		return
	}
	s.readyAt = m.world.now()
	s.become(slotServing, time.Time{})
	if s.takeover { // it was spawned before its generation took over
		m.pass(s, link.Message{Kind: link.Serve})
		m.pass(s, link.Message{Kind: link.Settle})
	}
	if s.toldToEnd {
		m.drainSlot(s)
		return
	}
	m.uncover(s)
	if m.oldSide != nil {
		m.oldSide.replaced(s)
	}
	if m.phase == serving {
		m.storeWorker(s)
	}
	if m.phase == starting && m.generations.serving.count(slotServing) == len(m.generations.serving.slots) {
		m.becomeServing()
	}
}

// becomeServing is called once, when the first generation of this process serves.
func (m *master) becomeServing() {
	m.become(serving)
	m.follow()
	m.settleListeners(m.generations.serving)
	if !m.generations.serving.revived { // a reload follows
		m.warnOfIdleSockets()
	}
	m.updateInherited()
	m.scheduleSummary()
	for i := range m.generations.serving.config.Pools {
		p := &m.generations.serving.config.Pools[i]
		m.log.Event(logfile.PoolServed, p.Name, p.ListenTexts(), len(m.generations.serving.slots))
	}
	m.settleStatistics(m.generations.serving.config)
	m.serveStats()
	m.settleControl()
	m.serveAdmin()
	m.settleReading(m.generations.serving)
	m.settleHTTP(m.generations.serving)
	m.tellOverruled(m.generations.serving.config)
	m.watch()
	m.tellOfCertificates()
	m.beginService()
	if !m.opts.EndOther || len(m.takenFrom.programs) == 0 { // otherwise when these have ended
		m.announce(nil)
	}
	m.takenOver()
	m.startQueued() // orders and intents that were queued during the start
}

// workerMoved is called when a worker has moved all clients that it could, to the new side or back.
func (m *master) workerMoved(s *slot, body link.ClientsMovedBody) {
	reason := ""
	if body.Reason != "" {
		reason = "; " + body.Reason
	}
	m.log.Event(logfile.WorkerMoved, s.index, s.process.PID, count(body.Moved, "client"), count(body.Stragglers, "straggler"), body.Closed, body.LongestPause, reason, body.Moved, body.Stragglers)
	switch {
	case s.generation == m.generations.coming:
		m.newSide.handedBack(s, body)
	case s.generation == m.generations.serving && m.oldSide != nil:
		m.oldSide.moved(s, body)
	}
}

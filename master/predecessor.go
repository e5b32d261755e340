// The old master's side of an upgrade: what it tells the new one, and how it leaves.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/worker/fault"
)

// welcome answers the new master's hello.
func (s *source) welcome(w word) {
	m := s.m
	version, err := conversation(w)
	if err != nil {
		s.fail(err)
		return
	}
	s.status.Build = w.Build
	m.log.printf(levelInfo, "upgrade: pinion %s on pid %d prepares to take over", w.Build, w.PID)
	s.enter(sourceWaiting, waitTimeout)
	s.target.say(word{
		Kind: wordWelcome, Version: version, Build: m.opts.Build, PID: m.world.pid, Generation: m.numbered,
		StartedAt: m.startedAt, Strict: s.strict, Clients: m.clientsNow(),
		Stored: m.generation.storedNames(),
	})
	s.tellSockets()
}

// agree lets the new master take over. From here on this one does nothing until it knows whether that has happened.
func (s *source) agree() {
	fault.At("om.agree")
	s.m.declineScrapes()
	s.enter(sourceLeaving, settleTimeout)
	s.target.say(word{Kind: wordAgreed})
}

// flip follows when the new master has taken over, which it may do by itself if this one was silent for too long, or has
// ended.
func (s *source) flip(err error) {
	m := s.m
	m.child = false
	if err != nil {
		m.disinherit()
	}
	switch {
	case m.source != s:
		m.next()
		return
	case err == nil:
		s.finish()
		return
	}
	s.exchange.close()
	switch s.phase {
	case sourceCalling, sourceWaiting:
		s.conclude(err)
	case sourceReturning:
		s.conclude(s.failure)
	default:
		s.lost(err)
	}
}

// lost follows the end of a new master while clients move: its workers give back by themselves.
func (s *source) lost(err error) {
	s.resume()
	s.conclude(fmt.Errorf("new master: %w", err))
}

// declineScrapes leaves who asks for the statistics to the new master. Were both to answer, totals would go back and forth:
// only the new one counts what its workers do.
func (m *master) declineScrapes() {
	if m.stats == nil {
		return
	}
	fd, err := m.world.fdOf(m.stats)
	if err != nil {
		m.log.printf(levelWarn, "upgrade: copying the statistics port: %v", err)
		return
	}
	m.stats.Close()
	m.stats, m.statsFD = nil, fd
}

// farewell is the last that an old master says and does: its successor serves.
func (s *source) farewell() {
	m := s.m
	s.tellWorkers()
	s.target.say(word{Kind: wordFarewell, Legacy: m.total(false), Result: &s.status})
	m.left = true
	m.become(stopped)
}

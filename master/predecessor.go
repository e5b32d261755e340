// The old master's side of an upgrade: what it tells the new one, and how it leaves.

package master

import (
	"errors"
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
	s.status.Build, s.successor = w.Build, w.PID
	s.declares = w.Obeys && m.world.services.present()
	m.log.printf(levelInfo, "upgrade: pinion %s on pid %d prepares to take over", w.Build, w.PID)
	s.enter(sourceWaiting, waitTimeout)
	s.target.say(word{
		Kind: wordWelcome, Version: version, Build: m.opts.Build, PID: m.world.pid, Generation: m.numbered,
		StartedAt: m.startedAt, Strict: s.strict, Clients: m.clientsNow(),
		Stored: m.generation.storedNames(), Declares: s.declares, Former: m.former,
	})
	s.tellSockets()
}

// agree lets the new master take over, which is the main process of the service from then on. Nobody but the main process
// may be sure that the service manager believes it, so this one says so.
func (s *source) agree() {
	fault.At("om.agree")
	if !s.declares {
		s.allow()
		return
	}
	m := s.m
	s.enter(sourceDeclaring, settleTimeout)
	s.declared = true
	m.world.services.mainPID(s.successor)
	m.world.services.barrier(func(err error) {
		m.world.report(event{then: func() { s.isDeclared(err) }})
	})
}

// isDeclared follows when the service manager knows, or is not waited for any more.
func (s *source) isDeclared(err error) {
	if s.m.source != s || s.phase != sourceDeclaring {
		return
	}
	if err != nil {
		s.m.log.printf(levelError, "upgrade: telling the service manager about the new master: %v", err)
	}
	s.allow()
}

// allow says what cannot be taken back. From here on this master does nothing until it knows what has come of it.
func (s *source) allow() {
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
	err = fmt.Errorf("new master: %w", err)
	s.resume()
	s.deposed = s.declares && (s.phase == sourceDeclaring || s.phase == sourceLeaving)
	s.conclude(err)
}

// errDeposed is why a master ends whose successor was killed when it was the main process of the service already. Who did that
// may be a service manager that stops the service: it must not go on. Otherwise another one is started, if this one fails.
var errDeposed = errors.New("the new master has ended when it was the main process of the service")

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

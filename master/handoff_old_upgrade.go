// The old master's side of an upgrade: what it tells the new one, and how it leaves.

package master

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/fault"
)

// welcome answers the new master's hello.
func (s *oldSide) welcome(msg message) {
	m := s.m
	version, err := conversation(msg)
	if err != nil {
		s.fail(err)
		return
	}
	s.status.Build, s.successor, s.intents = msg.Build, msg.PID, msg.Intents
	keeper := m.keeperPID()
	s.obeys, s.declares = msg.Obeys, m.world.services.Present() && keeper <= 0
	m.log.Printf(logfile.Info, "upgrade: pinion %s on pid %d prepares to take over", msg.Build, msg.PID)
	s.enter(oldWaiting, waitTimeout)
	s.other.send(message{
		Kind: messageWelcome, Version: version, Build: m.opts.Build, PID: m.world.pid, Generation: m.generations.numbered,
		StartedAt: m.startedAt, Strict: s.strict, Clients: m.clientsNow(),
		Found: totals.Found(m.counted().All, nil), Stored: m.generations.serving.storedNames(), Declares: s.declares || keeper > 0, Former: m.listeners.Former(), Intents: true, Verbosity: &m.log.Verbosity,
		Keeper: keeper, Stays: m.keeper.stays, Recounts: true, Topology: &m.generations.serving.topology, Pools: names(m.generations.serving.pools),
	})
	if !s.intents && m.log.Verbosity != logfile.ClampVerbosity(m.opts.Verbosity) {
		s.passAlong(message{})
	}
	if err := s.tellSockets(); err != nil {
		s.fail(err)
	}
}

// agree lets the new master take over, which is the main process of the service from then on. Nobody but the main process
// may be sure that the service manager believes it, so this one says so.
func (s *oldSide) agree() {
	fault.At("om.agree")
	if !s.declares {
		s.allow()
		return
	}
	m := s.m
	s.enter(oldDeclaring, settleTimeout)
	s.declared = true
	m.world.services.MainPID(s.successor)
	m.world.services.Barrier(func(err error) {
		m.world.report(event{then: func() { s.isDeclared(err) }})
	})
}

// isDeclared follows when the service manager knows, or is not waited for any more.
func (s *oldSide) isDeclared(err error) {
	if s.m.oldSide != s || s.phase != oldDeclaring {
		return
	}
	if err != nil {
		s.m.log.Printf(logfile.Error, "upgrade: telling the service manager about the new master: %v", err)
	}
	s.allow()
}

// allow says what cannot be taken back. From here on this master does nothing until it knows what has come of it.
func (s *oldSide) allow() {
	s.m.declineScrapes()
	s.enter(oldLeaving, settleTimeout)
	s.other.send(message{Kind: messageAgreed})
}

// flip follows when the new master has taken over, which it may do by itself if this one was silent for too long, or has
// ended.
func (s *oldSide) flip(err error) {
	m := s.m
	if err != nil && m.generations.ofNewMaster != nil && m.ending() {
		s.endOrphans(err)
		return
	}
	s.flipped(err)
}

// endOrphans follows when a new master has ended, and this one is about to. Workers that it has left would serve on for ever
// without a generation to hand their clients back to.
func (s *oldSide) endOrphans(err error) {
	m := s.m
	how := syscall.SIGTERM
	if m.phase == stopping || m.after == stop {
		how = syscall.SIGKILL
	}
	of := m.generations.ofNewMaster.sharedFD
	m.world.aside(func() func() {
		m.world.endSharers(of, how)
		return func() { s.flipped(err) }
	})
}

// flipped goes on when nothing is left of a new master that has ended, or when it has taken over.
func (s *oldSide) flipped(err error) {
	m := s.m
	m.child = false
	m.reapStrays()
	if err != nil {
		m.dropNewCounters()
	}
	switch {
	case m.oldSide != s:
		m.next()
		return
	case err == nil:
		s.finish()
		return
	case s.silent:
		s.ended(err)
	default: // its last words may say why
		s.childEnded = err
		s.link.stopReading()
	}
}

// ended follows the end of a new master, after its last words. One that was ended by a signal before it could catch any has
// got that for both.
func (s *oldSide) ended(err error) {
	if s.phase == oldCalling {
		for signal, w := range watched {
			if w.intent != nothing && strings.Contains(err.Error(), "signal: "+signal.String()) {
				s.m.log.Printf(logfile.Notice, "the new master has ended by %s, which is taken for an order to this one", w.name)
				defer s.m.intend(w.intent)
			}
		}
	}
	s.link.close()
	switch s.phase {
	case oldCalling, oldWaiting:
		s.conclude(err)
	case oldReturning:
		s.conclude(s.failure)
	default:
		s.lost(err)
	}
}

// lost follows the end of a new master while clients move: its workers hand back by themselves.
func (s *oldSide) lost(err error) {
	err = fmt.Errorf("new master: %w", err)
	s.resume()
	s.deposed = s.declares && (s.phase == oldDeclaring || s.phase == oldLeaving)
	s.conclude(err)
}

// errDeposed is why a master ends whose successor was killed when it was the main process of the service already. Who did that
// may be a service manager that stops the service: it must not go on. Otherwise another one is started, if this one fails.
var errDeposed = errors.New("the new master has ended when it was the main process of the service")

// farewell is the last that an old master says and does: its successor serves.
func (s *oldSide) farewell() {
	m := s.m
	s.tellWorkers()
	s.other.send(message{Kind: messageFarewell, Legacy: m.total(), Result: &s.status, Waiting: s.passOn()})
	m.left, m.keeper.newMaster = true, s.successor
	m.become(stopped)
}

// passAlong tells the new master what it must know if it takes over. Before it has said hello there is nothing to tell: its
// welcome does.
func (s *oldSide) passAlong(msg message) {
	switch {
	case s.phase == oldCalling:
	case s.intents:
		s.other.send(msg)
	default:
		s.m.log.Printf(logfile.Warn, "%s: the new master (pinion %s) cannot be told of changes to the log; ask it again when it serves",
			s.status.Kind, s.status.Build)
	}
}

// passOn returns what was asked for here and is the new master's to do. One of an older version is told by signals. Those
// who wait for an answer are told to ask it.
func (s *oldSide) passOn() (names []string) {
	m := s.m
	replaced := admin.Outcome{Error: "another master has taken over; ask again", Failure: admin.FailureReplaced}
	var waiting []intent
	if r := m.queued; r != nil {
		if r.unheard {
			waiting = append(waiting, map[string]intent{kindReload: reload, kindUpgrade: upgrade}[r.kind])
		}
		r.answer(replaced)
		m.queued = nil
	}
	for _, a := range m.admin.deferred {
		a.Reply <- replaced
	}
	m.admin.deferred = nil
	if m.after != nothing {
		waiting = append(waiting, m.after)
	}
	for _, what := range waiting {
		m.log.Printf(logfile.Notice, "%s is left to the new master", intentNames[what])
		if s.intents {
			names = append(names, intentNames[what])
		} else if err := m.world.signal(s.successor, signalOf(what)); err != nil {
			m.log.Printf(logfile.Error, "%s: telling the new master (pid %d): %v; ask it again", s.status.Kind, s.successor, err)
		}
	}
	return names
}

// resumeAsks does what was asked for when it seemed that the new master would do it.
func (m *master) resumeAsks() {
	asks := m.admin.deferred
	m.admin.deferred = nil
	for _, a := range asks {
		m.asked(a)
	}
}

// yielding tells whether a new master may take over at any moment, or has.
func (m *master) yielding() bool { return m.oldSide != nil && m.oldSide.phase == oldLeaving }

// relayed takes what the other master was asked for.
func (m *master) relayed(msg message, asNew bool) {
	what := intentNamed(msg.Intent)
	switch {
	case msg.Verbosity != nil && asNew:
		m.setVerbosity(*msg.Verbosity)
	case what == nothing: // of a later version
	case what == reopenLog:
		m.reopenLog(nil)
	case asNew && m.phase == starting: // it tells the same in its last words
	case what == drain && m.ending():
	default:
		m.log.Printf(logfile.Notice, "the other master was asked to %s", msg.Intent)
		m.intend(what)
	}
}

// ending tells whether pinion has been asked to end.
func (m *master) ending() bool { return m.after != nothing || m.phase > serving }

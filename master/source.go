// The source of a handoff: it owns the generation that serves, and has its workers move their clients. Until the target
// has settled, whatever goes wrong ends with this generation serving on.

package master

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
)

type sourcePhase uint8

const (
	sourceCalling   sourcePhase = iota // upgrade: the new master is being started
	sourceWaiting                      // for the target to be prepared
	sourceJoining                      // workers of both sides get their connections to each other
	sourceGiving                       // workers move their clients
	sourceSettling                     // everything has moved; the target is about to take over for good
	sourceLeaving                      // upgrade: it may; whether it has, only its process tells
	sourceReturning                    // clients are coming back
	sourceDeclaring                    // upgrade: the service manager is told which process is the main one from now on
)

var sourcePhaseNames = [...]string{"calling", "waiting", "joining", "giving", "settling", "leaving", "returning", "declaring"}

func (p sourcePhase) String() string { return sourcePhaseNames[p] }

const (
	callTimeout   = 15 * time.Second // for a new binary to start and to introduce itself
	waitTimeout   = 30 * time.Second // for a target to be prepared
	joinTimeout   = 2 * time.Second  // for workers to take their connections; older builds do not say that they have
	giveTimeout   = 8 * time.Second  // for a worker, beyond the patience that it has with stragglers; see below
	settleTimeout = 10 * time.Second
	returnTimeout = 10 * time.Second // for the target's workers
)

// A worker that works can need nearly all of giveTimeout. Where its peer hangs, it notices that after handoff.Patience, 3 s;
// the next worker starts and calls all servers, which may take a second each; that one may be slow to answer, too. A worker
// that needs still longer, and turns, is right about something that nobody here knows, so its clients stay with it.

// source is one attempt to hand over. Only the goroutine of Run touches it.
type source struct {
	m       *master
	target  counterpart
	status  admin.HandoffStatus
	kind    admin.Failure          // of an attempt that has failed
	replies []chan<- admin.Outcome // who asked for it
	strict  bool                   // whoever asked wants every server to be reached

	phase    sourcePhase
	until    time.Time // deadline of the phase
	slots    int       // of the target
	removed  []int     // pools whose addresses the target does not serve
	patience time.Duration
	awaited  map[pair]bool          // connections that the old worker has not said it has
	given    map[int]link.GivenBody // by slot: who has moved all that moves
	failure  error                  // why clients are coming back
	inquiry  *inquiry               // servers are asked whether the old workers reach them; nil: no
	remarks  []string               // for whoever asked, if it is done
	changes  []string               // what a reload is to change, in short
	losses   losses
	theirs   losses // upgrade: of the new master's workers, as it says

	exchange  *exchange // upgrade: the way to the new master
	successor int       // upgrade: its pid
	intents   bool      // upgrade: the new master knows the word intent
	silent    bool      // upgrade: there is nothing more to hear of the new master

	childEnded error // upgrade: how the process of the new master has ended; nil: it has not, or all is heard
	declares   bool  // upgrade: this master tells the service manager about the new one
	obeys      bool  // upgrade: which does not do so itself; one of an early version does, and may not be listened to
	deposed    bool  // upgrade: the new master has ended when it was the main process of the service
	declared   bool  // upgrade: others may have been told that the new master is the one that serves
}

func (s *source) enter(phase sourcePhase, timeout time.Duration) {
	s.phase, s.until = phase, s.m.world.now().Add(timeout)
}

// hear takes what the target says.
func (s *source) hear(w word) {
	if w.Lost > 0 {
		s.theirs = losses{w.Lost, w.LostReason}
	}
	switch {
	case w.Kind == wordHello && s.phase == sourceCalling:
		s.welcome(w)
	case w.Kind == wordCounters && s.phase == sourceWaiting:
		s.m.expect(w)
	case w.Kind == wordPrepared && s.phase == sourceWaiting && s.inquiry == nil:
		s.prepared(w)
	case w.Kind == wordAgain && s.phase == sourceGiving:
		s.introduce(w.Slot)
	case w.Kind == wordSettled && s.phase == sourceSettling && s.exchange != nil:
		s.agree()
	case w.Kind == wordSettled && s.phase == sourceSettling:
		s.finish()
	case w.Kind == wordSettled && s.phase == sourceLeaving: // it has lost clients since it said so first
		s.target.say(word{Kind: wordAgreed})
	case w.Kind == wordFailed:
		s.fail(errors.New(w.Reason))
	case w.Kind == wordReturned && s.phase == sourceReturning:
		s.status.Kept = w.Kept
		s.conclude(s.failure)
	}
}

// prepared follows when the new workers can serve. A server that they cannot reach is a reason to stay with the old
// ones, if those can: a wrong password must not become an outage by a reload.
func (s *source) prepared(w word) {
	m := s.m
	m.addSockets(w)
	var doubts []doubtful
	strict := w.Strict || s.strict
	for _, u := range w.Unreachable {
		d, connected := m.generation.doubt(u)
		if connected || strict {
			d.Unreachable = u
			doubts = append(doubts, d)
		}
	}
	switch {
	case len(doubts) == 0:
		s.proceed(w)
	case strict:
		s.failUnreachable(doubts)
	default:
		s.inquire(w, doubts)
	}
}

// proceed begins to move the clients to workers that reach every server that the old ones reach.
func (s *source) proceed(w word) {
	s.inquiry = nil
	if len(w.Unreachable) > 0 {
		remark := "new workers cannot reach " + list(w.Unreachable)
		s.remarks = append(s.remarks, remark)
		s.m.log.Printf(logfile.Warn, "%s: %s", s.status.Kind, remark)
	}
	s.slots, s.patience = w.Slots, w.Patience
	s.removed = s.m.generation.unserved(w.Serves)
	s.status.Build = w.Build
	s.join()
}

// give begins to move the clients.
func (s *source) give() {
	m := s.m
	fault.At("om.go")
	if s.exchange != nil {
		if err := s.tellGenerations(); err != nil {
			s.fail(err)
			return
		}
	}
	s.enter(sourceGiving, s.patience+giveTimeout)
	for i := range m.listeners {
		if m.listeners[i].fresh {
			m.listeners[i].queues = true // from here on, or soon
		}
	}
	s.target.say(s.goAhead())
	if len(s.removed) > 0 {
		m.shelter(m.generation)
	}
	for _, from := range m.generation.slots {
		if from.state == slotServing {
			s.begin(from)
		}
	}
	s.checkMoved()
}

// goAhead is the word that has the target take over.
func (s *source) goAhead() word {
	m := s.m
	w := word{Kind: wordGo, Legacy: m.total()}
	if s.exchange != nil {
		m.recount()
		w.Past, w.Balance = &totals.Sums{}, m.totals.Balance
		if m.totals.Past != nil {
			w.Past = m.totals.Past
		}
	}
	return w
}

// begin has a worker move its clients.
func (s *source) begin(from *slot) {
	from.become(slotGiving, time.Time{})
	s.m.tellRemoved(from, s.removed)
	s.m.pass(from, link.Message{Kind: link.Give, Body: link.Body(link.GiveBody{Patience: s.patience})})
}

// gave notes that a worker has moved all that moves.
func (s *source) gave(from *slot, body link.GivenBody) {
	if body.Starved && s.phase == sourceGiving { // as stragglers they would be cut, though nothing is wrong with them
		s.fail(fmt.Errorf("%d clients of worker %d cannot move: %s; raise LimitNOFILE= (ulimit -n) or memory_limit",
			body.Stragglers, from.index, body.Reason))
		return
	}
	s.given[from.index] = body
	s.checkMoved()
}

// bereft follows the death of a worker that was giving. What it has said of its clients stays true.
func (s *source) bereft(from *slot) {
	if _, said := s.given[from.index]; !said {
		s.given[from.index] = link.GivenBody{}
	}
	s.checkMoved()
}

// moves tells whether a worker is to move clients, and has neither said that it is done nor gone. One that dies is waited
// for, since its clients must be counted: also one that is done, with its stragglers.
func (s *source) moves(from *slot) bool {
	if _, done := s.given[from.index]; done {
		return from.state == slotGiving && s.m.dead(from)
	}
	return from.state == slotGiving || from.state == slotDying && !from.mourned
}

// checkMoved goes on when all workers are done.
func (s *source) checkMoved() {
	if s.phase != sourceGiving {
		return
	}
	for _, from := range s.m.generation.slots {
		if s.moves(from) {
			return
		}
	}
	s.enter(sourceSettling, settleTimeout)
	s.declared = s.exchange != nil
	s.total()
	s.target.say(word{Kind: wordMoved, Result: &s.status})
}

// total adds up what the workers say.
func (s *source) total() {
	t := &s.status
	t.Moved, t.Stragglers, t.Closed, t.Bytes, t.LongestPause = 0, 0, 0, 0, 0
	for _, body := range s.given {
		t.Moved += body.Moved
		t.Stragglers += body.Stragglers
		t.Closed += body.Closed
		t.Bytes += body.Bytes
		t.LongestPause = max(t.LongestPause, body.LongestPause)
	}
	countLost(t, s.losses, s.theirs)
}

// peerFailed follows when a worker can give nothing more to a new one. If that one is dead, its master sees it; else the
// two may need a connection that works.
func (s *source) peerFailed(from *slot, body link.PeerFailedBody) {
	s.m.log.Printf(logfile.Warn, "%s: worker %d says of new worker %d: %s", s.status.Kind, from.index, body.Slot, body.Reason)
	s.losses.add(body.Lost, fmt.Sprintf("new worker %d: %s", body.Slot, body.Reason))
	switch {
	case body.Unjoined && (s.phase == sourceJoining || s.phase == sourceGiving):
		s.fail(fmt.Errorf("connecting %v: %s", pair{from.index, body.Slot}, body.Reason))
	case s.phase == sourceGiving:
		s.target.say(word{Kind: wordSuspect, Slot: body.Slot, Hung: body.Hung, Reason: body.Reason})
	}
}

// finish is past the point of no return: the new generation serves. What has not moved may still do so, or ends in its
// old worker.
func (s *source) finish() {
	m := s.m
	fault.At("om.finish")
	s.introduceEarlier()
	deadline := m.generation.config.Global.ShutdownTimeout
	for _, from := range m.generation.slots {
		m.release(from, deadline, s.removed)
	}
	if s.exchange == nil {
		m.succeed()
	} else {
		if !s.obeys || !s.declares { // else the service manager may listen to the new master only, which does that
			m.unstore(m.generation.storedNames())
		}
		if m.admin.server != nil { // what those whom conclude answers ask next is for the new master
			m.admin.server.Leave()
		}
	}
	s.conclude(nil)
}

// release has a worker that another one follows move or drain what it still has, and end. At the addresses of removed pools
// nobody follows it.
func (m *master) release(from *slot, deadline time.Duration, removed []int) {
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

// expire follows when a phase lasts too long.
func (s *source) expire() {
	m := s.m
	switch s.phase {
	case sourceCalling:
		s.fail(fmt.Errorf("%s was started as the new master and says nothing within %s: it hangs, or is another program; "+
			"see what it says with -V, and install it again", m.world.self, callTimeout))
	case sourceWaiting:
		if s.inquiry != nil {
			s.inquired()
			return
		}
		s.fail(fmt.Errorf("new generation is not ready after %s; its log lines say how far it is", waitTimeout))
	case sourceJoining:
		s.give()
	case sourceGiving:
		s.overdue()
	case sourceSettling:
		s.fail(fmt.Errorf("new generation does not take over within %s", settleTimeout))
	case sourceDeclaring:
		s.isDeclared(fmt.Errorf("no answer within %s", settleTimeout))
	case sourceLeaving:
		m.log.Printf(logfile.Error, "%s: the new master does not take over within %s", s.status.Kind, settleTimeout)
		s.enter(sourceLeaving, settleTimeout)
		s.dismissChild()
	case sourceReturning:
		s.conclude(s.failure)
	}
}

// overdue follows when workers have not given all their clients in time. One that hangs is killed, and what it has offered
// already is safe with its successor. One that turns serves its clients better than nobody: then they all come back.
func (s *source) overdue() {
	m := s.m
	undecided := false
	for _, from := range m.generation.slots {
		switch {
		case !s.moves(from):
		case from.state == slotDying: // even killing it has not helped
			m.mourn(from, "does not end")
		case from.hangs():
			m.mourn(from, "killed, since it hangs and does not hand its clients over")
			m.kill(from, "it hangs, and does not hand its clients over")
		case from.pulse.still > 0:
			undecided = true
		default:
			s.fail(fmt.Errorf("worker %d does not hand its clients over within %s", from.index, s.patience+giveTimeout))
			return
		}
	}
	s.until = m.world.now().Add(giveTimeout)
	if undecided {
		s.until = m.world.now().Add(pulseEvery)
	}
	s.checkMoved()
}

// conclude ends the attempt and tells everyone concerned how it went.
func (s *source) conclude(err error) {
	m := s.m
	err = withRemedy(err)
	s.status.Took = m.world.now().Sub(s.status.At)
	s.status.Outcome = admin.HandoffDone
	countLost(&s.status, s.losses, s.theirs)
	m.source = nil
	if err != nil {
		s.status.Outcome, s.status.Reason = admin.HandoffFailed, err.Error()+lossClause(&s.status)
		s.abandon()
	}
	m.last = &s.status
	if err == nil {
		for _, line := range s.changes {
			m.log.Printf(logfile.Notice, "%s: %s", s.status.Kind, line)
		}
	}
	m.log.Printf(levelOf(&s.status), "%s%s", m.stillOld(), lineOf(&s.status))
	s.notifyOutcome()
	for _, reply := range s.replies {
		o := admin.Outcome{Error: s.status.Reason, Handoff: &s.status, Failure: s.kind}
		if err == nil {
			o.Lines = append(slices.Clone(s.changes), s.remarks...)
		}
		if s.kind == admin.FailureConfig {
			o = m.misconfigured(err)
			o.Handoff = &s.status
		}
		reply <- o
	}
	if s.exchange != nil && err == nil {
		s.farewell()
		return
	}
	if s.deposed && m.after == nothing {
		m.leaveBehind(errDeposed)
		return
	}
	if m.keeper.lost != nil && m.after == nothing {
		m.leaveBehind(m.keeper.lost)
		return
	}
	m.resumeAsks()
	m.next()
}

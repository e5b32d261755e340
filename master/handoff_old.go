// The old side of a handoff: it owns the generation that serves, and has its workers move their clients. Until the new side
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

type oldPhase uint8

const (
	oldCalling   oldPhase = iota // upgrade: the new master is being started
	oldWaiting                   // for the new side to be prepared
	oldJoining                   // workers of both sides get their connections to each other
	oldMoving                    // workers move their clients
	oldSettling                  // everything has moved; the new side is about to take over for good
	oldLeaving                   // upgrade: it may; whether it has, only its process tells
	oldReturning                 // clients are coming back
	oldDeclaring                 // upgrade: the service manager is told which process is the main one from now on
)

var oldPhaseNames = [...]string{"calling", "waiting", "joining", "moving", "settling", "leaving", "returning", "declaring"}

func (p oldPhase) String() string { return oldPhaseNames[p] }

const (
	callTimeout   = 15 * time.Second // for a new binary to start and to introduce itself
	waitTimeout   = 30 * time.Second // for a new side to be prepared
	joinTimeout   = 2 * time.Second  // for workers to take their connections; older builds do not say that they have
	moveTimeout   = 8 * time.Second  // for a worker, beyond the patience that it has with stragglers; see below
	settleTimeout = 10 * time.Second
	returnTimeout = 10 * time.Second // for the new side's workers
)

// A worker that works can need nearly all of moveTimeout. Where its peer hangs, it notices that after handoff.Patience, 3 s;
// the next worker starts and calls all servers, which may take a second each; that one may be slow to answer, too. A worker
// that needs still longer, and turns, is right about something that nobody here knows, so its clients stay with it.

// oldSide is one attempt to hand over. Only the goroutine of Run touches it.
type oldSide struct {
	m       *master
	other   counterpart
	status  admin.HandoffStatus
	kind    admin.Failure          // of an attempt that has failed
	replies []chan<- admin.Outcome // who asked for it
	strict  bool                   // whoever asked wants every server to be reached

	phase    oldPhase
	until    time.Time // deadline of the phase
	slots    int       // of the new side
	removed  []int     // pools whose addresses the new side does not serve
	patience time.Duration
	awaited  map[pair]bool                 // connections that the old worker has not said it has
	results  map[int]link.ClientsMovedBody // by slot: who has moved all that moves
	failure  error                         // why clients are coming back
	inquiry  *inquiry                      // servers are asked whether the old workers reach them; nil: no
	remarks  []string                      // for whoever asked, if it is done
	changes  []string                      // what a reload is to change, in short
	losses   losses
	theirs   losses // upgrade: of the new master's workers, as it says

	link      *masterLink // upgrade: the way to the new master
	successor int         // upgrade: its pid
	intents   bool        // upgrade: the new master knows the message intent
	silent    bool        // upgrade: there is nothing more to hear of the new master

	childEnded error // upgrade: how the process of the new master has ended; nil: it has not, or all is heard
	declares   bool  // upgrade: this master tells the service manager about the new one
	obeys      bool  // upgrade: which does not do so itself; one of an early version does, and may not be listened to
	deposed    bool  // upgrade: the new master has ended when it was the main process of the service
	declared   bool  // upgrade: others may have been told that the new master is the one that serves
}

func (s *oldSide) enter(phase oldPhase, timeout time.Duration) {
	s.phase, s.until = phase, s.m.world.now().Add(timeout)
}

// handle takes what the new side says.
func (s *oldSide) handle(msg message) {
	if msg.Lost > 0 {
		s.theirs = losses{msg.Lost, msg.LostReason}
	}
	switch {
	case msg.Kind == messageHello && s.phase == oldCalling:
		s.welcome(msg)
	case msg.Kind == messageCounters && s.phase == oldWaiting:
		s.m.mapNewCounters(msg)
	case msg.Kind == messagePrepared && s.phase == oldWaiting && s.inquiry == nil:
		s.prepared(msg)
	case msg.Kind == messageAgain && s.phase == oldMoving:
		s.introduce(msg.Slot)
	case msg.Kind == messageSettled && s.phase == oldSettling && s.link != nil:
		s.agree()
	case msg.Kind == messageSettled && s.phase == oldSettling:
		s.finish()
	case msg.Kind == messageSettled && s.phase == oldLeaving: // it has lost clients since it said so first
		s.other.send(message{Kind: messageAgreed})
	case msg.Kind == messageFailed:
		s.fail(errors.New(msg.Reason))
	case msg.Kind == messageReturned && s.phase == oldReturning:
		s.status.Kept = msg.Kept
		s.conclude(s.failure)
	}
}

// prepared follows when the new workers can serve. A server that they cannot reach is a reason to stay with the old
// ones, if those can: a wrong password must not become an outage by a reload.
func (s *oldSide) prepared(msg message) {
	m := s.m
	m.addSockets(msg)
	var doubts []doubtful
	strict := msg.Strict || s.strict
	for _, u := range msg.Unreachable {
		d, connected := m.generations.serving.doubt(u)
		if connected || strict {
			d.Unreachable = u
			doubts = append(doubts, d)
		}
	}
	switch {
	case len(doubts) == 0:
		s.proceed(msg)
	case strict:
		s.failUnreachable(doubts)
	default:
		s.inquire(msg, doubts)
	}
}

// proceed begins to move the clients to workers that reach every server that the old ones reach.
func (s *oldSide) proceed(msg message) {
	s.inquiry = nil
	if len(msg.Unreachable) > 0 {
		remark := "new workers cannot reach " + list(msg.Unreachable)
		s.remarks = append(s.remarks, remark)
		s.m.log.Printf(logfile.Warn, "%s: %s", s.status.Kind, remark)
	}
	s.slots, s.patience = msg.Slots, msg.Patience
	s.removed = s.m.generations.serving.unserved(msg.Serves)
	s.status.Build = msg.Build
	s.join()
}

// move begins to move the clients.
func (s *oldSide) move() {
	m := s.m
	fault.At("om.go")
	if s.link != nil {
		if err := s.tellGenerations(); err != nil {
			s.fail(err)
			return
		}
	}
	s.enter(oldMoving, s.patience+moveTimeout)
	for _, l := range m.listeners.All() {
		if l.Fresh {
			l.Queues = true // from here on, or soon
		}
	}
	s.other.send(s.goAhead())
	if len(s.removed) > 0 {
		m.shelter(m.generations.serving)
	}
	for _, from := range m.generations.serving.slots {
		if from.state == slotServing {
			s.begin(from)
		}
	}
	s.checkMoved()
}

// goAhead is the message that has the new side take over.
func (s *oldSide) goAhead() message {
	m := s.m
	msg := message{Kind: messageGo, Legacy: m.total()}
	if s.link != nil {
		m.recount()
		msg.Past, msg.Balance = &totals.Sums{}, m.totals.Balance
		if m.totals.Past != nil {
			msg.Past = m.totals.Past
		}
	}
	return msg
}

// begin has a worker move its clients.
func (s *oldSide) begin(from *slot) {
	from.become(slotGiving, time.Time{})
	s.m.tellRemoved(from, s.removed)
	s.m.pass(from, link.Message{Kind: link.MoveClients, Body: link.Body(link.MoveClientsBody{Patience: s.patience})})
}

// moved notes that a worker has moved all that moves.
func (s *oldSide) moved(from *slot, body link.ClientsMovedBody) {
	if body.Starved && s.phase == oldMoving { // as stragglers they would be cut, though nothing is wrong with them
		s.fail(fmt.Errorf("%d clients of worker %d cannot move: %s; raise LimitNOFILE= (ulimit -n) or memory_limit",
			body.Stragglers, from.index, body.Reason))
		return
	}
	s.results[from.index] = body
	s.checkMoved()
}

// workerDied follows the death of a worker that was moving its clients. What it has said of its clients stays true.
func (s *oldSide) workerDied(from *slot) {
	if _, said := s.results[from.index]; !said {
		s.results[from.index] = link.ClientsMovedBody{}
	}
	s.checkMoved()
}

// moves tells whether a worker is to move clients, and has neither said that it is done nor gone. One that dies is waited
// for, since its clients must be counted: also one that is done, with its stragglers.
func (s *oldSide) moves(from *slot) bool {
	if _, done := s.results[from.index]; done {
		return from.state == slotGiving && s.m.dead(from)
	}
	return from.state == slotGiving || from.state == slotDying && !from.mourned
}

// checkMoved goes on when all workers are done.
func (s *oldSide) checkMoved() {
	if s.phase != oldMoving {
		return
	}
	for _, from := range s.m.generations.serving.slots {
		if s.moves(from) {
			return
		}
	}
	s.enter(oldSettling, settleTimeout)
	s.declared = s.link != nil
	s.total()
	s.other.send(message{Kind: messageMoved, Result: &s.status})
}

// total adds up what the workers say.
func (s *oldSide) total() {
	t := &s.status
	t.Moved, t.Stragglers, t.Closed, t.Bytes, t.LongestPause = 0, 0, 0, 0, 0
	for _, body := range s.results {
		t.Moved += body.Moved
		t.Stragglers += body.Stragglers
		t.Closed += body.Closed
		t.Bytes += body.Bytes
		t.LongestPause = max(t.LongestPause, body.LongestPause)
	}
	countLost(t, s.losses, s.theirs)
}

// peerFailed follows when a worker can hand nothing more to a new one. If that one is dead, its master sees it; else the
// two may need a connection that works.
func (s *oldSide) peerFailed(from *slot, body link.PeerFailedBody) {
	s.m.log.Printf(logfile.Warn, "%s: worker %d says of new worker %d: %s", s.status.Kind, from.index, body.Slot, body.Reason)
	s.losses.add(body.Lost, fmt.Sprintf("new worker %d: %s", body.Slot, body.Reason))
	switch {
	case body.Unjoined && (s.phase == oldJoining || s.phase == oldMoving):
		s.fail(fmt.Errorf("connecting %v: %s", pair{from.index, body.Slot}, body.Reason))
	case s.phase == oldMoving:
		s.other.send(message{Kind: messageSuspect, Slot: body.Slot, Hung: body.Hung, Reason: body.Reason})
	}
}

// finish is past the point of no return: the new generation serves. What has not moved may still do so, or ends in its
// old worker.
func (s *oldSide) finish() {
	m := s.m
	fault.At("om.finish")
	s.introduceEarlier()
	deadline := m.generations.serving.config.Global.ShutdownTimeout
	for _, from := range m.generations.serving.slots {
		m.release(from, deadline, s.removed)
	}
	if s.link == nil {
		m.succeed()
	} else {
		if !s.obeys || !s.declares { // else the service manager may listen to the new master only, which does that
			m.unstore(m.generations.serving.storedNames())
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
func (s *oldSide) expire() {
	m := s.m
	switch s.phase {
	case oldCalling:
		s.fail(fmt.Errorf("%s was started as the new master and says nothing within %s: it hangs, or is another program; "+
			"see what it says with -V, and install it again", m.world.self, callTimeout))
	case oldWaiting:
		if s.inquiry != nil {
			s.inquired()
			return
		}
		s.fail(fmt.Errorf("new generation is not ready after %s; its log lines say how far it is", waitTimeout))
	case oldJoining:
		s.move()
	case oldMoving:
		s.overdue()
	case oldSettling:
		s.fail(fmt.Errorf("new generation does not take over within %s", settleTimeout))
	case oldDeclaring:
		s.isDeclared(fmt.Errorf("no answer within %s", settleTimeout))
	case oldLeaving:
		m.log.Printf(logfile.Error, "%s: the new master does not take over within %s", s.status.Kind, settleTimeout)
		s.enter(oldLeaving, settleTimeout)
		s.dismissChild()
	case oldReturning:
		s.conclude(s.failure)
	}
}

// overdue follows when workers have not handed over all their clients in time. One that hangs is killed, and what it has offered
// already is safe with its successor. One that turns serves its clients better than nobody: then they all come back.
func (s *oldSide) overdue() {
	m := s.m
	undecided := false
	for _, from := range m.generations.serving.slots {
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
			s.fail(fmt.Errorf("worker %d does not hand its clients over within %s", from.index, s.patience+moveTimeout))
			return
		}
	}
	s.until = m.world.now().Add(moveTimeout)
	if undecided {
		s.until = m.world.now().Add(pulseEvery)
	}
	s.checkMoved()
}

// conclude ends the attempt and tells everyone concerned how it went.
func (s *oldSide) conclude(err error) {
	m := s.m
	err = withRemedy(err)
	s.status.Took = m.world.now().Sub(s.status.At)
	s.status.Outcome = admin.HandoffDone
	countLost(&s.status, s.losses, s.theirs)
	m.oldSide = nil
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
	if s.link != nil && err == nil {
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

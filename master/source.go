// The source of a handoff: it owns the generation that serves, and has its workers move their clients. Until the target
// has settled, whatever goes wrong ends with this generation serving on.

package master

import (
	"errors"
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
)

type sourcePhase uint8

const (
	sourceCalling   sourcePhase = iota // upgrade: the new master is being started
	sourceWaiting                      // for the target to be prepared
	sourceGiving                       // workers move their clients
	sourceSettling                     // everything has moved; the target is about to take over for good
	sourceLeaving                      // upgrade: it may; whether it has, only its process tells
	sourceReturning                    // clients are coming back
	sourceDeclaring                    // upgrade: the service manager is told which process is the main one from now on
)

var sourcePhaseNames = [...]string{"calling", "waiting", "giving", "settling", "leaving", "returning", "declaring"}

func (p sourcePhase) String() string { return sourcePhaseNames[p] }

const (
	callTimeout   = 15 * time.Second // for a new binary to start and to introduce itself
	waitTimeout   = 30 * time.Second // for a target to be prepared
	giveTimeout   = 8 * time.Second  // for a worker, beyond the patience that it has with stragglers; see below
	settleTimeout = 10 * time.Second
	returnTimeout = 10 * time.Second
)

// A worker that works can need nearly all of giveTimeout. Where its peer hangs, it notices that after handoff.Patience, 3 s;
// the next worker starts and calls all servers, which may take a second each; that one may be slow to answer, too. The
// master cannot tell this from a worker that hangs, whose clients lose nothing by a few seconds more: they are not served
// either way, and cut when it is killed.

// source is one attempt to hand over. Only the goroutine of Run touches it.
type source struct {
	m       *master
	target  counterpart
	status  HandoffStatus
	kind    failure          // of an attempt that has failed
	replies []chan<- outcome // who asked for it
	strict  bool             // whoever asked wants every server to be reached

	phase    sourcePhase
	until    time.Time // deadline of the phase
	slots    int       // of the target
	removed  []int     // pools whose addresses the target does not serve
	patience time.Duration
	given    map[int]link.GivenBody // by slot: who has moved all that moves
	failure  error                  // why clients are coming back
	inquiry  *inquiry               // servers are asked whether the old workers reach them; nil: no

	exchange  *exchange // upgrade: the way to the new master
	successor int       // upgrade: its pid
	intents   bool      // upgrade: the new master knows the word intent
	declares  bool      // upgrade: this master tells the service manager about the new one, which does not do so itself
	deposed   bool      // upgrade: the new master has ended when it was the main process of the service
	declared  bool      // upgrade: others may have been told that the new master is the one that serves
}

func (s *source) enter(phase sourcePhase, timeout time.Duration) {
	s.phase, s.until = phase, s.m.world.now().Add(timeout)
}

// hear takes what the target says.
func (s *source) hear(w word) {
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
	case w.Kind == wordFailed:
		s.fail(errors.New(w.Reason))
	case w.Kind == wordReturned && s.phase == sourceReturning:
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
		s.m.log.printf(levelWarn, "%s: new workers cannot reach %s", s.status.Kind, list(w.Unreachable))
	}
	s.slots, s.patience = w.Slots, w.Patience
	s.removed = s.m.generation.unserved(w.Serves)
	s.status.Build = w.Build
	s.give()
}

// give begins to move the clients.
func (s *source) give() {
	m := s.m
	s.enter(sourceGiving, s.patience+giveTimeout)
	for i := range m.listeners {
		if m.listeners[i].fresh {
			m.listeners[i].queues = true // from here on, or soon
		}
	}
	s.given = map[int]link.GivenBody{}
	for _, from := range m.generation.slots {
		if from.state == slotServing {
			s.connect(from, s.partners(from)...)
		}
	}
	fault.At("om.go")
	if s.exchange != nil {
		s.tellGenerations()
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
	w := word{Kind: wordGo, Legacy: m.total(false)}
	if s.exchange != nil {
		m.recount()
		w.Past, w.Balance = &legacy{}, m.clients.gone
		if m.past != nil {
			w.Past = m.past
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

// joined follows when a worker of the old generation becomes ready while clients move: its predecessor has died.
func (s *source) joined(from *slot) {
	if s.phase == sourceGiving && from.generation == s.m.generation {
		s.connect(from, s.partners(from)...)
		s.begin(from)
	}
}

// partners returns the target's slots to which a worker gives: its own, or all if their number changes, so that the
// clients are spread evenly again.
func (s *source) partners(from *slot) []int {
	if s.slots == len(s.m.generation.slots) {
		return []int{from.index}
	}
	all := make([]int, s.slots)
	for i := range all {
		all[i] = i
	}
	return all
}

// connect gives a worker and some of the target's workers the ends of connections to each other.
func (s *source) connect(from *slot, slots ...int) {
	m := s.m
	for _, to := range slots {
		ours, theirs, err := m.world.pair()
		if err != nil {
			m.log.printf(levelError, "%s: connecting worker %d to its successor: %v", s.status.Kind, from.index, err)
			continue
		}
		m.pass(from, link.Message{Kind: link.Peer, Body: link.Body(link.PeerBody{Slot: to})}, ours)
		m.world.close(ours)
		s.target.say(word{Kind: wordPeer, From: from.index, Slot: to, fds: []int{theirs}})
	}
}

// introduce connects the successor of a new worker that has died to all who give to its slot.
func (s *source) introduce(slot int) {
	for _, from := range s.m.generation.slots {
		if from.state != slotGiving {
			continue
		}
		for _, to := range s.partners(from) {
			if to == slot {
				s.connect(from, slot)
			}
		}
	}
}

// gave notes that a worker has moved all that moves, or is dead.
func (s *source) gave(from *slot, body link.GivenBody) {
	s.given[from.index] = body
	s.checkMoved()
}

// checkMoved goes on when all workers are done.
func (s *source) checkMoved() {
	if s.phase != sourceGiving {
		return
	}
	for _, from := range s.m.generation.slots {
		if _, done := s.given[from.index]; !done && from.state == slotGiving {
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
}

// peerFailed follows when a worker can give nothing more to a new one. If that one is dead, its master sees it; else the
// two may need a connection that works.
func (s *source) peerFailed(from *slot, body link.PeerFailedBody) {
	s.m.log.printf(levelWarn, "%s: worker %d says of new worker %d: %s", s.status.Kind, from.index, body.Slot, body.Reason)
	if s.phase == sourceGiving {
		s.target.say(word{Kind: wordSuspect, Slot: body.Slot, Hung: body.Hung, Reason: body.Reason})
	}
}

// finish is past the point of no return: the new generation serves. What has not moved may still do so, or ends in its
// old worker.
func (s *source) finish() {
	m := s.m
	fault.At("om.finish")
	deadline := m.generation.config.Global.ShutdownTimeout
	for _, from := range m.generation.slots {
		m.release(from, deadline, s.removed)
	}
	if s.exchange == nil {
		m.succeed()
	} else {
		m.unstore(m.generation.storedNames())
		if m.control != nil { // what those whom conclude answers ask next is for the new master
			m.control.leave()
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

// fail ends the attempt. If clients have moved, they come back first.
func (s *source) fail(reason error) {
	m := s.m
	switch s.phase {
	case sourceReturning, sourceLeaving:
		return
	case sourceCalling, sourceWaiting:
		s.target.say(word{Kind: wordAbort, Reason: reason.Error()})
		s.conclude(reason)
		return
	}
	m.log.printf(levelError, "%s fails, clients come back: %v", s.status.Kind, reason)
	s.failure = reason
	s.enter(sourceReturning, returnTimeout)
	s.resume()
	s.target.say(word{Kind: wordAbort, Reason: reason.Error()})
}

// resume has the workers serve on.
func (s *source) resume() {
	for _, from := range s.m.generation.slots {
		if from.state == slotGiving {
			from.become(slotServing, time.Time{})
			s.m.pass(from, link.Message{Kind: link.Resume})
			if from.leaves {
				s.m.drainSlot(from)
			}
		}
	}
}

// expire follows when a phase lasts too long.
func (s *source) expire() {
	m := s.m
	switch s.phase {
	case sourceCalling:
		s.fail(fmt.Errorf("new master says nothing after %s", callTimeout))
	case sourceWaiting:
		if s.inquiry != nil {
			s.inquired()
			return
		}
		s.fail(fmt.Errorf("new generation is not ready after %s", waitTimeout))
	case sourceGiving: // a worker hangs; what it has offered already is safe with its successor
		s.until = m.world.now().Add(giveTimeout)
		for _, from := range m.generation.slots {
			if _, done := s.given[from.index]; !done && from.state == slotGiving {
				m.kill(from, "does not hand its clients over")
			}
		}
		s.checkMoved()
	case sourceSettling:
		s.fail(fmt.Errorf("new generation does not take over within %s", settleTimeout))
	case sourceDeclaring:
		s.isDeclared(fmt.Errorf("no answer within %s", settleTimeout))
	case sourceLeaving:
		m.log.printf(levelError, "%s: the new master does not take over within %s", s.status.Kind, settleTimeout)
		s.enter(sourceLeaving, settleTimeout)
		s.dismissChild()
	case sourceReturning:
		s.conclude(s.failure)
	}
}

// conclude ends the attempt and tells everyone concerned how it went.
func (s *source) conclude(err error) {
	m := s.m
	m.source = nil
	s.status.Took = m.world.now().Sub(s.status.At)
	s.status.Outcome = HandoffDone
	if err != nil {
		s.status.Outcome, s.status.Reason = HandoffFailed, err.Error()
		s.abandon()
	}
	m.last = &s.status
	m.log.printf(map[bool]level{true: levelNotice, false: levelError}[err == nil], "%s", s.status.line())
	s.notifyOutcome()
	for _, reply := range s.replies {
		o := outcome{Error: s.status.Reason, Handoff: &s.status, failure: s.kind}
		if s.kind == failureConfig {
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
	m.resumeAsks()
	m.next()
}

// stop ends the attempt because pinion stops: what has moved need not come back.
func (s *source) stop() {
	m := s.m
	const reason = "pinion stops"
	s.target.say(word{Kind: wordAbort, Reason: reason})
	m.source = nil
	for _, reply := range s.replies {
		reply <- outcome{Error: reason, failure: failureBusy}
	}
	if s.exchange != nil {
		s.exchange.close()
		s.dismissChild()
	}
}

// notSaid follows when the new master has not got a word.
func (s *source) notSaid(u *unsaid) {
	if s.phase == sourceLeaving { // perhaps it does not know that it may; whether it has, only its process tells
		s.m.log.printf(levelError, "%s: %v", s.status.Kind, u)
		s.dismissChild()
		return
	}
	s.fail(u)
}

// dismissChild ends a new master that hangs. One that works has its time to end by itself.
func (s *source) dismissChild() {
	m := s.m
	if !m.child {
		return
	}
	known := map[int]bool{}
	for _, slot := range m.slots() {
		if slot.process != nil {
			known[slot.process.pid] = true
		}
	}
	m.world.dismiss(func(pid int) bool { return !known[pid] })
}

// abandon makes the old generation the only one again.
func (s *source) abandon() {
	m := s.m
	s.resume()
	if s.exchange != nil {
		s.exchange.close()
		m.giveUp(m.generation)
		s.dismissChild()
	}
	if s.phase == sourceLeaving {
		m.serveStats()
	}
	for _, old := range m.generation.slots { // died while their clients moved
		if old.state == slotVacant && m.phase == serving {
			m.fill(old)
		}
	}
}

// The old side of a handoff owns the generation that serves, and makes its workers move their clients. Until the new side
// has settled, any failure ends with this generation serving on.

package master

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
)

type oldPhase uint8

const (
	oldCalling   oldPhase = iota // upgrade: the new master is being started
	oldWaiting                   // for the new side to be prepared
	oldJoining                   // workers of both sides are connected
	oldMoving                    // workers move their clients
	oldSettling                  // all clients have moved; the new side is about to take over for good
	oldLeaving                   // upgrade: the new master may take over; only its process tells whether it has
	oldReturning                 // the new workers hand clients back
	oldDeclaring                 // upgrade: the service manager is told that the new master is the main process
)

var oldPhaseNames = [...]string{"calling", "waiting", "joining", "moving", "settling", "leaving", "returning", "declaring"}

func (p oldPhase) String() string { return oldPhaseNames[p] }

const (
	callTimeout   = 15 * time.Second // for a new binary to start and to introduce itself
	waitTimeout   = 30 * time.Second // for a new side to be prepared
	joinTimeout   = 2 * time.Second  // for workers to confirm their connections; older builds do not
	moveTimeout   = 8 * time.Second  // for a worker, beyond the patience that it has with stragglers; see below
	settleTimeout = 10 * time.Second
	returnTimeout = 10 * time.Second // for the new side's workers
)

// A worker in good order can need nearly all of moveTimeout: if its peer hangs, it notices that after handoff.Patience (3
// s); the peer's successor starts and connects to all servers, which may take a second each; and it may be slow to answer,
// too. If a worker needs still longer although its event loop turns, the attempt fails and its clients stay.

// oldSide is one attempt to hand over. Only the goroutine of Run touches it.
type oldSide struct {
	m       *master
	other   counterpart
	status  admin.HandoffStatus
	kind    admin.Failure          // how an attempt has failed
	replies []chan<- admin.Outcome // to those who asked for it
	strict  bool                   // refuse any unreachable server

	phase       oldPhase
	until       time.Time         // deadline of the phase
	slots       int               // of the new side
	removed     []config.ListenID // addresses that the new side does not serve
	patience    time.Duration
	awaited     map[pair]bool                 // connections that the old worker has not confirmed
	results     map[int]link.ClientsMovedBody // by slot, of workers that have moved all they could
	failure     error                         // why clients are handed back
	inquiry     *inquiry                      // whether old workers reach certain servers is being found out; nil: not so
	remarks     []string                      // for the operator, if the attempt succeeds
	changes     []string                      // what a reload changes, for the operator
	losses      losses
	lossesOfNew losses // upgrade: of the new master's workers

	link       *masterLink // upgrade: the link to the new master
	newPID     int         // upgrade: pid of the new master
	intents    bool        // upgrade: the new master knows the message intent
	linkClosed bool        // upgrade: all messages of the new master have been received

	newMasterExit error // upgrade: how the new master has ended, kept until linkClosed; nil: none
	declares      bool  // upgrade: this master tells the service manager about the new one
	obeys         bool  // upgrade: the new master leaves that to this one; one of an early version does it itself
	newWasMain    bool  // upgrade: the new master has ended after it was declared the main process
	declared      bool  // upgrade: the pid file or the service manager may name the new master
}

func (m *master) newOldSide(r order) *oldSide {
	o := &oldSide{m: m, replies: r.replies, remarks: r.remarks, strict: r.strict}
	o.status = admin.HandoffStatus{
		Kind: r.kind, Generation: m.generations.numbered + 1, Build: m.opts.Build, At: m.world.now(), Outcome: admin.HandoffUnderWay,
	}
	return o
}

func (o *oldSide) enter(phase oldPhase, timeout time.Duration) {
	o.phase, o.until = phase, o.m.world.now().Add(timeout)
}

// handle handles a message of the new side.
func (o *oldSide) handle(msg message) {
	if msg.Lost > 0 {
		o.lossesOfNew = losses{msg.Lost, msg.LostReason}
	}
	switch {
	case msg.Kind == messageHello && o.phase == oldCalling:
		o.answerHello(msg)
	case msg.Kind == messageCounters && o.phase == oldWaiting:
		o.m.mapNewCounters(msg)
	case msg.Kind == messagePrepared && o.phase == oldWaiting && o.inquiry == nil:
		o.prepared(msg)
	case msg.Kind == messageAgain && o.phase == oldMoving:
		o.reconnect(msg.Slot)
	case msg.Kind == messageSettled && o.phase == oldSettling && o.link != nil:
		o.agree()
	case msg.Kind == messageSettled && o.phase == oldSettling:
		o.complete()
	case msg.Kind == messageSettled && o.phase == oldLeaving: // it has lost clients since it sent settled first
		o.other.send(message{Kind: messageAgreed, Drain: o.m.drainNews()})
	case msg.Kind == messageFailed:
		o.fail(errors.New(msg.Reason))
	case msg.Kind == messageReturned && o.phase == oldReturning:
		o.status.Kept = msg.Kept
		o.conclude(o.failure)
	}
}

// proceed begins to move the clients to workers that reach every server that the old ones reach.
func (o *oldSide) proceed(msg message) {
	o.inquiry = nil
	if len(msg.Unreachable) > 0 {
		remark := "new workers cannot reach " + describeUnreachable(msg.Unreachable)
		o.remarks = append(o.remarks, remark)
		o.m.log.Event(logfile.HandoffRemark, o.status.Kind, remark)
	}
	o.slots, o.patience = msg.Slots, msg.Patience
	o.removed = o.m.generations.serving.unserved(msg.Serves)
	o.status.Build = msg.Build
	o.connectWorkers()
}

// move begins to move the clients.
func (o *oldSide) move() {
	m := o.m
	fault.At("om.go")
	if o.link != nil {
		if err := o.tellGenerations(); err != nil {
			o.fail(err)
			return
		}
	}
	o.enter(oldMoving, o.patience+moveTimeout)
	for _, l := range m.listeners.All() {
		if l.Fresh {
			l.Queues = true // clients may connect from here on
		}
	}
	o.other.send(o.goAhead())
	if len(o.removed) > 0 {
		m.acceptForMissing(m.generations.serving)
	}
	for _, from := range m.generations.serving.slots {
		if from.state == slotServing {
			o.startMoving(from)
		}
	}
	o.checkMoved()
}

// goAhead returns the message that tells the new side to take over.
func (o *oldSide) goAhead() message {
	m := o.m
	msg := message{Kind: messageGo, Legacy: m.total()}
	if o.link != nil {
		m.recountClients()
		msg.Past, msg.Balance, msg.OfGone = &totals.Sums{}, m.totals.Balance, m.totals.Kept()
		if m.totals.Past != nil {
			msg.Past = m.totals.Past
		}
	}
	return msg
}

// startMoving tells a worker to move its clients.
func (o *oldSide) startMoving(from *slot) {
	from.become(slotGiving, time.Time{})
	o.m.tellRemoved(from, o.removed)
	o.m.pass(from, link.Message{Kind: link.MoveClients, Body: link.Body(link.MoveClientsBody{Patience: o.patience})})
}

// moved is called when a worker has moved all clients that it could.
func (o *oldSide) moved(from *slot, body link.ClientsMovedBody) {
	if body.Starved && o.phase == oldMoving { // as stragglers they would be cut, although nothing is wrong with these clients
		o.fail(fmt.Errorf("%d clients of worker %d cannot move: %s; raise LimitNOFILE= (ulimit -n) or memory_limit",
			body.Stragglers, from.index, body.Reason))
		return
	}
	o.results[from.index] = body
	o.checkMoved()
}

// workerDied is called after the death of a worker that was moving its clients. A result that it has reported before still
// counts.
func (o *oldSide) workerDied(from *slot) {
	if _, said := o.results[from.index]; !said {
		o.results[from.index] = link.ClientsMovedBody{}
	}
	o.checkMoved()
}

// stillMoves reports whether a worker still moves clients. One that is dead counts until it is reaped, even if it had moved all
// it could, since its lost clients must be counted first.
func (o *oldSide) stillMoves(from *slot) bool {
	if _, done := o.results[from.index]; done {
		return from.state == slotGiving && o.m.unreaped(from)
	}
	return from.state == slotGiving || from.state == slotDying && !from.lossesCounted
}

// checkMoved ends the phase when all workers have moved what they could.
func (o *oldSide) checkMoved() {
	if o.phase != oldMoving {
		return
	}
	for _, from := range o.m.generations.serving.slots {
		if o.stillMoves(from) {
			return
		}
	}
	o.enter(oldSettling, settleTimeout)
	o.declared = o.link != nil
	o.addUpResults()
	o.other.send(message{Kind: messageMoved, Result: &o.status})
}

// addUpResults adds up the results of the workers.
func (o *oldSide) addUpResults() {
	t := &o.status
	t.Moved, t.Stragglers, t.Closed, t.Bytes, t.LongestPause = 0, 0, 0, 0, 0
	for _, body := range o.results {
		t.Moved += body.Moved
		t.Stragglers += body.Stragglers
		t.Closed += body.Closed
		t.Bytes += body.Bytes
		t.LongestPause = max(t.LongestPause, body.LongestPause)
	}
	setLosses(t, o.losses, o.lossesOfNew)
}

// peerFailed is called when an old worker can hand no more clients to a new one. The new side finds out whether that worker
// is dead, hangs, or only needs a new connection.
func (o *oldSide) peerFailed(from *slot, body link.PeerFailedBody) {
	o.m.log.Event(logfile.OldPeerFailed, o.status.Kind, from.index, body.Slot, body.Reason)
	o.losses.add(body.Lost, fmt.Sprintf("new worker %d: %s", body.Slot, body.Reason))
	switch {
	case body.Unjoined && (o.phase == oldJoining || o.phase == oldMoving):
		o.fail(fmt.Errorf("connecting %v: %s", pair{from.index, body.Slot}, body.Reason))
	case o.phase == oldMoving:
		o.other.send(message{Kind: messageSuspect, Slot: body.Slot, Hung: body.Hung, Gone: body.Gone, Reason: body.Reason})
	}
}

// complete is called past the point of no return: the new generation serves. Clients that have not moved may still move, or
// end in their old worker.
func (o *oldSide) complete() {
	m := o.m
	fault.At("om.finish")
	o.connectEarlier()
	deadline := m.generations.serving.config.Global.ShutdownTimeout
	for _, from := range m.generations.serving.slots {
		m.release(from, deadline, o.removed)
	}
	if o.link == nil {
		m.replaceGeneration()
	} else {
		if !o.obeys || !o.declares { // otherwise the new master does it: the service manager may listen to that one only
			m.unstore(m.generations.serving.storedNames())
		}
		if m.admin.server != nil { // whoever is answered by conclude and asks again must reach the new master
			m.admin.server.Leave()
		}
		if m.reading.server != nil {
			m.reading.server.Leave()
		}
	}
	o.conclude(nil)
}

// expire is called at the deadline of the phase.
func (o *oldSide) expire() {
	m := o.m
	switch o.phase {
	case oldCalling:
		o.fail(fmt.Errorf("%s was started as the new master and says nothing within %s: it hangs, or is another program; "+
			"see what it says with -V, and install it again", m.world.self, callTimeout))
	case oldWaiting:
		if o.inquiry != nil {
			o.checkInquiry()
			return
		}
		o.fail(fmt.Errorf("new generation is not ready after %s; its log lines say how far it is", waitTimeout))
	case oldJoining:
		o.move()
	case oldMoving:
		o.overdue()
	case oldSettling:
		o.fail(fmt.Errorf("new generation does not take over within %s", settleTimeout))
	case oldDeclaring:
		o.isDeclared(fmt.Errorf("no answer within %s", settleTimeout))
	case oldLeaving:
		m.log.Event(logfile.NewMasterSilent, o.status.Kind, settleTimeout)
		o.enter(oldLeaving, settleTimeout)
		o.killNewMaster()
	case oldReturning:
		o.conclude(o.failure)
	}
}

// overdue is called when workers have not moved all their clients in time. A worker that hangs is killed; clients that it
// has offered are safe with the new worker. If a worker turns, it can go on serving its clients: the attempt fails and all
// clients are handed back.
func (o *oldSide) overdue() {
	m := o.m
	undecided := false
	for _, from := range m.generations.serving.slots {
		switch {
		case !o.stillMoves(from):
		case from.state == slotDying: // even killing it has not helped
			m.countLosses(from, "does not end")
		case from.hangs():
			m.countLosses(from, "killed, since it hangs and does not hand its clients over")
			m.kill(from, "it hangs, and does not hand its clients over")
		case from.pulse.still > 0:
			undecided = true
		default:
			o.fail(fmt.Errorf("worker %d does not hand its clients over within %s", from.index, o.patience+moveTimeout))
			return
		}
	}
	o.until = m.world.now().Add(moveTimeout)
	if undecided {
		o.until = m.world.now().Add(pulseEvery)
	}
	o.checkMoved()
}

// conclude ends the attempt, logs the outcome and reports it to the operator and the service manager.
func (o *oldSide) conclude(err error) {
	m := o.m
	err = withHint(err)
	o.status.Took = m.world.now().Sub(o.status.At)
	o.status.Outcome = admin.HandoffDone
	setLosses(&o.status, o.losses, o.lossesOfNew)
	m.oldSide = nil
	if err != nil {
		o.status.Outcome, o.status.Reason = admin.HandoffFailed, err.Error()+lossClause(&o.status)
		o.abandon()
	}
	m.last = &o.status
	if o.link == nil || err != nil { // else the new master counts it
		m.tally.countHandoff(m.last)
	}
	if err == nil {
		for _, line := range o.changes {
			m.log.Event(logfile.ConfigChange, o.status.Kind, line)
		}
	}
	m.logOutcome(&o.status)
	o.notifyOutcome()
	for _, reply := range o.replies {
		outcome := admin.Outcome{Error: o.status.Reason, Handoff: &o.status, Failure: o.kind}
		if err == nil {
			outcome.Lines = append(slices.Clone(o.changes), o.remarks...)
		}
		if err == nil && o.link == nil { // else the new master knows
			outcome.Lines = append(outcome.Lines, m.idleRemarks(m.generations.serving.layout())...)
		}
		if o.kind == admin.FailureConfig {
			outcome = m.misconfigured(err)
			outcome.Handoff = &o.status
		}
		reply <- outcome
	}
	if o.link != nil && err == nil {
		o.farewell()
		return
	}
	m.reopened(err)
	if o.newWasMain && m.endAfter == nothing {
		m.leaveBehind(errNewWasMain)
		return
	}
	if m.keeper.lost != nil && m.endAfter != stop {
		m.leaveBehind(m.keeper.lost)
		return
	}
	m.resumeAsks()
	m.startQueued()
}

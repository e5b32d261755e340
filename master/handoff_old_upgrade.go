// The old master's side of an upgrade: what it sends to the new one, and how it leaves.

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

// answerHello answers the new master's hello.
func (o *oldSide) answerHello(msg message) {
	m := o.m
	version, err := conversation(msg)
	if err != nil {
		o.fail(err)
		return
	}
	o.status.Build, o.newPID, o.intents = msg.Build, msg.PID, msg.Intents
	keeper := m.keeperPID()
	o.obeys, o.declares = msg.Obeys, m.world.services.Present() && keeper <= 0
	m.log.Event(logfile.NewMaster, msg.Build, msg.PID)
	o.enter(oldWaiting, waitTimeout)
	o.other.send(message{
		Kind: messageWelcome, Version: version, Build: m.opts.Build, PID: m.world.pid, Generation: m.generations.numbered,
		StartedAt: m.startedAt, Strict: o.strict, Clients: m.clientsNow(),
		Found: totals.Found(m.counted().All, nil), Stored: m.generations.serving.storedNames(), Declares: o.declares || keeper > 0, Former: m.listeners.Former(), Intents: true, Verbosity: &m.log.Verbosity, LogLevel: &m.logging.configured, Statistics: m.statistics.address,
		Keeper: keeper, Stays: m.keeper.stays, Recounts: true, Tally: m.tally, Drain: m.drainNews(), Topology: &m.generations.serving.topology, Pools: poolNames(m.generations.serving.pools),
	})
	if !o.intents && m.log.Verbosity != logfile.ClampVerbosity(m.opts.Verbosity) {
		o.passAlong(message{})
	}
	if err := o.tellSockets(); err != nil {
		o.fail(err)
	}
}

// agree lets the new master take over. The service manager is told first, by this process, that the new master is the main
// one: it may listen only to the main process.
func (o *oldSide) agree() {
	fault.At("om.agree")
	if !o.declares {
		o.sendAgreed()
		return
	}
	m := o.m
	o.enter(oldDeclaring, settleTimeout)
	o.declared = true
	m.world.services.MainPID(o.newPID)
	m.world.services.Barrier(func(err error) {
		m.world.report(event{then: func() { o.isDeclared(err) }})
	})
}

// isDeclared is called when the service manager has processed that, or is not waited for any more (err).
func (o *oldSide) isDeclared(err error) {
	if o.m.oldSide != o || o.phase != oldDeclaring {
		return
	}
	if err != nil {
		o.m.log.Event(logfile.UpgradeUnannounced, err)
	}
	o.sendAgreed()
}

// sendAgreed sends agreed, which cannot be taken back. From here on this master does nothing until it knows whether the new
// one has taken over.
func (o *oldSide) sendAgreed() {
	o.m.declineScrapes()
	o.m.declineHTTP()
	o.enter(oldLeaving, settleTimeout)
	o.other.send(message{Kind: messageAgreed, Tally: o.m.tally, Drain: o.m.drainNews()})
}

// newMasterReadyOrEnded is called when the new master has taken over (err is nil), which it may do by itself if this one was
// silent for too long, or when it has ended.
func (o *oldSide) newMasterReadyOrEnded(err error) {
	m := o.m
	if err != nil && m.generations.ofNewMaster != nil && m.ending() {
		o.endOrphans(err)
		return
	}
	o.afterNewMaster(err)
}

// endOrphans is called when the new master has ended and this one is about to. It ends the workers that the new master has
// left, which would otherwise serve on for ever.
func (o *oldSide) endOrphans(err error) {
	m := o.m
	how := syscall.SIGTERM
	if m.phase == stopping || m.endAfter == stop {
		how = syscall.SIGKILL
	}
	of := m.generations.ofNewMaster.sharedFD
	m.world.aside(func() func() {
		m.world.endSharers(of, how)
		return func() { o.afterNewMaster(err) }
	})
}

// afterNewMaster is called when the new master has taken over (err is nil), or when it and its workers have ended.
func (o *oldSide) afterNewMaster(err error) {
	m := o.m
	m.masters.newRuns = false
	m.reapStrays()
	if err != nil {
		m.dropNewCounters()
	}
	switch {
	case m.oldSide != o:
		m.startQueued()
		return
	case err == nil:
		o.complete()
		return
	case o.linkClosed:
		o.newMasterEnded(err)
	default: // its last messages may say why
		o.newMasterExit = err
		o.link.stopReading()
	}
}

// newMasterEnded is called when a new master has ended and its last messages have been handled. A signal that ended it
// before it could catch signals is taken for one to this master, too: it was probably sent to all processes of the name.
func (o *oldSide) newMasterEnded(err error) {
	if o.phase == oldCalling {
		for signal, w := range watched {
			if w.intent != nothing && strings.Contains(err.Error(), "signal: "+signal.String()) {
				o.m.log.Event(logfile.NewMasterOrdered, w.name)
				defer o.m.obey(w.intent)
			}
		}
	}
	o.link.close()
	switch o.phase {
	case oldCalling, oldWaiting:
		o.conclude(err)
	case oldReturning:
		o.conclude(o.failure)
	default:
		o.newMasterDied(err)
	}
}

// newMasterDied is called when a new master has ended while clients move: its workers hand them back by themselves.
func (o *oldSide) newMasterDied(err error) {
	err = fmt.Errorf("new master: %w", err)
	o.resume()
	o.newWasMain = o.declares && (o.phase == oldDeclaring || o.phase == oldLeaving)
	o.conclude(err)
}

// errNewWasMain is why this master ends when a new master was killed that was already the main process of the service. A
// service manager that stops the service may have done that, so this one must not go on; otherwise the service manager
// starts another one after this failure.
var errNewWasMain = errors.New("the new master has ended when it was the main process of the service")

// farewell hands the remaining workers over to the new master, which serves, and ends this one.
func (o *oldSide) farewell() {
	m := o.m
	o.tellWorkers()
	o.other.send(message{Kind: messageFarewell, Legacy: m.total(), Result: &o.status, Waiting: o.intentsForNewMaster()})
	m.masters.leaveAll, m.keeper.newMaster = true, o.newPID
	m.become(stopped)
}

// passAlong passes on to the new master what it must know if it takes over. Before hello nothing is sent: the welcome will
// contain it.
func (o *oldSide) passAlong(msg message) {
	switch {
	case o.phase == oldCalling:
	case o.intents:
		o.other.send(msg)
	default:
		o.m.log.Event(logfile.LogChangeUntold, o.status.Kind, o.status.Build)
	}
}

// intentsForNewMaster returns the names of intents that this master leaves to the new one. A new master of an older version gets signals
// instead. Operators who wait for an answer are told to ask again.
func (o *oldSide) intentsForNewMaster() (names []string) {
	m := o.m
	replaced := admin.Outcome{Error: "another master has taken over; ask again", Failure: admin.FailureReplaced}
	var waiting []intent
	if r := m.queued; r != nil {
		if r.noReply {
			waiting = append(waiting, map[string]intent{kindReload: reload, kindUpgrade: upgrade}[r.kind])
		}
		r.answer(replaced)
		m.queued = nil
	}
	for _, a := range m.admin.deferred {
		a.Reply <- replaced
	}
	m.admin.deferred = nil
	if m.endAfter != nothing {
		waiting = append(waiting, m.endAfter)
	}
	for _, what := range waiting {
		m.log.Event(logfile.OrderLeft, intentNames[what])
		if o.intents {
			names = append(names, intentNames[what])
		} else if err := m.world.signal(o.newPID, signalOf(what)); err != nil {
			m.log.Event(logfile.NewMasterUnreached, o.status.Kind, o.newPID, err)
		}
	}
	return names
}

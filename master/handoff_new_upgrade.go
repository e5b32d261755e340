// The new master's side of an upgrade. Everything that can fail is done before the old master is asked whether this one may
// take over: only the old master knows whether it has given up meanwhile.

package master

import (
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/fault"
)

// agreeTimeout is how long a new master waits for the old one to decide. An old master that runs decides or gives up
// earlier, within settleTimeout.
const agreeTimeout = 2 * settleTimeout

// callOldMaster begins an upgrade on the new master's side: it sends hello to the master that has started this process.
func (m *master) callOldMaster(l *masterLink) {
	fault.At("nm.hello")
	m.masters.startedByOld = true
	m.world.services.Inherited() // the sockets named in the environment belong to the old master
	m.newSide = &newSide{m: m, other: l, link: l, died: map[int]bool{}, reconnects: map[int]int{}, gone: map[int]int{}}
	m.newSide.enter(newCalling, callTimeout)
	m.receiveFrom(l, true)
	hello := message{Kind: messageHello, Oldest: oldestConversation, Newest: newestConversation, Build: m.opts.Build, PID: m.world.pid,
		Obeys: true, Intents: true}
	switch fault.Error("nm.hello") { // as a later version may send it
	case fault.ErrShortWrite:
		hello.Oldest, hello.Newest = newestConversation+1, newestConversation+1
	case fault.ErrGarbage:
		hello.Critical = []string{"what will be"}
	}
	l.send(hello)
}

func (n *newSide) welcomed(msg message) {
	n.m.generations.numbered = msg.Generation
	n.strict, n.clients, n.stored = msg.Strict, msg.Clients, msg.Stored
	n.obeys, n.old = msg.Declares, msg.PID
	n.m.startedAt = msg.StartedAt
	n.m.listeners.Remember(msg.Former)
	n.welcome = msg
	n.takeTally(msg.Tally)
	n.m.takeDrain(msg.Drain)
	n.m.keeper.pid = max(msg.Keeper, 0)
	if msg.Verbosity != nil {
		n.m.log.Verbosity = logfile.ClampVerbosity(*msg.Verbosity)
	}
	n.m.statistics.address = msg.Statistics
	if msg.LogLevel != nil {
		n.m.logging.configured = *msg.LogLevel
	}
	for _, what := range n.heldIntents {
		n.passAlong(what)
	}
	n.heldIntents = nil
	if n.m.endAfter != nothing {
		n.fail(errEnding)
	}
}

// passAlong passes an intent on to the old master, which still serves, and may go on to. An old master of an earlier version
// gets the signal that means it.
func (n *newSide) passAlong(what intent) {
	m := n.m
	switch {
	case n.welcome.Kind == "":
		n.heldIntents = append(n.heldIntents, what)
	case n.welcome.Intents:
		n.other.send(message{Kind: messageIntent, Intent: intentNames[what]})
	default:
		if err := m.world.signal(n.welcome.PID, signalOf(what)); err != nil {
			m.log.Event(logfile.OldMasterUntold, n.welcome.PID, intentNames[what], err)
		}
	}
}

// interrupted is called when pinion is asked to end during the upgrade: whichever master serves at last drains or stops.
func (n *newSide) interrupted(how intent) {
	m := n.m
	m.endAfter = stronger(m.endAfter, how)
	n.passAlong(m.endAfter)
	switch {
	case n.welcome.Kind == "": // soon
	case m.endAfter == stop:
		n.stopBoth()
	case n.phase != newReturning:
		n.fail(errEnding)
	}
}

// stopBoth ends this master and its workers at once. The old master does the same.
func (n *newSide) stopBoth() {
	m := n.m
	m.endAfter = stop
	m.newSide, m.generations.coming = nil, nil
	if n.g != nil {
		m.generations.retired = append(m.generations.retired, n.g)
	}
	m.listeners.Abandon()
	m.stop()
}

// notSent is called when a message to the old master could not be sent. Unless the old master may have decided already,
// clients are handed back.
func (n *newSide) notSent(u *unsent) {
	switch {
	case n.phase == newAccepting, n.phase == newSettling && u.kind == messageSettled:
		n.abort(u.Error(), false)
	case n.phase == newSettling, n.phase == newReturning:
		n.m.log.Event(logfile.MessageUnsent, u)
	default:
		n.cancel(u)
	}
}

// linkBroken is called when a message of the old master could not be received, for want of a descriptor for instance. The
// old master lives and goes on, but no later message is received.
func (n *newSide) linkBroken(err error) {
	if n.phase == newSettling { // it may have agreed
		n.m.log.Event(logfile.MasterLinkFailed, err)
		return
	}
	n.fail(err)
	if n.phase == newAccepting {
		n.abort(err.Error(), false)
	}
}

// loadConfig reads the configuration of the new generation.
func (n *newSide) loadConfig() {
	m := n.m
	n.enter(newPreparing, waitTimeout)
	m.load(func(cfg *config.Config, err error) {
		fault.At("nm.config")
		if m.newSide != n {
			return
		}
		if err != nil {
			n.fail(err)
			return
		}
		n.prepare(cfg)
	})
}

// askToTakeOver asks the old master to decide. Until it has, clients may have to go back. The pid file names this process
// before that; the service manager is told by the old master, unless that is of an earlier version.
func (n *newSide) askToTakeOver(result *admin.HandoffStatus) {
	m := n.m
	fault.At("nm.ready.before")
	n.result = result
	m.writePIDFile(func(err error) {
		switch {
		case m.newSide != n || n.phase != newAccepting:
			return
		case err != nil:
			n.fail(err)
			return
		}
		n.claimed = true
		n.enter(newSettling, agreeTimeout)
		if n.obeys || !m.world.services.Present() {
			n.declared()
			return
		}
		m.world.services.MainPID(m.world.pid)
		m.world.services.Ready("serving")
		m.world.services.Barrier(func(err error) {
			m.world.report(event{then: func() {
				if err != nil {
					m.log.Event(logfile.ManagerUntold, err)
				}
				if m.newSide == n && n.phase == newSettling {
					n.declared()
				}
			}})
		})
	})
}

func (n *newSide) declared() {
	fault.At("nm.declared")
	n.sendSettled()
}

// sendSettled tells the old master that everything is settled, and how many clients are lost: it is the old master that
// answers the operator.
func (n *newSide) sendSettled() {
	n.lostSent = n.losses.clients
	n.other.send(message{Kind: messageSettled, Lost: n.losses.clients, LostReason: n.losses.reason})
}

// reapTimeout is how long a new master that may take over waits for a dying worker to be reaped.
const reapTimeout = time.Second

// agreed is called when the old master lets this one take over. Clients of workers that have died since settled was sent
// belong to the outcome.
func (n *newSide) agreed() {
	fault.At("nm.agreed")
	n.agreedTo = true
	if n.hasUnreaped() {
		n.enter(newSettling, reapTimeout)
		return
	}
	n.takeOver()
}

// takeOver takes over if the old master knows of all lost clients, and sends settled again if not. An old master of an
// earlier version does not answer that.
func (n *newSide) takeOver() {
	if n.losses.clients == n.lostSent {
		n.replaceOldMaster()
		return
	}
	n.sendSettled()
	if !n.welcome.Recounts {
		n.replaceOldMaster()
		return
	}
	n.agreedTo = false
	n.enter(newSettling, agreeTimeout)
}

// replaceOldMaster takes over from an old master that still runs, and is about to leave.
func (n *newSide) replaceOldMaster() {
	m := n.m
	m.masters.old = &predecessor{
		link: n.link, pid: n.welcome.PID, stays: n.welcome.Stays, until: m.world.now().Add(farewellTimeout),
	}
	m.service.stored = n.stored
	n.promote()
}

// promote makes this the master that serves.
func (n *newSide) promote() {
	m := n.m
	n.keepClients()
	if err := m.world.flip(); err != nil { // an error means that the old master is gone; from now on this process can be upgraded
		m.log.Event(logfile.OldMasterLink, err)
	}
	fault.At("nm.ready.after")
	m.newSide, m.generations.coming = nil, nil
	m.generations.serving, m.generations.ofOldMaster = n.g, n.oldGenerations
	m.settleListeners(n.g)
	m.settleLog(n.g.config)
	if n.result != nil {
		m.last = n.result
		setLosses(m.last, losses{n.result.Lost, n.result.LostReason}, n.losses)
		m.last.Outcome, m.last.Build, m.last.Took = admin.HandoffDone, m.opts.Build, m.world.now().Sub(m.last.At)
		m.tally.countHandoff(m.last)
	}
	m.openLogAnew(nil) // the log file may have been rotated since this process opened it
	m.becomeServing()
	if n.welcome.Drain != nil || m.announced() {
		m.goOnWithDrain()
	}
	if n.welcome.Keeper >= 0 {
		m.joinKeeper()
	}
	for _, s := range n.g.slots { // died meanwhile
		if s.state == slotVacant {
			m.fill(s)
		}
	}
	if m.endAfter == stop {
		m.end(stop)
	}
}

// oldMasterEnded is called when the old master ends before this one has taken over. Its workers serve on, or go on handing
// over. A service manager starts another master, which finds the old workers and not the new ones, so all clients go back:
// at once if the old master was the main process, otherwise when this process has ended. Without a service manager this
// master takes over.
func (n *newSide) oldMasterEnded(err error) {
	m := n.m
	reason := fmt.Errorf("the old master has ended: %w", err)
	switch n.phase {
	case newReturning:
		return
	case newAccepting, newSettling:
		if m.world.services.Present() && (n.obeys || n.phase == newAccepting) {
			m.closePorts()
			n.abort(reason.Error(), false)
			return
		}
		m.writePIDFile(func(err error) {
			if err != nil {
				m.log.Event(logfile.PIDFileFailed, err)
			}
		})
	case newPrepared:
		n.abort(reason.Error(), false)
		return
	default:
		n.cancel(reason)
		return
	}
	m.log.Event(logfile.OldMasterDied, err)
	n.promote()
	m.keepOldGenerations()
	m.unstore(n.stored)
	n.link.close()
	m.takeInLate()
	m.startQueued()
}

// closePorts closes this master's copies of the statistics port, the admin socket and the HTTP address, so that another master
// can open them.
func (m *master) closePorts() {
	m.closeHTTPSocket(&m.http.httpSocket)
	m.declineReading()
	for _, fd := range []*int{&m.statistics.fd, &m.admin.fd} {
		if *fd >= 0 {
			m.world.close(*fd)
			*fd = -1
		}
	}
}

// oldMasterSilent is called when the old master neither decides nor ends in time.
func (n *newSide) oldMasterSilent() {
	m := n.m
	m.log.Event(logfile.OldMasterSilent, agreeTimeout)
	n.replaceOldMaster()
}

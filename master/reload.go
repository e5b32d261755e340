// Reload and upgrade as the operator sees them: one at a time, one more may wait, and each who asked is told the outcome.

package master

import (
	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
)

const (
	kindReload  = "reload"
	kindUpgrade = "upgrade"
)

// order is a reload or an upgrade that was asked for.
type order struct {
	kind    string
	strict  bool
	noReply bool // asked for by a signal, which gets no answer, so that it must not be lost
	replies []chan<- admin.Outcome
	remarks []string // for the operator, if it succeeds
}

// request begins a reload or an upgrade, or queues it while another one or the start is under way: the configuration may
// have been read already. What is queued is merged into one order, since an upgrade does all that a reload does.
func (m *master) request(r order) {
	switch {
	case m.phase == starting:
		m.log.Event(logfile.OrderWaitsForStart, r.kind)
		m.enqueue(r)
	case !m.takesOrders():
		m.refuse(&r)
	case m.occupied():
		m.log.Event(logfile.OrderWaits, r.kind, m.busy())
		m.enqueue(r)
	default:
		m.loading = true
		m.checkPaths(func() {
			m.loading = false
			m.startOrder(r)
		})
	}
}

// startOrder begins a reload or an upgrade, after the paths of the sockets were checked.
func (m *master) startOrder(r order) {
	switch {
	case !m.takesOrders():
		m.refuse(&r)
	case r.kind == kindReload:
		m.reload(r)
	default:
		m.loading = true
		m.checkTasks(len(m.generations.serving.slots), masterTasks, func(tight error) { m.startIfRoom(r, tight, func() { m.upgradeOnceAlone(r) }) })
	}
}

// startIfRoom goes on with a reload or an upgrade, unless a limit of processes is too tight for it.
func (m *master) startIfRoom(r order, tight error, then func()) {
	m.loading = false
	switch {
	case !m.takesOrders():
		m.refuse(&r)
	case tight != nil:
		m.refuseToStart(r, tight)
	default:
		then()
	}
}

// refuseToStart has a reload or an upgrade fail before it has begun.
func (m *master) refuseToStart(r order, reason error) {
	o := m.newOldSide(r)
	m.oldSide = o
	o.other = localSide{m, true}
	o.conclude(reason)
}

func (m *master) enqueue(r order) {
	if m.queued == nil {
		m.queued = &r
		return
	}
	if r.kind == kindUpgrade {
		m.queued.kind = kindUpgrade
	}
	m.queued.strict = m.queued.strict || r.strict
	m.queued.noReply = m.queued.noReply || r.noReply
	m.queued.replies = append(m.queued.replies, r.replies...)
	m.queued.remarks = append(m.queued.remarks, r.remarks...)
}

// takesOrders reports whether the master serves: also until a drain begins that is announced.
func (m *master) takesOrders() bool { return m.phase == serving }

// refuse answers an order with the error that the master is ending.
func (m *master) refuse(r *order) {
	how := m.phase.String()
	m.log.Event(logfile.OrderRefused, r.kind, how)
	r.answer(admin.Outcome{Error: "pinion is " + how, Failure: admin.FailureBusy})
}

// refuseQueued refuses the order that waits. It is called when pinion ends.
func (m *master) refuseQueued() {
	if r := m.queued; r != nil {
		m.queued = nil
		m.refuse(r)
	}
}

func (r *order) answer(o admin.Outcome) {
	for _, reply := range r.replies {
		reply <- o
	}
}

// startQueued begins what waits: the end, or a reload or upgrade.
func (m *master) startQueued() {
	if m.phase != serving || m.occupied() {
		return
	}
	if m.endAfter != nothing {
		intent := m.endAfter
		m.endAfter = nothing
		if intent == drain {
			m.drainIfDue(m.world.now())
		}
		if m.phase == serving {
			m.end(intent)
		}
		return
	}
	m.endPrograms()
	if r := m.queued; r != nil {
		m.queued = nil
		m.request(*r)
	}
}

// occupied reports whether a reload or an upgrade cannot begin now.
func (m *master) occupied() bool {
	return m.oldSide != nil || m.masters.old != nil || m.masters.lingers || m.loading || m.masters.newRuns || m.borrowing != nil || m.takenFrom.callOff != nil
}

// busy returns the name of what is under way; empty: nothing.
func (m *master) busy() string {
	switch {
	case m.oldSide != nil:
		return m.oldSide.status.Kind
	case m.masters.old != nil, m.masters.lingers, m.masters.newRuns:
		return kindUpgrade
	case m.loading:
		return kindReload
	case m.borrowing != nil:
		return "recovery"
	case m.takenFrom.callOff != nil:
		return "take-over"
	}
	return ""
}

// reload replaces the generation by one of the configuration file as it is now.
func (m *master) reload(r order) {
	m.log.Event(logfile.Reloading, m.opts.ConfigFile)
	m.openLogAnew(nil)
	if r.noReply { // perhaps by systemd, with Type=notify-reload, which waits until it is told that the reload has begun
		m.world.services.Reloading("reloading the configuration")
	} else {
		m.world.services.Status("reloading the configuration")
	}
	m.loading = true
	m.load(func(cfg *config.Config, err error) {
		err = orEnded(cfg, err)
		begin := func(tight error) { m.startIfRoom(r, tight, func() { m.handOffTo(r, cfg, err) }) }
		if err != nil {
			begin(nil)
			return
		}
		m.checkTasks(m.workersOf(cfg), 0, begin)
	})
}

// handOffTo begins the handoff to a generation of a new configuration; err is why there is no configuration.
func (m *master) handOffTo(r order, cfg *config.Config, err error) {
	o := m.newOldSide(r)
	m.oldSide = o
	o.enter(oldWaiting, waitTimeout)
	o.other = localSide{m, true}
	if err != nil {
		o.kind = admin.FailureConfig
		o.conclude(err)
		return
	}
	if !m.generations.serving.revived { // else only a part of its configuration is known
		o.changes = shorten(m.changes(cfg))
	}
	m.newSide = &newSide{m: m, other: localSide{m, false}, died: map[int]bool{}, reconnects: map[int]int{}, gone: map[int]int{}, strict: r.strict, clients: m.clientsNow()}
	m.newSide.prepare(cfg)
}

// upgrade replaces this process and its workers by those of the binary that is installed now.
func (m *master) upgrade(r order) {
	m.log.Event(logfile.Upgrading, m.world.self)
	m.world.services.Status("upgrading")
	o := m.newOldSide(r)
	o.status.Build = "" // not known before the new master's hello
	m.oldSide = o
	o.enter(oldCalling, callTimeout)
	m.openKeeper()
	var err error
	o.link, err = m.world.upgrade(func(err error) {
		m.world.report(event{then: func() { o.newMasterReadyOrEnded(err) }})
	})
	if err != nil {
		o.link = nil
		o.conclude(err)
		return
	}
	m.masters.newRuns = true
	o.other = o.link
	m.receiveFrom(o.link, false)
}

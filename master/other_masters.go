// The other masters: the one before this one, which still hands over workers that have clients after it was replaced, and
// then leaves, and the one that this one has started.

package master

import (
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
)

// farewellTimeout is how long a new master that serves waits for the old one to leave.
const farewellTimeout = 10 * time.Second

// otherMasters is what this master has to do with the one before it and the one after it.
type otherMasters struct {
	startedByOld   bool               // this process was started by a master that it is to replace, or has replaced
	old            *predecessor       // this master has replaced it, and it has not left yet; nil: there is none
	connectedByOld map[[2]uint64]bool // workers, by generation and slot, that the old master has connected to those of this one
	lingers        bool               // an upgrade waits for the end of the process of that master, which has left
	newRuns        bool               // a new master was started and has neither taken over nor ended
	lastLink       *masterLink        // the latest; nil: there was none
	leaveAll       bool               // this process ends and leaves workers and sockets to another master
}

// predecessor is a master that this one has replaced, until it has left.
type predecessor struct {
	link  *masterLink
	pid   int
	stays bool      // its process does not end when it has left
	until time.Time // then this master goes on without it
}

// is reports whether a link leads to the predecessor.
func (p *predecessor) is(l *masterLink) bool { return p != nil && p.link == l }

// heardFarewell handles the old master's last message: its final totals and what it leaves undone.
func (m *master) heardFarewell(msg message) {
	if msg.Legacy != nil && m.generations.serving != nil && len(m.generations.ofOldMaster) == 0 { // no counters were passed on
		m.totals.Past = msg.Legacy
		m.updateInherited()
	}
	m.keepOldGenerations()
	if msg.Result != nil {
		if own := m.last; own != nil && own.Lost > msg.Result.Lost { // the old master does not know of all lost clients
			msg.Result.Lost, msg.Result.LostReason = own.Lost, own.LostReason
		}
		m.last = msg.Result
	}
	for _, name := range msg.Waiting {
		m.handleIntent(message{Intent: name}, true)
	}
}

// oldMasterGone is called when the old master has left, or is not waited for any more.
func (m *master) oldMasterGone() {
	l := m.masters.old.link
	m.masters.old = nil
	m.keepOldGenerations()
	m.unstore(m.service.stored) // an old master of an earlier version does this itself, unless it is killed
	m.service.stored = nil
	m.storeAgain()
	l.close()
	m.startQueued()
}

// oldMasterOverdue goes on without an old master that hangs and does not leave; its workers keep their clients. It is killed
// if it is still the parent of this process: it would be in the way of the next upgrade, and no other process can have its
// pid.
func (m *master) oldMasterOverdue() {
	fate := "it is killed"
	if m.masters.old.stays {
		fate = "its process stays"
	} else if err := m.world.killParent(m.masters.old.pid); err != nil {
		fate = fmt.Sprintf("it cannot be killed: %v", err)
	}
	m.log.Event(logfile.OldMasterStays, m.masters.old.pid, farewellTimeout, fate)
	m.oldMasterGone()
}

// lingerTimeout is how long an upgrade waits for the end of a process that has nothing more to do. On a machine with busy disks
// or processors the kernel can take many seconds to take one apart.
const lingerTimeout = time.Minute

// upgradeOnceAlone upgrades when the process of the old master of the upgrade before has ended: until then there can be no
// other new master.
func (m *master) upgradeOnceAlone(r order) {
	pid := m.world.lingering()
	if pid == 0 {
		m.upgrade(r)
		return
	}
	m.log.Event(logfile.OrderWaitsForEnd, r.kind, pid)
	m.masters.lingers = true
	m.enqueue(r)
	since := m.world.now()
	m.world.aside(func() func() {
		err := m.world.awaitParent(lingerTimeout)
		return func() { m.alone(pid, since, err) }
	})
}

// alone is called when the process of the old master has ended, or is not waited for any more (err). The order that waits for
// that is gone if pinion is ending.
func (m *master) alone(pid int, since time.Time, err error) {
	m.masters.lingers = false
	r := m.queued
	switch {
	case r == nil:
	case err != nil:
		m.queued = nil
		m.refuseToStart(*r, err)
		return
	default:
		took := m.world.now().Sub(since).Round(time.Millisecond)
		r.remarks = append(r.remarks, fmt.Sprintf("waited %s for the end of the old master (pid %d) of the upgrade before", took, pid))
	}
	m.startQueued()
}

// takeInLate looks for the workers of an old master that has died without handing them over, and lets them move their
// clients and end.
func (m *master) takeInLate() {
	for _, g := range m.generations.retired {
		g.sought = true
	}
	m.world.aside(func() func() {
		met := m.world.lateOrphans(absolute(m.opts.ConfigFile))
		return func() {
			for _, g := range m.generations.retired {
				g.sought = false
			}
			if m.phase != serving {
				for _, o := range met {
					m.world.leave(o)
				}
				return
			}
			m.takeInBeside(met)
			m.handOverAll()
			m.updateInherited()
		}
	})
}

// keepOldGenerations makes the generations of the old master, which has left, retired ones of this master.
func (m *master) keepOldGenerations() {
	for _, g := range m.generations.ofOldMaster {
		m.generations.retired = append([]*generation{g}, m.generations.retired...)
	}
	m.generations.ofOldMaster = nil
	if m.phase == stopping {
		for _, s := range m.generations.slots() {
			m.quitWorker(s)
		}
	}
}

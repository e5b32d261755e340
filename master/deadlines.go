// Deadlines: of everything that the master waits for.

package master

import (
	"time"
)

// tick handles everything that is due.
func (m *master) tick() {
	now := m.world.now()
	for _, s := range m.generations.slots() {
		if s.due(now) {
			m.expire(s)
		}
	}
	if m.oldSide != nil && !now.Before(m.oldSide.until) {
		m.oldSide.expire()
	}
	if m.newSide != nil && !now.Before(m.newSide.until) {
		m.newSide.expire()
	}
	if m.borrowing != nil && !now.Before(m.borrowing.until) {
		m.endBorrowing()
	}
	m.tickFailovers(now)
	m.tickRehearsals(now)
	m.drainIfDue(now)
	m.tickPaths(now)
	m.tickCertificates(now)
	if m.masters.old != nil && !now.Before(m.masters.old.until) {
		m.oldMasterOverdue()
	}
	if m.summary.Due(now) {
		m.summarize()
	}
	m.log.Tick()
	m.service.watchdog.pingIfDue(m, now)
	m.tickTotals(now)
	m.checkPulses(now)
	m.finishEvent()
}

// untilNext returns the time until something is due.
func (m *master) untilNext() time.Duration {
	next := m.deadline()
	if next.IsZero() {
		return time.Hour
	}
	return max(0, next.Sub(m.world.now()))
}

// deadline returns when something is due next; zero if never.
func (m *master) deadline() time.Time {
	next := m.summary.Next
	consider := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for _, s := range m.generations.slots() {
		consider(s.until)
	}
	if m.oldSide != nil {
		consider(m.oldSide.until)
	}
	if m.newSide != nil {
		consider(m.newSide.until)
	}
	if m.borrowing != nil {
		consider(m.borrowing.until)
	}
	if m.masters.old != nil {
		consider(m.masters.old.until)
	}
	for _, f := range m.failovers {
		consider(f.until)
	}
	for _, q := range m.rehearsals {
		consider(q.next)
	}
	consider(m.nextDrain())
	consider(m.service.watchdog.next)
	consider(m.totals.Next)
	consider(m.log.Next())
	consider(m.paths.due())
	consider(m.certificates.next)
	consider(m.nextPulse)
	return next
}

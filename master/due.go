// What is due, and when: the deadlines of everything that the master waits for.

package master

import (
	"time"
)

// tick does what is due.
func (m *master) tick() {
	now := m.world.now()
	for _, s := range m.slots() {
		if s.due(now) {
			m.expire(s)
		}
	}
	if m.source != nil && !now.Before(m.source.until) {
		m.source.expire()
	}
	if m.target != nil && !now.Before(m.target.until) {
		m.target.expire()
	}
	if m.borrowing != nil && !now.Before(m.borrowing.until) {
		m.borrowed()
	}
	m.tickPaths(now)
	if m.predecessor != nil && !now.Before(m.predecessorUntil) {
		m.outlive()
	}
	if m.summary.Due(now) {
		m.summarize()
	}
	m.service.tick(m, now)
	m.tickTotals(now)
	m.feelPulses(now)
	m.settle()
}

// untilNext returns how long nothing is due.
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
	for _, s := range m.slots() {
		consider(s.until)
	}
	if m.source != nil {
		consider(m.source.until)
	}
	if m.target != nil {
		consider(m.target.until)
	}
	if m.borrowing != nil {
		consider(m.borrowing.until)
	}
	if m.predecessor != nil {
		consider(m.predecessorUntil)
	}
	consider(m.service.next)
	consider(m.totals.Next)
	consider(m.paths.due())
	consider(m.nextPulse)
	return next
}

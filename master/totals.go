// Totals, as the loop uses them: those of generations that have ended, and the summary in the log.

package master

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/totals"
)

// counted returns the generations whose counters this master reads.
func (m *master) counted() totals.Generations {
	return totals.Generations{
		All: countersOf(m.countedGenerations()...), Accepting: countersOf(m.generations.serving, m.generations.coming), Moving: m.oldSide != nil || m.newSide != nil,
	}
}

// countedGenerations returns these generations, the oldest first.
func (m *master) countedGenerations() []*generation {
	all := slices.Clone(m.generations.ofOldMaster)
	if m.newSide != nil {
		all = append(all, m.newSide.oldGenerations...)
	}
	slices.Reverse(all)
	all = append(append(all, m.generations.all()...), m.generations.ofNewMaster)
	return slices.DeleteFunc(all, func(g *generation) bool { return g == nil || g.counters == nil })
}

// countersOf returns the counters of those generations that are not nil and have some.
func countersOf(generations ...*generation) (all []*totals.Counters) {
	for _, g := range generations {
		if g != nil && g.counters != nil {
			all = append(all, g.counters)
		}
	}
	return all
}

// total returns the totals of all generations, without the new master's, which adds its own, and which servers are ejected
// in the generation that serves.
func (m *master) total() *totals.Sums {
	own := m.generations.serving.counters
	return m.totals.Others(m.counted(), false, countersOf(m.generations.serving, m.generations.ofNewMaster)...).Add(own.Sum(false)).Only(own)
}

// refresh updates the inherited totals if there are workers of other generations.
func (m *master) refresh() {
	if len(m.counted().All) > 1 {
		m.updateInherited()
	}
}

// updateInherited updates the totals that the serving and the coming generation inherit from all others.
func (m *master) updateInherited() {
	m.totals.Restate(m.counted(), m.world.now())
	if m.newSide != nil {
		m.newSide.liveness.CatchUp()
	}
}

// recountClients tells the workers of these generations how many clients the others have.
func (m *master) recountClients() { m.totals.Recount(m.counted(), m.world.now()) }

// tickTotals counts the clients again when it is time.
func (m *master) tickTotals(now time.Time) {
	if next := m.totals.Next; !next.IsZero() && !now.Before(next) {
		m.recountClients()
	}
}

// forgetRetired forgets retired generations whose workers are all gone. Their totals are kept.
func (m *master) forgetRetired() {
	before := len(m.generations.retired)
	m.generations.retired = slices.DeleteFunc(m.generations.retired, func(g *generation) bool {
		if g.gone() {
			m.forget(g)
			return true
		}
		return false
	})
	if len(m.generations.retired) < before {
		m.forgetNames()
		m.follow()
	}
}

// forget keeps the totals of a generation and releases its shared memory.
func (m *master) forget(g *generation) {
	if g.counters != nil {
		m.totals.Forget(g.counters)
		g.unshare(m.world)
	}
}

// forgetNames is called when generations are gone: it drops totals of pools and servers that no other generation has.
func (m *master) forgetNames() {
	m.totals.Past = m.totals.Past.Only(m.counted().All...)
	m.updateInherited()
}

// clientsNow returns how many clients there are, those of earlier generations included.
func (m *master) clientsNow() (n int) {
	m.refresh()
	for i := range m.generations.serving.pools {
		n += int(m.generations.serving.counters.Clients(i))
	}
	return n
}

// scheduleSummary begins an interval of the summary.
func (m *master) scheduleSummary() {
	if m.opts.StatsInterval <= 0 {
		return
	}
	m.refresh()
	m.summary = totals.NewSummary(m.generations.serving.counters, m.world.now(), m.opts.StatsInterval)
}

// summarize logs what happened since the last line.
func (m *master) summarize() {
	last := m.summary
	m.scheduleSummary()
	m.log.Event(logfile.Summary, m.summary.Line(last))
}

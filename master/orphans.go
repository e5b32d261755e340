// Orphans: a master that is killed leaves its workers serving, each at a rendezvous of its own. The next master of the same
// configuration goes there before it claims an address, and takes them over with all their connections.

package master

import (
	"cmp"
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	searchTime  = 3 * time.Second // for orphans, while workers of ours have the addresses
	orphanGrace = time.Second     // for the others when one has come
	searchPause = 50 * time.Millisecond
)

// takeInOrphans returns the generation that an earlier master has left to itself; nil if there is none. Workers of others,
// and those that only drain, are retired ones of this master from here on: they move their clients on, see handOver. Whoever
// has an address of the configuration and can only be in the way is ended.
func (m *master) takeInOrphans(cfg *config.Config) *generation {
	found := m.findOrphans(cfg)
	if len(found) == 0 {
		return nil
	}
	slices.SortStableFunc(found, func(a, b *process.Orphan) int {
		return cmp.Or(cmp.Compare(b.Spec.Generation, a.Spec.Generation), cmp.Compare(a.Spec.Slot, b.Spec.Slot))
	})
	goesOn := latestThatServes(found)
	var latest *generation
	for len(found) > 0 {
		number := found[0].Spec.Generation
		m.generations.numbered = max(m.generations.numbered, number)
		n := 1
		for n < len(found) && found[n].Spec.Generation == number {
			n++
		}
		same, others := found[:n], found[n:]
		serves := number == goesOn
		if serves { // A handoff that was under way may have left a slot's clients in the generation before.
			same, others = fillGaps(same, others)
		}
		g, err := m.reviveOrphans(same)
		switch {
		case err != nil:
			m.log.Printf(logfile.Error, "generation %d, which an earlier master has left, cannot be taken over: %v", number, err)
		case serves:
			latest = g
		default:
			m.generations.retired = append([]*generation{g}, m.generations.retired...)
		}
		found = others
	}
	return latest
}

// latestThatServes returns the number of the generation that goes on. A later one that hands its clients back, or an earlier
// one that hands them over, does so because of another that serves; in the moment in which none does, the latest one can.
func latestThatServes(found []*process.Orphan) (number uint64) {
	for _, o := range found {
		if o.Serves() && !o.Drains.Moving {
			return o.Spec.Generation // the latest come first
		}
	}
	for _, o := range found {
		if o.Serves() {
			return o.Spec.Generation
		}
	}
	return 0
}

// takeInBeside takes in the workers of this configuration file that others have left beside those that this master has: a
// handoff was under way when their master died, or they have stragglers.
func (m *master) takeInBeside(met []*process.Orphan) {
	past := m.totals.Past // includes what they know of those before them
	for _, o := range met {
		m.generations.numbered = max(m.generations.numbered, o.Spec.Generation)
		if m.rejoin(o) {
			continue
		}
		g, err := m.reviveOrphans([]*process.Orphan{o})
		if err != nil {
			m.log.Printf(logfile.Error, "worker %d (pid %d) of generation %d, which an earlier master has left, cannot be taken over: %v",
				o.Spec.Slot, o.PID, o.Spec.Generation, err)
			continue
		}
		m.generations.retired = append([]*generation{g}, m.generations.retired...)
	}
	slices.SortStableFunc(m.generations.retired, func(a, b *generation) int { return cmp.Compare(a.number, b.number) })
	m.totals.Past = past
}

// rejoin gives an orphan its slot in a generation of which this master knows already.
func (m *master) rejoin(o *process.Orphan) bool {
	i := slices.IndexFunc(m.generations.retired, func(g *generation) bool { return g.number == o.Spec.Generation })
	if i < 0 || o.Spec.Slot >= len(m.generations.retired[i].slots) || m.generations.retired[i].slots[o.Spec.Slot].process != nil {
		return false
	}
	s := m.generations.retired[i].slots[o.Spec.Slot]
	for _, l := range o.Lent {
		m.world.close(l.FD)
	}
	m.world.close(o.SpecFD)
	m.world.close(o.SharedFD)
	p, err := m.world.adopt(o.Spec.Slot, o.PID, o.LinkFD, m.reporterOf(s))
	if err != nil { // it has ended meanwhile
		m.world.close(o.LinkFD)
		return true
	}
	s.occupy(p, m.world.now())
	s.become(slotServing, time.Time{})
	s.generation.config.Global.ShutdownTimeout = o.Spec.ShutdownTimeout
	m.resumeDrain(s.generation, []*process.Orphan{o})
	return true
}

// handOverAll has all workers that were left beside those that serve move their clients to them, and end.
func (m *master) handOverAll() {
	for _, g := range m.generations.retired {
		for _, s := range g.slots {
			if s.state == slotServing {
				m.handOver(s)
			}
		}
	}
}

func (m *master) handOver(s *slot) {
	m.log.Printf(logfile.Warn, "an earlier master has ended without a word; its worker %d of generation %d (pid %d) hands its clients over",
		s.index, s.generation.number, s.process.PID)
	m.connectAdopted(s)
	removed := s.generation.unserved(m.generations.serving.servedSockets())
	m.tellRemoved(s, removed)
	s.become(slotGiving, time.Time{})
	m.pass(s, link.Message{Kind: link.MoveClients, Body: link.Body(link.MoveClientsBody{})})
	m.release(s, s.generation.config.Global.ShutdownTimeout, removed)
}

// resumeDrain has those drain on that did so before, and end when they would have.
func (m *master) resumeDrain(g *generation, workers []*process.Orphan) {
	for _, o := range workers {
		s := g.slots[o.Spec.Slot]
		if o.Serves() || s.process == nil || s.process.PID != o.PID {
			continue
		}
		until := time.Time{}
		if o.Drains.Left > 0 {
			until = m.world.now().Add(o.Drains.Left + grace)
		}
		s.toldToEnd = true // its slot is filled again, if its generation is the one that serves
		s.become(slotDraining, until)
		m.log.Printf(logfile.Warn, "an earlier master has ended without a word; its worker %d of generation %d (pid %d) drains on",
			s.index, g.number, o.PID)
	}
}

// fillGaps has orphans of earlier generations take the slots that nobody has in the latest one.
func fillGaps(same, others []*process.Orphan) (filled, rest []*process.Orphan) {
	taken := map[int]bool{}
	for _, o := range same {
		taken[o.Spec.Slot] = true
	}
	for _, o := range others {
		if slot := o.Spec.Slot; o.Serves() && !taken[slot] && slot < same[0].Spec.Slots {
			taken[slot] = true
			same = append(slices.Clip(same), o)
			continue
		}
		rest = append(rest, o)
	}
	return same, rest
}

// orphanSearch is the search for orphans.
type orphanSearch struct {
	m           *master
	cfg         *config.Config
	ownUntil    time.Time // until then workers of this build may come: each waits within moments, unless it hangs
	othersUntil time.Time // likewise those of others, of which some never do
	killedUntil time.Time // until then those that are killed may still have their sockets
	found       []*process.Orphan
	killed      map[int]bool // strays, by pid
	reported    map[int]bool // likewise: those that the operator has been told of
}

// findOrphans returns the orphans that the configuration is about. While workers of ours have its addresses and may still
// come, because their master is just ending, it waits for them.
func (m *master) findOrphans(cfg *config.Config) []*process.Orphan {
	until := m.world.now().Add(searchTime)
	g := orphanSearch{m: m, cfg: cfg, ownUntil: until, othersUntil: until, killed: map[int]bool{}, reported: map[int]bool{}}
	for g.look() {
		m.world.pause(searchPause)
	}
	return g.found
}

// look reports whether to look again.
func (g *orphanSearch) look() bool {
	m := g.m
	var pids []int
	claimants := m.world.claimants(listenAddresses(g.cfg))
	for _, c := range claimants {
		pids = append(pids, c.pid)
	}
	met, deaf := m.world.orphans(absolute(m.opts.ConfigFile), pids)
	for _, o := range met {
		if !m.concerns(g.cfg, o) {
			m.world.leave(o)
			continue
		}
		if len(g.found) == 0 {
			g.othersUntil = m.world.now().Add(orphanGrace)
		}
		g.found = append(g.found, o)
	}
	again := false
	for _, c := range claimants {
		until := g.waitsFor(c, slices.Contains(deaf, c.pid))
		again = again || m.world.now().Before(until)
	}
	return again
}

// waitsFor returns until when a process that has an address may come, or go. One that only is in the way is ended.
func (g *orphanSearch) waitsFor(c claimant, deaf bool) (until time.Time) {
	m, now := g.m, g.m.world.now()
	until = g.othersUntil
	if c.ours && !c.parent {
		until = g.ownUntil
	}
	over := !now.Before(until)
	switch {
	case slices.ContainsFunc(g.found, func(o *process.Orphan) bool { return o.PID == c.pid }):
		return time.Time{}
	case c.parent: // about to leave
	case g.killed[c.pid]:
		return g.killedUntil
	case c.stopped, deaf, over && c.ours:
		m.log.Printf(logfile.Error, "killing worker pid %d, which an earlier master has left and which does not answer", c.pid)
		m.world.killStray(c.pid)
		g.killed[c.pid] = true
		g.killedUntil = now.Add(orphanGrace)
		return g.killedUntil
	case over && !g.reported[c.pid]:
		g.reported[c.pid] = true
		m.log.Printf(logfile.Error, "worker pid %d, which an earlier master has left, does not come to be taken over: it is of an "+
			"early version, or hangs; to end it: kill %d", c.pid, c.pid)
	}
	return until
}

// concerns reports whether an orphan is of the same configuration, or has one of its addresses.
func (m *master) concerns(cfg *config.Config, o *process.Orphan) bool {
	if o.Spec.ConfigFile != "" && o.Spec.ConfigFile == absolute(m.opts.ConfigFile) {
		return true
	}
	return slices.ContainsFunc(o.Lent, func(l process.LentSocket) bool {
		return slices.ContainsFunc(listenAddresses(cfg), func(c config.Listen) bool {
			return c.ID() == config.ListenID{Network: l.Network, Address: l.Address}
		})
	})
}

// reviveOrphans makes a generation of its workers. The descriptors of those that it does not have are closed.
func (m *master) reviveOrphans(workers []*process.Orphan) (*generation, error) {
	first := workers[0]
	spec := first.Spec
	if slices.ContainsFunc(workers, (*process.Orphan).Serves) {
		spec.Listeners = nil
	}
	for _, o := range workers {
		if !o.Serves() { // what it has lent is about to be closed, since its address is not served any more
			for _, l := range o.Lent {
				m.world.close(l.FD)
			}
			continue
		}
		m.keepLent(o)
		for _, l := range o.Lent {
			if o.Spec.Generation == spec.Generation {
				spec.Listeners = append(spec.Listeners, l.Listener)
			}
		}
	}
	r := &storedGeneration{spec: first.SpecFD, shared: first.SharedFD}
	for i, o := range workers {
		r.workers = append(r.workers, storedWorker{o.Spec.Slot, o.PID, o.LinkFD})
		if i > 0 {
			m.world.close(o.SpecFD)
			m.world.close(o.SharedFD)
		}
	}
	g, err := m.reviveSpec(spec.Generation, &spec, r)
	if err != nil {
		for _, fd := range append([]int{r.spec, r.shared}, links(r.workers)...) {
			m.world.close(fd)
		}
		return nil, err
	}
	m.resumeDrain(g, workers)
	return g, nil
}

// keepLent makes listeners of the copies that an orphan has lent, unless they are there already: workers share some.
func (m *master) keepLent(o *process.Orphan) {
	for _, l := range o.Lent {
		if m.listeners.Holds(l.FD) {
			m.world.close(l.FD)
			continue
		}
		m.listeners.Add(m.listeners.Lent(l.Listener, o.Spec.Slot, o.Spec.Slots, l.FD))
	}
}

// retryWhileInUse tries until an address is free that a master has had which is just ending. A service manager starts the
// next one when nothing is left of it.
func (m *master) retryWhileInUse(try func() error) error {
	for began := m.world.now(); ; m.world.pause(searchPause) {
		err := try()
		if !errors.Is(err, syscall.EADDRINUSE) || m.world.services.Present() || m.world.now().Sub(began) >= searchTime {
			return err
		}
	}
}

// findLateOrphans does so for some moments: all who come within them, of the configuration file.
func findLateOrphans(file string) (all []*process.Orphan) {
	for until := time.Now().Add(orphanGrace); time.Now().Before(until); time.Sleep(searchPause) {
		met, _ := process.FindOrphans(file, nil)
		all = append(all, met...)
	}
	return all
}

// Orphans: workers whose master was killed serve on, and wait at a rendezvous socket. The next master of the same
// configuration connects to these before it binds an address, and takes the workers over with all their connections.

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
	searchTime  = 3 * time.Second // for orphans, while Pinion's workers have the addresses
	orphanGrace = time.Second     // for further orphans after the first was found
	searchPause = 50 * time.Millisecond
)

// takeInOrphans returns the generation of an earlier master that goes on serving; nil if there is none. Workers of other
// generations, and those that only drain, become retired ones of this master and move their clients, see handOver. Workers
// that have an address of the configuration but cannot be taken over are killed.
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
		if serves { // A handoff that was under way may have left the clients of a slot in the generation before.
			same, others = fillGaps(same, others)
		}
		g, err := m.reviveOrphans(same)
		switch {
		case err != nil:
			m.log.Event(logfile.GenerationLost, number, err)
		case serves:
			latest = g
		default:
			m.generations.retired = append([]*generation{g}, m.generations.retired...)
		}
		found = others
	}
	return latest
}

// latestThatServes returns the number of the generation that goes on serving: the latest one that does not hand its clients
// to another generation or, if all do, the latest one.
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

// takeInBeside takes over orphans of this configuration file beside the workers that this master has already: their master
// died during a handoff, or they have stragglers.
func (m *master) takeInBeside(met []*process.Orphan) {
	past := m.totals.Past // includes the totals that orphans have inherited
	for _, o := range met {
		m.generations.numbered = max(m.generations.numbered, o.Spec.Generation)
		if m.rejoin(o) {
			continue
		}
		g, err := m.reviveOrphans([]*process.Orphan{o})
		if err != nil {
			m.log.Event(logfile.OrphanLost, o.Spec.Slot, o.PID, o.Spec.Generation, err)
			continue
		}
		m.generations.retired = append([]*generation{g}, m.generations.retired...)
	}
	slices.SortStableFunc(m.generations.retired, func(a, b *generation) int { return cmp.Compare(a.number, b.number) })
	m.totals.Past = past
}

// rejoin gives an orphan its slot in a retired generation of this master, and reports whether there is one.
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

// handOverAll makes all workers of retired generations that still serve move their clients to the generation that serves,
// and end.
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
	m.log.Event(logfile.OrphanHandsOver, s.index, s.generation.number, s.process.PID)
	m.connectAdopted(s)
	removed := s.generation.unserved(m.generations.serving.servedSockets())
	m.tellRemoved(s, removed)
	s.become(slotGiving, time.Time{})
	m.pass(s, link.Message{Kind: link.MoveClients, Body: link.Body(link.MoveClientsBody{})})
	m.release(s, s.generation.config.Global.ShutdownTimeout, removed)
}

// resumeDrain lets workers that were draining when their master died drain on, with the same deadline.
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
		s.toldToEnd = true // if its generation serves, its slot is filled when it has ended
		s.become(slotDraining, until)
		m.log.Event(logfile.OrphanDrains, s.index, g.number, o.PID)
	}
}

// fillGaps fills vacant slots of the latest generation with orphans of earlier ones.
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
	ownUntil    time.Time // until then orphans of this build may answer: they do within moments, unless they hang
	othersUntil time.Time // until then orphans of other builds may answer; some never do
	killedUntil time.Time // until then orphans that were killed may still hold their sockets
	found       []*process.Orphan
	killed      map[int]bool // by pid
	reported    map[int]bool // by pid: logged as not answering
}

// findOrphans returns the orphans of the configuration. It waits while Pinion's workers have its addresses and may still
// become orphans because their master is just ending.
func (m *master) findOrphans(cfg *config.Config) []*process.Orphan {
	until := m.world.now().Add(searchTime)
	g := orphanSearch{m: m, cfg: cfg, ownUntil: until, othersUntil: until, killed: map[int]bool{}, reported: map[int]bool{}}
	for g.look() {
		m.world.pause(searchPause)
	}
	return g.found
}

// look looks for orphans once, and reports whether to look again.
func (g *orphanSearch) look() bool {
	m := g.m
	var pids []int
	claimants := m.world.claimants(listenAddresses(g.cfg))
	for _, c := range claimants {
		pids = append(pids, c.pid)
	}
	met, deaf := m.world.orphans(absolute(m.opts.ConfigFile), pids)
	for _, o := range met {
		if !m.isOrphanOf(g.cfg, o) {
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

// waitsFor returns until when to wait for a process that has an address, to answer or to end. One that does not answer is
// killed.
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
	case c.parent: // its master is about to leave
	case g.killed[c.pid]:
		return g.killedUntil
	case c.stopped, deaf, over && c.ours:
		m.log.Event(logfile.OrphanKilled, c.pid)
		m.world.killStray(c.pid)
		g.killed[c.pid] = true
		g.killedUntil = now.Add(orphanGrace)
		return g.killedUntil
	case over && !g.reported[c.pid]:
		g.reported[c.pid] = true
		m.log.Event(logfile.OrphanDeaf, c.pid, c.pid)
	}
	return until
}

// isOrphanOf reports whether an orphan is of the same configuration file, or has one of its addresses.
func (m *master) isOrphanOf(cfg *config.Config, o *process.Orphan) bool {
	if o.Spec.ConfigFile != "" && o.Spec.ConfigFile == absolute(m.opts.ConfigFile) {
		return true
	}
	return slices.ContainsFunc(o.Lent, func(l process.LentSocket) bool {
		return slices.ContainsFunc(listenAddresses(cfg), func(c config.Listen) bool {
			return c.ID() == config.ListenID{Network: l.Network, Address: l.Address}
		})
	})
}

// reviveOrphans makes a generation of orphans, and takes over or closes their descriptors.
func (m *master) reviveOrphans(workers []*process.Orphan) (*generation, error) {
	first := workers[0]
	spec := first.Spec
	if slices.ContainsFunc(workers, (*process.Orphan).Serves) {
		spec.Listeners = nil
	}
	for _, o := range workers {
		if !o.Serves() { // its listeners are about to be closed
			for _, l := range o.Lent {
				m.world.close(l.FD)
			}
			continue
		}
		m.addLent(o)
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

// addLent adds the listeners that an orphan has passed, unless they are there already: workers share some.
func (m *master) addLent(o *process.Orphan) {
	for _, l := range o.Lent {
		if m.listeners.Holds(l.FD) {
			m.world.close(l.FD)
			continue
		}
		m.listeners.Add(m.listeners.Lent(l.Listener, o.Spec.Slot, o.Spec.Slots, l.FD))
	}
}

// retryWhileInUse calls try until the address is free, for some seconds: a master that is just ending may hold it. A service
// manager starts the next master only when the last one is gone.
func (m *master) retryWhileInUse(try func() error) error {
	for began := m.world.now(); ; m.world.pause(searchPause) {
		err := try()
		if !errors.Is(err, syscall.EADDRINUSE) || m.world.services.Present() || m.world.now().Sub(began) >= searchTime {
			return err
		}
	}
}

// findLateOrphans returns all orphans of a configuration file that can be reached within a second.
func findLateOrphans(file string) (all []*process.Orphan) {
	for until := time.Now().Add(orphanGrace); time.Now().Before(until); time.Sleep(searchPause) {
		met, _ := process.FindOrphans(file, nil)
		all = append(all, met...)
	}
	return all
}

// What an old master leaves that still lives: workers with clients that could not move, and the memory in which they
// count. The new master reads that memory and sees to their end, as after a reload.

package master

import (
	"errors"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
)

// line returns the generation and those before it that still have workers, the latest first.
func (g *generation) line() (all []*generation) {
	for ; g != nil; g = g.previous {
		all = append(all, g)
	}
	return all
}

// tellGenerations says where the workers count, the latest generation first: what cannot be said of those before it is
// counted there.
func (s *source) tellGenerations() {
	m := s.m
	for _, g := range m.generation.line() {
		own, err := m.world.dup(g.sharedFD)
		if err != nil {
			m.log.printf(levelWarn, "%s: passing on the counters: %v", s.status.Kind, err)
			return
		}
		s.target.say(word{
			Kind: wordCounters, Generation: g.number, Slots: len(g.slots), Pools: names(g.pools), Bytes: link.CounterBytes(link.ServerCounts(g.pools), len(g.slots)),
			fds: []int{own},
		})
	}
}

// names returns no more of pools than tells whose counters are whose.
func names(pools []link.Pool) (all []link.Pool) {
	for i := range pools {
		p := link.Pool{Name: pools[i].Name}
		for _, s := range pools[i].Servers {
			p.Servers = append(p.Servers, link.Server{Name: s.Name, Network: s.Network, Address: s.Address})
		}
		all = append(all, p)
	}
	return all
}

// remember maps the counters of a generation that the source has, or had.
func (t *target) remember(w word) {
	if len(w.fds) != 1 || t.unreadable {
		return
	}
	g := &generation{number: w.Generation, config: &config.Config{}, pools: w.Pools, specFD: -1, revived: true}
	for i := range w.Slots {
		g.slots = append(g.slots, &slot{generation: g, index: i, cpu: -1})
	}
	err := errOtherLayout
	if w.Bytes == link.CounterBytes(link.ServerCounts(g.pools), len(g.slots)) {
		err = t.m.mapCounters(g, w.fds[0])
	}
	if err != nil {
		t.unreadable = true
		t.m.log.printf(levelWarn, "what the old workers still count will be missing: the counters of generation %d: %v", g.number, err)
		return
	}
	w.fds[0] = -1
	t.left = append(t.left, g)
}

var errOtherLayout = errors.New("this version lays them out otherwise")

// mapCounters maps the counters that another master has made, and takes over their descriptor.
func (m *master) mapCounters(g *generation, fd int) error {
	counts := link.ServerCounts(g.pools)
	mem, err := m.world.mapMemory(fd, link.SharedBytes(counts, len(g.slots)))
	if err != nil {
		return err
	}
	if g.shared, err = link.OpenShared(mem, counts, len(g.slots)); err != nil {
		return err
	}
	g.sharedFD, g.memory = fd, mem
	return nil
}

// tellWorkers hands over those that still have clients. What they say is the new master's to hear.
func (s *source) tellWorkers() {
	m := s.m
	for _, g := range m.generation.line() {
		for _, old := range g.slots {
			if old.process == nil {
				continue
			}
			control, err := m.world.part(old.process)
			if err != nil {
				m.log.printf(levelWarn, "%s: handing over worker %d (pid %d): %v", s.status.Kind, old.index, old.process.pid, err)
				continue
			}
			w := word{Kind: wordWorker, Generation: g.number, Slot: old.index, PID: old.process.pid, fds: []int{control}}
			if !old.until.IsZero() || old.state == slotDying {
				w.Left = max(old.until.Sub(m.world.now()), grace)
			}
			s.target.say(w)
		}
	}
}

// adopt takes over a worker that still has clients.
func (m *master) adopt(w word) {
	i := slices.IndexFunc(m.inherited, func(g *generation) bool { return g.number == w.Generation })
	if i < 0 || len(w.fds) != 1 || w.Slot < 0 || w.Slot >= len(m.inherited[i].slots) || m.inherited[i].slots[w.Slot].process != nil {
		return
	}
	s := m.inherited[i].slots[w.Slot]
	p, err := m.world.adopt(w.Slot, w.PID, w.fds[0])
	if err != nil { // it has ended meanwhile
		s.generation.shared.ZeroGauges(s.index)
		return
	}
	w.fds[0] = -1
	s.occupy(p, m.world.now())
	until := time.Time{}
	if w.Left > 0 {
		until = m.world.now().Add(w.Left)
	}
	s.become(slotDraining, until)
}

// succeedInherited makes what the old master has left, which does not touch it any more, this one's own.
func (m *master) succeedInherited() {
	for i, g := range m.inherited {
		if i > 0 {
			m.inherited[i-1].previous = g
		}
		m.retired = append([]*generation{g}, m.retired...)
	}
	m.inherited = nil
}

// occupy gives a slot a process that another master has started.
func (s *slot) occupy(p *process, now time.Time) {
	p.owner, s.process = s, p
	s.bornAt, s.readyAt, s.pulse = now, now, pulse{}
	s.become(slotStarting, time.Time{})
}

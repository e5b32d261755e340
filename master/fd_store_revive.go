// Recovery: a master that is killed leaves its workers serving. The service manager keeps the master's ends of their
// worker links, so the next master finds them, and has them hand over to workers of its own.

package master

import (
	"net/netip"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/worker/link"
)

// storedGeneration is what the service manager has kept of a generation.
type storedGeneration struct {
	spec, shared int // -1: not there
	workers      []storedWorker
	names        []string // of all that
}

type storedWorker struct{ slot, pid, link int }

// splitStored takes what belongs to generations out of what the service manager has passed, and returns the rest.
func splitStored(passed []systemd.Socket) (generations map[uint64]*storedGeneration, rest []systemd.Socket) {
	generations = map[uint64]*storedGeneration{}
	for _, p := range passed {
		stored, ok := systemd.ParseStored(p.Name)
		if !ok {
			rest = append(rest, p)
			continue
		}
		r := generations[stored.Generation]
		if r == nil {
			r = &storedGeneration{spec: -1, shared: -1}
			generations[stored.Generation] = r
		}
		r.names = append(r.names, p.Name)
		switch stored.Kind {
		case systemd.Spec:
			r.spec = p.FD
		case systemd.Shared:
			r.shared = p.FD
		case systemd.Worker:
			r.workers = append(r.workers, storedWorker{stored.Slot, stored.PID, p.FD})
		}
	}
	return generations, rest
}

// reviveStored returns the generation that a master before this one has left, the latest one if there are several; nil if
// there is none. What is left of others is closed and forgotten: their workers have nothing to do any more.
func (m *master) reviveStored(generations map[uint64]*storedGeneration) *generation {
	numbers := []uint64{}
	for n := range generations {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	var found *generation
	for _, n := range numbers {
		r := generations[n]
		if found == nil && r.spec >= 0 && len(r.workers) > 0 {
			g, err := m.reviveByStoredSpec(n, r)
			if err == nil {
				found, m.generations.numbered = g, n
				continue
			}
			m.log.Printf(logfile.Error, "generation %d, which an earlier master has left, cannot be taken over: %v", n, err)
		}
		m.unstore(r.names)
		for _, fd := range append([]int{r.spec, r.shared}, links(r.workers)...) {
			if fd >= 0 {
				m.world.close(fd)
			}
		}
	}
	return found
}

func links(workers []storedWorker) (fds []int) {
	for _, w := range workers {
		fds = append(fds, w.link)
	}
	return fds
}

// reviveByStoredSpec makes the generation anew of what is left of it.
func (m *master) reviveByStoredSpec(number uint64, r *storedGeneration) (*generation, error) {
	text, err := m.world.readMemory(r.spec)
	if err != nil {
		return nil, err
	}
	spec, err := process.ParseSpec(text)
	if err != nil {
		return nil, err
	}
	return m.reviveSpec(number, spec, r)
}

// reviveSpec does so by a specification of one of its workers.
func (m *master) reviveSpec(number uint64, spec *link.Spec, r *storedGeneration) (*generation, error) {
	g := &generation{number: number, config: configOf(spec), pools: spec.Pools, topology: spec.Topology, specFD: -1, revived: true}
	if len(g.topology.Pools) == 0 { // who has written it knew none
		g.topology = link.StaticTopology(g.pools)
	}
	g.specs = slices.Repeat([]link.Spec{*spec}, spec.Slots)
	for i := range g.specs {
		g.specs[i].Slot, g.specs[i].Listeners, g.specs[i].Takeover = i, nil, false
		g.slots = append(g.slots, &slot{generation: g, index: i, cpu: -1})
	}
	if err := m.reviveCounters(g, r.shared); err != nil {
		return nil, err
	}
	g.specFD = r.spec
	for _, w := range r.workers {
		if w.slot < 0 || w.slot >= len(g.slots) || g.slots[w.slot].process != nil {
			m.world.close(w.link)
			continue
		}
		s := g.slots[w.slot]
		p, err := m.world.adopt(w.slot, w.pid, w.link, m.reporterOf(s))
		if err != nil {
			m.log.Printf(logfile.Warn, "worker %d (pid %d), which an earlier master has left: %v", w.slot, w.pid, err)
			m.world.close(w.link)
			continue
		}
		s.occupy(p, m.world.now())
		s.become(slotServing, time.Time{})
	}
	return g, nil
}

// reviveCounters maps the counters, or makes new ones if those cannot be read: another version may lay them out
// differently.
func (m *master) reviveCounters(g *generation, fd int) error {
	if fd >= 0 {
		err := m.mapCounters(g, fd)
		if err == nil {
			m.totals.Past = g.counters.Inherited()
			return nil
		}
		m.log.Printf(logfile.Warn, "totals begin anew: the counters of generation %d: %v", g.number, err)
		m.world.close(fd)
	}
	return g.share(m.world)
}

// configOf returns as much of a configuration as a specification tells.
func configOf(spec *link.Spec) *config.Config {
	cfg := &config.Config{}
	cfg.Global.ShutdownTimeout = spec.ShutdownTimeout
	cfg.Global.Workers = spec.Slots
	for i, p := range spec.Pools {
		pool := config.Pool{Pool: p, Backlog: recoveredBacklog}
		for _, l := range spec.Listeners {
			if l.Pool == i {
				pool.Listen = config.Listen{Network: l.Network, Address: l.Address, Text: l.Address}
				pool.Listen.AddrPort, _ = netip.ParseAddrPort(l.Address) // none: a path
			}
		}
		cfg.Pools = append(cfg.Pools, pool)
	}
	return cfg
}

// recoveredBacklog is the backlog of a generation that was left behind, until the next one sets its own.
const recoveredBacklog = 512

// serveRevived serves by the workers that an earlier master has left, and has them hand over.
func (m *master) serveRevived(g *generation) {
	m.generations.serving = g
	n := g.count(slotServing)
	m.log.Printf(logfile.Warn, "an earlier master has ended without a word; its %d workers (generation %d) serve on", n, g.number)
	if missing := g.count(slotVacant); missing > 0 {
		m.log.Printf(logfile.Error, "%d of %d workers of generation %d are missing: they have died%s",
			missing, len(g.slots), g.number, m.storeHint())
	}
	m.claimPortsAndPIDFile(m.retryWhileInUse, func() error { return nil }, func() {
		for _, s := range g.slots {
			if s.state == slotServing { // a handoff may have been under way
				m.pass(s, link.Message{Kind: link.Resume})
			}
		}
		m.becomeServing()
		m.handOverAll()
		if !m.borrow(g) {
			m.replaceRevived()
		}
		m.finishEvent()
	})
}

// storeHint is what may be wrong if something that was kept is missing.
func (m *master) storeHint() string {
	if !m.world.services.Present() {
		return ""
	}
	return ", or FileDescriptorStoreMax= is too small"
}

// replaceRevived has the workers that an earlier master has left hand over to some of the configuration file as it is now.
// Should that be refused, those that are missing have to be replaced.
func (m *master) replaceRevived() {
	for _, s := range m.generations.serving.slots {
		if s.state == slotWaiting { // for a socket to accept from
			s.become(slotVacant, time.Time{})
		}
		if s.state == slotVacant {
			m.fill(s)
		}
	}
	m.request(order{kind: kindReload, noReply: true})
}

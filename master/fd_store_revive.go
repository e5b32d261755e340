// Recovery under a service manager: it keeps the worker links of a master that was killed, so the next master finds the
// workers, which serve on, and replaces them by workers of its own in a handoff.

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

// storedGeneration is what the service manager keeps of a generation.
type storedGeneration struct {
	spec, shared int // -1: not there
	workers      []storedWorker
	names        []string // of all of these
}

type storedWorker struct{ slot, pid, link int }

// splitStored sorts what the service manager has passed into generations and the rest, which are listening sockets.
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

// reviveStored returns the latest generation that an earlier master has left; nil if there is none. The descriptors of
// others are closed and unstored: their workers see the end of their links, and end.
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
			m.log.Event(logfile.GenerationLost, n, err)
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

// reviveByStoredSpec rebuilds a generation from what is stored.
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

// reviveSpec rebuilds a generation from the specification of one of its workers and the descriptors in r.
func (m *master) reviveSpec(number uint64, spec *link.Spec, r *storedGeneration) (*generation, error) {
	g := &generation{number: number, config: configOf(spec), pools: spec.Pools, topology: spec.Topology, specFD: -1, revived: true}
	if len(g.topology.Pools) == 0 { // it was written by a version without topology
		g.topology = link.StaticTopology(g.pools)
	}
	g.specs = slices.Repeat([]link.Spec{*spec}, spec.Slots)
	for i := range g.specs {
		g.specs[i].Slot, g.specs[i].Listeners, g.specs[i].Takeover = i, nil, false
		g.slots = append(g.slots, &slot{generation: g, index: i, cpu: -1})
	}
	m.listeners.ShareAgain(spec.Listeners)
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
			m.log.Event(logfile.OrphanTrouble, w.slot, w.pid, err)
			m.world.close(w.link)
			continue
		}
		s.occupy(p, m.world.now())
		s.become(slotServing, time.Time{})
	}
	return g, nil
}

// reviveCounters maps the counters, or makes new ones if they cannot be read: another version may lay them out differently.
func (m *master) reviveCounters(g *generation, fd int) error {
	if fd >= 0 {
		err := m.mapCounters(g, fd)
		if err == nil {
			m.totals.Past = g.counters.Inherited()
			m.reviveTally(g)
			return nil
		}
		m.log.Event(logfile.TotalsLost, g.number, err)
		m.world.close(fd)
	}
	return g.share(m.world)
}

// configOf returns as much of a configuration as a specification contains.
func configOf(spec *link.Spec) *config.Config {
	cfg := &config.Config{}
	cfg.Global.ShutdownTimeout = spec.ShutdownTimeout
	cfg.Global.Workers = spec.Slots
	cfg.Global.Control = spec.Control
	if spec.Statistics != "" {
		cfg.Global.Statistics = config.Listen{Network: "tcp", Address: spec.Statistics, Text: spec.Statistics}
	}
	for i, p := range spec.Pools {
		pool := config.Pool{Pool: p, Backlog: recoveredBacklog}
		for _, l := range spec.Listeners {
			at := config.Listen{Network: l.Network, Address: l.Address, Text: l.Address, TLS: l.TLS}
			if l.TLS {
				at.Text += " tls"
			}
			at.AddrPort, _ = netip.ParseAddrPort(l.Address) // a path is none
			switch {
			case l.Pool != i || pool.ListenAt(at.ID()) != nil:
			case pool.Listen.Address == "":
				pool.Listen = at
			default:
				pool.Further = append(pool.Further, at)
			}
		}
		cfg.Pools = append(cfg.Pools, pool)
	}
	return cfg
}

// recoveredBacklog is the backlog of a revived generation: its specification does not contain the configured one.
const recoveredBacklog = 512

// serveRevived goes on serving with the workers of an earlier master, and has them replaced.
func (m *master) serveRevived(g *generation) {
	m.generations.serving = g
	m.follow()
	n := g.count(slotServing)
	m.log.Event(logfile.OrphansServe, n, g.number)
	if missing := g.count(slotVacant); missing > 0 {
		m.log.Event(logfile.OrphansMissing, missing, len(g.slots), g.number, m.storeHint())
	}
	m.seekHolders(func() { m.claimForRevived(g) })
}

func (m *master) claimForRevived(g *generation) {
	m.claimPortsAndPIDFile(m.retryWhileInUse, func() error { return nil }, m.writePIDFile, func() {
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

// storeHint returns a hint, for a log line, why something may be missing from the fd store.
func (m *master) storeHint() string {
	if !m.world.services.Present() {
		return ""
	}
	return ", or FileDescriptorStoreMax= is too small"
}

// replaceRevived requests a reload, by which workers of this master replace those of the earlier one. Missing workers are
// spawned before, since the reload may fail.
func (m *master) replaceRevived() {
	for _, s := range m.generations.serving.slots {
		if s.state == slotWaiting { // for a listener
			s.become(slotVacant, time.Time{})
		}
		if s.state == slotVacant {
			m.fill(s)
		}
	}
	m.request(order{kind: kindReload, noReply: true})
}

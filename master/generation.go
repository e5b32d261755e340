// A generation: the workers made from one configuration by one binary, and the memory they share.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/outlier"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/replica"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

type generation struct {
	number uint64
	config *config.Config
	pools  []link.Pool // of config, as the workers get them
	specs  []link.Spec // specs[i] is for slots[i]; verbosity, listeners and topology are filled in at launch
	slots  []*slot     // slots[i].index == i; at least one

	counters *totals.Counters            // nil until share
	topology link.Topology               // where the servers of pools are now
	replicas map[string]replica.Watching // by pool: whose replicas are looked at; nil: that has not begun

	news   []poolNews      // by pool; nil: nobody has looked yet
	judges []outlier.Judge // by pool: of servers that are slower than others, see ejectSlow; nil: none has begun

	switchingSince int64 // ms since the epoch: MovedAt of the first server that some workers may seek where it was; 0: none

	sharedFD int
	memory   []byte
	readers  *readers // of memory; nil: there is none
	specFD   int      // a memory file with specs[0] for the service manager to keep; -1: not made yet

	addresses []string         // of pools, see listenTexts; nil: not written down yet
	machine   *admin.CPUStatus // as it was when the generation was made; nil: not known
	revived   bool             // was left behind by an earlier master
	sought    bool             // orphans of it may still be found
}

// newGeneration returns a generation with one vacant slot for each element of cpus (-1: not pinned). The share of memory
// is what each worker gets where the configuration leaves it to the master.
func newGeneration(number uint64, cfg *config.Config, o Options, cpus []int, memoryShare int64) *generation {
	g := &generation{number: number, config: cfg, specFD: -1}
	base := link.Spec{Generation: number, Build: o.Build, ReadBufferBytes: o.ReadBufferBytes, MemoryLimit: memoryShare, Zone: o.Zone}
	g.specs = cfg.Specs(base, cpus)
	g.pools = g.specs[0].Pools
	g.topology = link.StaticTopology(g.pools)
	for i, cpu := range cpus {
		g.slots = append(g.slots, &slot{generation: g, index: i, cpu: cpu})
	}
	return g
}

// generate returns a new generation for a configuration, numbered and sized for this machine.
func (m *master) generate(cfg *config.Config) *generation {
	m.generations.numbered++
	m.checkDescriptors(cfg)
	m.checkRoom(cfg)
	cpus, machine := m.place(cfg)
	g := newGeneration(m.generations.numbered, cfg, m.opts, cpus, m.memoryShare(cfg, len(cpus)))
	g.machine = machine
	if m.generations.serving != nil {
		g.inheritTopology(&m.generations.serving.topology, m.generations.serving.pools)
	}
	for i := range g.specs {
		g.specs[i].Orphans, g.specs[i].ConfigFile = m.orphans(cfg), absolute(m.opts.ConfigFile)
	}
	return g
}

// configHash returns the hash of its configuration; empty: an earlier master has not noted it.
func (g *generation) configHash() string {
	if len(g.specs) == 0 {
		return ""
	}
	return g.specs[0].ConfigHash
}

// orphans returns what workers do when their worker link ends. If the service manager keeps the master's end of the link,
// that is the end of the service and not only of the master.
func (m *master) orphans(cfg *config.Config) link.Orphans {
	switch {
	case cfg.Global.Orphans != link.OrphansAuto:
		return cfg.Global.Orphans
	case m.world.services.Present():
		return link.OrphansWait
	}
	return link.OrphansServe
}

// share makes the memory for the counters and the liveness words of all slots.
func (g *generation) share(w *world) error {
	servers := link.ServerCounts(g.pools)
	fd, mem, err := w.share(link.SharedBytes(servers, len(g.slots)))
	if err != nil {
		return fmt.Errorf("making shared memory: %w", err)
	}
	shared, err := link.OpenShared(mem, servers, len(g.slots))
	if err != nil {
		w.unshare(fd, mem)
		return err
	}
	g.useCounters(shared, fd, mem)
	return nil
}

// useCounters sets the shared memory in which the workers count.
func (g *generation) useCounters(shared *link.Shared, fd int, mem []byte) {
	g.counters = &totals.Counters{Shared: shared, Pools: g.pools, Listens: g.listenTexts()}
	g.counters.Occupy(&g.topology)
	g.sharedFD, g.memory, g.readers = fd, mem, &readers{}
	g.readers.add()
}

// listenTexts returns the address that clients of each pool connect to, as text: by that its counters are found again. Of several it is
// the first by name, since earlier masters and specifications have them in other orders.
func (g *generation) listenTexts() []string {
	if g.addresses == nil {
		for i := range g.config.Pools {
			p := &g.config.Pools[i]
			address := ""
			for _, l := range p.Listens() {
				if text := l.Network + " " + l.Address; address == "" || text < address {
					address = text
				}
			}
			if p.Listen.Address == "" { // unknown
				address = "pool " + p.Name
			}
			g.addresses = append(g.addresses, address)
		}
	}
	return g.addresses
}

// unshare gives the memory back, once no scrape reads it any more. No worker does.
func (g *generation) unshare(w *world) {
	if g.specFD >= 0 {
		w.close(g.specFD)
		g.specFD = -1
	}
	if g.counters == nil {
		return
	}
	g.unwatchReplicas()
	fd, memory := g.sharedFD, g.memory
	g.readers.free = func() { w.unshare(fd, memory) }
	g.readers.leave()
	g.counters, g.memory, g.readers, g.judges = nil, nil, nil, nil
}

// count returns how many slots are in a state.
func (g *generation) count(state slotState) int {
	n := 0
	for _, s := range g.slots {
		if s.state == state {
			n++
		}
	}
	return n
}

// clearTakeover is called when the generation has taken over: workers that are spawned later accept at once.
func (g *generation) clearTakeover() {
	for i := range g.specs {
		g.specs[i].Takeover = false
	}
}

// gone reports whether the generation has no worker and will get none.
func (g *generation) gone() bool { return g.count(slotVacant) == len(g.slots) && !g.sought }

// launch returns what a worker of slot s is started with: its listener of each TCP address, an even part of the listeners of
// slots that no longer exist, and the listener of each unix socket.
func (m *master) launch(s *slot) process.Launch {
	g := s.generation
	l := process.Launch{Spec: g.specs[s.index], Shared: g.sharedFD}
	l.Spec.Verbosity = m.log.Verbosity
	l.Spec.StartedAt = m.startedAt.Unix()
	l.Spec.Topology = g.topology
	layout := g.layout()
	for _, have := range m.listeners.All() {
		if layout.Serves(have) && layout.Assigns(have, s.index) {
			l.Listeners = append(l.Listeners, have.FD)
			l.Spec.Listeners = append(l.Spec.Listeners, layout.Describe(have))
		}
	}
	return l
}

// A generation: the workers made from one configuration by one binary, and the memory they share.

package master

import (
	"fmt"
	"runtime"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
)

type generation struct {
	config *config.Config
	pools  []link.Pool // of config, as the workers get them
	specs  []link.Spec // specs[i] is for slots[i]; verbosity and listeners are filled in at launch
	slots  []*slot     // slots[i].index == i; at least one

	shared   *link.Shared // nil until share
	sharedFD int
	memory   []byte
}

// newGeneration returns the first generation, with one vacant slot for each element of cpus (-1: not pinned). The share
// of memory is what each worker gets where the configuration leaves it to the master.
func newGeneration(cfg *config.Config, o Options, cpus []int, memoryShare int64) *generation {
	g := &generation{config: cfg}
	base := link.Spec{Generation: 1, Build: o.Build, ReadBufferBytes: o.ReadBufferBytes, MemoryLimit: memoryShare}
	g.specs = cfg.Specs(base, cpus)
	g.pools = g.specs[0].Pools
	for i, cpu := range cpus {
		g.slots = append(g.slots, &slot{index: i, cpu: cpu})
	}
	return g
}

// cpus returns the CPU of every slot. More workers than CPUs go round; fewer take the first ones.
func (m *master) cpus(configured int) []int {
	allowed, err := m.world.affinity()
	if err != nil || len(allowed) == 0 {
		m.log.printf(levelWarn, "workers run unpinned: reading the CPU affinity: %v", err)
		allowed = nil
	}
	n := m.opts.Workers
	if n == 0 {
		n = configured
	}
	if n == 0 {
		n = len(allowed)
	}
	if n == 0 {
		n = runtime.NumCPU()
	}
	cpus := make([]int, n)
	for i := range cpus {
		cpus[i] = -1
		if len(allowed) > 0 {
			cpus[i] = allowed[i%len(allowed)]
		}
	}
	return cpus
}

// share makes the memory for the counters and the liveness words of all slots.
func (g *generation) share(w *world) error {
	servers := link.ServerCounts(g.pools)
	fd, mem, err := w.share(link.SharedBytes(servers, len(g.slots)))
	if err != nil {
		return fmt.Errorf("making shared memory: %w", err)
	}
	g.shared, err = link.OpenShared(mem, servers, len(g.slots))
	if err != nil {
		w.unshare(fd, mem)
		return err
	}
	g.sharedFD, g.memory = fd, mem
	return nil
}

// unshare gives the memory back; no worker and no scrape reads it any more.
func (g *generation) unshare(w *world) {
	if g.shared == nil {
		return
	}
	w.unshare(g.sharedFD, g.memory)
	g.shared, g.memory = nil, nil
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

// launch returns all that a worker of slot s is given. Every slot's worker gets its own listener of each TCP address
// and the one listener of each unix socket.
func (m *master) launch(s *slot) launch {
	l := launch{spec: m.generation.specs[s.index], shared: m.generation.sharedFD}
	l.spec.Verbosity = m.log.verbosity
	for _, have := range m.listeners {
		if have.slot == s.index || have.slot == everySlot {
			l.listeners = append(l.listeners, have.fd)
			l.spec.Listeners = append(l.spec.Listeners, link.Listener{
				Pool:    have.pool,
				Address: have.address,
				Shared:  have.slot == everySlot,
			})
		}
	}
	return l
}

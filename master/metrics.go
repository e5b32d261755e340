// What a scrape is handed out: the loop takes no time for it, and reads no counter.

package master

import (
	"maps"
	"slices"
	"sync/atomic"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/metrics"
	"github.com/pinion-proxy/pinion/worker/link"
)

// readers counts who reads the shared memory of a generation: the loop, until it has no more use for it, and scrapes.
type readers struct {
	count atomic.Int32
	free  func() // set by the loop before it stops reading
}

func (r *readers) add() { r.count.Add(1) }

// leave is called by each reader at its end. The last one frees the memory.
func (r *readers) leave() {
	if r.count.Add(-1) == 0 {
		r.free()
	}
}

// view returns what a scrape is made of; nil: nothing serves yet.
func (m *master) view() *metrics.View {
	g := m.generations.serving
	if g == nil || g.counters == nil {
		return nil
	}
	var held []*readers // a generation may have forgotten its own before the end
	for _, one := range m.countedGenerations() {
		one.readers.add()
		held = append(held, one.readers)
	}
	v := &metrics.View{
		Build: m.opts.Build, PID: m.world.pid, StartedAt: m.startedAt, Ready: m.unready() == "", Ending: m.ending() && !m.masters.leaveAll,
		Generation: g.number, ConfigHash: g.configHash(),
		Counts: m.totals.Whole(g.counters, m.counted()), Topology: g.topologyNow(), Sentinels: m.viewSentinels(g),
		Descriptors: m.world.descriptors(), MemoryLimit: g.specs[0].MemoryLimit, Tally: maps.Clone(m.tally),
		Release: func() {
			for _, one := range held {
				one.leave()
			}
		},
	}
	v.Certificates = viewCertificates(g.config)
	if d := m.drainStatus(); d != nil && !m.masters.leaveAll {
		v.DrainAt, v.DrainUntil = d.At, d.Until
	}
	for _, s := range g.slots {
		w := metrics.Worker{Slot: s.index, Serves: s.serves()}
		if s.process != nil {
			w.PID, w.BornAt = s.process.PID, s.bornAt
		}
		v.Workers = append(v.Workers, w)
	}
	v.Queues = m.acceptQueues(g)
	for _, old := range m.generations.retired {
		v.Retired += len(old.slots) - old.count(slotVacant)
	}
	if h := m.last; h != nil {
		v.Last = &metrics.Handoff{At: h.At, Took: h.Took, LongestPause: h.LongestPause, Done: h.Outcome == admin.HandoffDone}
	}
	return v
}

// topologyNow returns a copy of the topology that does not change with it.
func (g *generation) topologyNow() link.Topology {
	t := link.Topology{Pools: slices.Clone(g.topology.Pools)}
	for i := range t.Pools {
		if t.Pools[i].Discovers {
			t.Pools[i].Servers = slices.Clone(t.Pools[i].Servers)
		}
	}
	return t
}

// viewSentinels returns how many sentinels are asked, and agree, about each server of each pool that has some.
func (m *master) viewSentinels(g *generation) [][]metrics.Sentinels {
	all := make([][]metrics.Sentinels, len(g.pools))
	for i := range g.pools {
		if !g.pools[i].Discovers() || g.pools[i].IsCluster() {
			continue
		}
		for k := range g.pools[i].Servers {
			asked, agree := m.countSentinels(i, k)
			all[i] = append(all[i], metrics.Sentinels{Asked: asked, Agree: agree})
		}
	}
	return all
}

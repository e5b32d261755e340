// Accept queues: who has connected and waits for a worker to accept. A worker that is busy, or hangs, could not tell.

package master

import (
	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/metrics"
)

// acceptQueues returns those of the pools of a generation by worker: of all its listeners together, if it has several.
func (m *master) acceptQueues(g *generation) (all []metrics.AcceptQueue) {
	pools := map[config.ListenID]int{}
	for i := range g.config.Pools {
		for _, at := range g.config.Pools[i].Listens() {
			pools[at.ID()] = i
		}
	}
	places := map[[2]int]int{} // in all, by pool and slot
	for _, l := range m.listeners.All() {
		pool, serves := pools[config.ListenID{Network: l.Network, Address: l.Address}]
		if !serves || l.Network != "tcp" {
			continue
		}
		q, err := m.world.acceptQueue(l.FD)
		if err != nil {
			continue
		}
		slot := metrics.EverySlot
		if l.Slot != listen.EverySlot {
			slot = l.Slot // which may be more than there are workers: what is counted of a socket stays its own
		}
		at, known := places[[2]int{pool, slot}]
		if !known {
			at = len(all)
			places[[2]int{pool, slot}] = at
			all = append(all, metrics.AcceptQueue{Pool: g.pools[pool].Name, Slot: slot})
		}
		all[at].Add(q)
	}
	return all
}

// queueStatus adds the accept queues of a generation to the status of its pools.
func (m *master) queueStatus(g *generation, pools []admin.PoolStatus) {
	for _, q := range m.acceptQueues(g) {
		for i := range pools {
			if p := &pools[i]; p.Name == q.Pool {
				if p.AcceptQueue == nil {
					p.AcceptQueue = &admin.AcceptQueueStatus{}
				}
				s := p.AcceptQueue
				s.Waiting, s.Limit, s.Dropped = s.Waiting+q.Waiting, s.Limit+q.Limit, s.Dropped+q.Dropped
			}
		}
	}
}

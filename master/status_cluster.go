// The status of the nodes of a Redis Cluster.

package master

import (
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
)

// nodeStatus returns the status of the nodes of a pool's cluster.
func (g *generation) nodeStatus(pool int) (all []admin.ServerStatus) {
	t := g.topology.Pool(g.pools[pool].Name)
	for i := range t.Servers {
		known := &t.Servers[i]
		place, ok := link.PlaceIndex(known.Server)
		if !ok || len(known.Endpoints) == 0 {
			continue
		}
		at := known.Endpoints[0]
		s := g.serverStatus(pool, place)
		s.Name, s.Address, s.State = at.Address, at.Address, stateOf(at.Address, 0, s.Down != nil) // no node is ever ejected
		s.Node = &admin.NodeStatus{
			ID: known.Node, Role: string(at.Role), Slots: known.SlotCount(), Epoch: known.Epoch, Failed: known.Failed, Stale: known.Stale,
		}
		for _, r := range known.Slots {
			s.Node.Ranges = append(s.Node.Ranges, fmt.Sprintf("%d-%d", r.First, r.Last))
		}
		if of := t.Server(known.Of); of != nil {
			s.Node.Of = of.Endpoints[0].Address
		}
		s.Replicas = g.replicaStatus(pool, known.Server)
		if known.MovedAt != 0 {
			s.Node.MovedAt, s.Node.SwitchedAt = time.UnixMilli(known.MovedAt), timeOf(known.SwitchedAt)
		}
		all = append(all, s)
	}
	return all
}

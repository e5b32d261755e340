// What was last found of the replicas of a server.

package totals

import (
	"slices"
	"strconv"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Replica is a replica that is read from if it is fit.
type Replica struct {
	link.Endpoint
	State link.ReplicaState
	Lag   int64 // ms that its data was behind
}

// Replicas returns the replicas of a server of a pool, of a cluster those of a node; none if nothing is read from them.
func (c *Counters) Replicas(pool int, t *link.PoolTopology, s *link.ServerTopology) (all []Replica) {
	p := &c.Pools[pool]
	if !p.ReadsReplicas() || s == nil {
		return nil
	}
	add := func(e link.Endpoint, server, number int) {
		state, lag := c.Shared.Replica(pool, server, number)
		all = append(all, Replica{e, state, lag})
	}
	if !p.IsCluster() {
		server := slices.IndexFunc(p.Servers, func(known link.Server) bool { return known.Name == s.Server })
		for number, e := range s.Replicas() {
			add(e, server, number)
		}
		return all
	}
	for i := range t.Servers {
		of := &t.Servers[i]
		place, ok := link.PlaceIndex(of.Server)
		if replicas := of.Replicas(); ok && of.Of == s.Server && len(replicas) > 0 {
			add(replicas[0], place, 0)
		}
	}
	return all
}

// appendReplicas appends how many replicas a server has, how many are fit, and how far the last of these is behind.
func (c *Counters) appendReplicas(b []byte, pool int, t *link.PoolTopology, server string) []byte {
	if !c.Pools[pool].ReadsReplicas() {
		return b
	}
	all, fit, lag := c.Replicas(pool, t, t.Server(server)), int64(0), int64(0)
	for _, r := range all {
		if r.State == link.ReplicaFit {
			fit, lag = fit+1, max(lag, r.Lag)
		}
	}
	for _, n := range []struct {
		name  string
		value int64
	}{{"replicas", int64(len(all))}, {"replicas_fit", fit}, {"replica_lag", lag}} {
		b = append(b, `, "`...)
		b = append(b, n.name...)
		b = append(b, `":`...)
		b = strconv.AppendInt(b, n.value, 10)
	}
	return b
}

// Pools of a Redis Cluster: their servers are places for its nodes, which come and go, and its slots say where keys live.
//
// A pool has as many places as it may ever need, so that all that is laid out by server stays where it is: counters, liveness.
// Which node has a place, and which slots a node has, is in the topology. A node keeps its place as long as it is in the
// cluster, at whatever address; a place whose node has left may be given to another one.

package link

import (
	"slices"
	"strconv"
)

const (
	// HashSlots is how many slots a Redis Cluster has. Each key is in one of them.
	HashSlots = 16384
	// MaxNodes is how many nodes of a cluster have a place, replicas included.
	MaxNodes = 256
)

// ClusterNode is the network of a place for a node of a cluster. Where that is, if there is one, the topology says.
const ClusterNode = "cluster"

// IsCluster tells whether the pool's servers are the nodes of a Redis Cluster.
func (p *Pool) IsCluster() bool { return len(p.Seeds) > 0 }

// Places returns the servers of a pool of a cluster. They are in name order.
func Places() []Server {
	places := make([]Server, MaxNodes)
	for i := range places {
		places[i] = Server{Name: PlaceName(i), Network: ClusterNode, Weight: 1}
	}
	return places
}

// withoutPlaces returns pools without what those of a cluster have anyway: a specification is written anew whenever a slot has moved.
func withoutPlaces(pools []Pool) []Pool {
	if !slices.ContainsFunc(pools, func(p Pool) bool { return p.IsCluster() }) {
		return pools
	}
	pools = slices.Clone(pools)
	for i := range pools {
		if pools[i].IsCluster() {
			pools[i].Servers = nil
		}
	}
	return pools
}

// PlaceName returns the name of a place by its index among Places.
func PlaceName(index int) string { return strconv.Itoa(index + 1) }

// PlaceIndex returns the index of the place of that name; false: there is none.
func PlaceIndex(name string) (index int, ok bool) {
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 || n > MaxNodes || PlaceName(n-1) != name {
		return 0, false
	}
	return n - 1, true
}

// HashRange is slots of a cluster in a row, First ≤ Last < HashSlots.
type HashRange struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// StaleBody comes with Stale.
type StaleBody struct {
	Pool   int `json:"pool"`   // index into Spec.Pools
	Server int `json:"server"` // index into Pool.Servers: this one is not what the topology says
}

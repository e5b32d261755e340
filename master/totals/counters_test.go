package totals

import (
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Where it is not known which places of a cluster have a node, none is left out: the generation may be another master's.
func TestNodesOfUnknownPlacesCount(t *testing.T) {
	pools := []link.Pool{{Name: "alpha", Seeds: []string{"a:1"}, Servers: link.Places()}}
	shared, err := link.OpenShared(make([]byte, link.SharedBytes(link.ServerCounts(pools), 1)), link.ServerCounts(pools), 1)
	if err != nil {
		t.Fatal(err)
	}
	c := &Counters{Shared: shared, Pools: pools}
	requests := func() uint64 {
		return c.Sum(false).Pools["alpha"].Servers["3"].Counters[link.ServerCounters[link.Requests].Name]
	}
	server := c.Server(0, 0, 2)
	*server[link.Requests] = 7
	at := func(place string) *link.Topology {
		return &link.Topology{Pools: []link.PoolTopology{{Pool: "alpha", Cluster: true, Servers: []link.ServerTopology{{Server: place}}}}}
	}
	for _, known := range []struct {
		topology *link.Topology
		want     uint64
	}{{&link.Topology{}, 7}, {at("1"), 0}, {at("3"), 7}} {
		if c.Occupy(known.topology); requests() != known.want {
			t.Errorf("with %+v it counts %d, want %d", known.topology, requests(), known.want)
		}
	}
}

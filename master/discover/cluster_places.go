// The places of a cluster's nodes: by them workers and statistics know a node for as long as it is in the cluster.

package discover

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// assignPlaces gives each node a place. A place that another node had is the last to be given away.
func (f *clusterFollower) assignPlaces(now time.Time, news *News) {
	taken := [link.MaxNodes]bool{}
	for id, place := range f.places {
		if f.known.nodes[id] == nil {
			delete(f.places, id)
			f.freed[place] = now
			continue
		}
		taken[place] = true
	}
	crowded := 0
	ids := slices.SortedFunc(maps.Keys(f.known.nodes), func(a, b string) int {
		primary := map[bool]int{true: 0, false: 1}
		return cmp.Or(cmp.Compare(primary[f.known.nodes[a].primary], primary[f.known.nodes[b].primary]), f.known.byAddress(a, b))
	})
	for _, id := range ids {
		if _, has := f.places[id]; has {
			continue
		}
		best := -1
		for place := range taken {
			if !taken[place] && (best < 0 || f.freed[place].Before(f.freed[best])) {
				best = place
			}
		}
		if best < 0 {
			crowded++
			continue
		}
		f.places[id], taken[best] = best, true
	}
	if crowded > 0 && !f.crowded {
		news.Problems = append(news.Problems, fmt.Sprintf("pool %q: the cluster has %d nodes, of which %d are not used: there is room for %d",
			f.pool.Name, len(f.known.nodes), crowded, link.MaxNodes))
	}
	f.crowded = crowded > 0
}

// servers returns the nodes of the cluster, by place.
func (f *clusterFollower) servers() (all []link.ServerTopology) {
	ranges := f.known.ranges()
	for id, place := range f.places {
		n := f.known.nodes[id]
		s := link.ServerTopology{Server: link.PlaceName(place), Epoch: n.epoch, Stale: f.stale, Node: id, Slots: ranges[id], Failed: n.failed, Aliases: n.aliases}
		role := link.Replica
		if n.primary {
			role = link.Primary
		} else if of, ok := f.places[n.of]; ok {
			s.Of = link.PlaceName(of)
		}
		s.Endpoints = []link.Endpoint{{Network: "tcp", Address: n.address, Role: role}}
		if at := f.movedAt[id]; !at.IsZero() {
			s.MovedAt = at.UnixMilli()
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b link.ServerTopology) int {
		return cmp.Or(len(a.Server)-len(b.Server), cmp.Compare(a.Server, b.Server))
	})
	return all
}

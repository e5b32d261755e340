// The replicas of a master, of which sentinels tell: they may be read from. Whether one is fit for that is judged elsewhere, by what it
// says itself: sentinels may know that ten seconds later.

package discover

import (
	"cmp"
	"slices"

	"github.com/pinion-proxy/pinion/worker/link"
)

// noteReplicas takes over which replicas most sentinels know that say where the master is. While none tells of any, those stay that were known.
func (j *judge) noteReplicas(v *verdict) {
	now := slices.Clone(j.replicas)
	if known, told := j.replicasKnown(); told {
		now = known
	}
	now = slices.DeleteFunc(now, j.at.isAt)
	same := func(a, b place) bool { return a.address == b.address }
	if !slices.EqualFunc(now, j.replicas, same) {
		j.replicas, v.news = now, true
	}
}

// replicasKnown returns the replicas that most sentinels know, of those that have told of any; false: none has.
func (j *judge) replicasKnown() (all []place, told bool) {
	var lists [][]place
	for _, c := range j.said {
		if c.isAt(j.at) && c.replicas != nil {
			lists = append(lists, c.replicas)
		}
	}
	votes := func(p place) (n int) {
		for _, list := range lists {
			if slices.ContainsFunc(list, p.isAt) {
				n++
			}
		}
		return n
	}
	named := slices.Concat(lists...)
	former := func(p place) int { // one is called as before, if some sentinel still does
		if slices.ContainsFunc(j.replicas, func(r place) bool { return r.address == p.address }) {
			return 0
		}
		return 1
	}
	slices.SortFunc(named, func(a, b place) int { return cmp.Or(former(a)-former(b), cmp.Compare(a.address, b.address)) })
	for _, p := range named {
		if 2*votes(p) > len(lists) && !slices.ContainsFunc(all, p.isAt) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.address, b.address) })
	return all, len(lists) > 0
}

// replicasOfTopology returns the replicas of a server as they were known before.
func replicasOfTopology(s *link.ServerTopology) (all []place) {
	for _, e := range s.Endpoints {
		if e.Role == link.Replica {
			all = append(all, place{address: e.Address, key: e.Address})
		}
	}
	return all
}

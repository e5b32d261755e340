// What is logged of how a cluster changes.

package discover

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// noteChanges logs how the cluster has changed.
func (f *clusterFollower) noteChanges(next *clusterMap, voters map[string]*view, now time.Time, news *News) {
	notice := func(format string, args ...any) {
		news.Notices = append(news.Notices, fmt.Sprintf("pool %q: ", f.pool.Name)+fmt.Sprintf(format, args...))
	}
	if f.known.isEmpty() {
		notice("the cluster is known, by what %s (%s): %s", sayers(len(voters)), next.summary(), strings.Join(next.primaries(), " "))
		return
	}
	counts := next.counts()
	for _, id := range slices.SortedFunc(maps.Keys(next.nodes), next.byAddress) {
		n, was := next.nodes[id], f.known.nodes[id]
		switch {
		case was == nil:
			notice("node %s has joined the cluster", n.address)
		case was.address != n.address:
			notice("node %s is at %s now", was.address, n.address)
		case n.primary && !was.primary && counts[id] > 0:
			f.movedAt[id] = now
			notice("node %s is a master now, of %d slots (epoch %d)", n.address, counts[id], n.epoch)
		case !n.primary && was.primary:
			notice("node %s is a replica now", n.address)
		}
		if was != nil && was.failed != n.failed {
			notice("node %s %s, the cluster says", n.address, map[bool]string{true: "has failed", false: "works again"}[n.failed])
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(f.known.nodes), f.known.byAddress) {
		if next.nodes[id] == nil {
			notice("node %s has left the cluster", f.known.nodes[id].address)
			delete(f.movedAt, id)
		}
	}
	for slot, owner := range next.owners {
		was := f.known.owners[slot]
		if was != owner && was != "" && owner != "" && f.movedAt[owner] != now {
			f.moves[[2]string{f.known.nodes[was].address, next.nodes[owner].address}]++
		}
	}
}

func sayers(n int) string {
	if n == 1 {
		return "one node says"
	}
	return fmt.Sprintf("%d nodes say", n)
}

// noteMoves logs now and then how many slots have moved.
func (f *clusterFollower) noteMoves(now time.Time, news *News) {
	if len(f.moves) == 0 || now.Sub(f.movesAt) < movesEvery {
		return
	}
	f.movesAt = now
	for _, way := range slices.SortedFunc(maps.Keys(f.moves), func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
		news.Notices = append(news.Notices, fmt.Sprintf("pool %q: slots that have moved from %s to %s: %d", f.pool.Name, way[0], way[1], f.moves[way]))
	}
	clear(f.moves)
}

// noteUnserved logs, once, that slots have no owner.
func (f *clusterFollower) noteUnserved(now time.Time, news *News) {
	without := 0
	for _, owner := range f.known.owners {
		if owner == "" {
			without++
		}
	}
	switch {
	case without == 0 || f.known.isEmpty():
		if f.warned {
			news.Notices = append(news.Notices, fmt.Sprintf("pool %q: each slot of the cluster has a master again", f.pool.Name))
		}
		f.unserved, f.warned = time.Time{}, false
	case f.unserved.IsZero():
		f.unserved = now
	case !f.warned && now.Sub(f.unserved) >= staleAfter:
		f.warned = true
		news.Problems = append(news.Problems, fmt.Sprintf("pool %q: slots of the cluster that have no master: %d", f.pool.Name, without))
	}
}

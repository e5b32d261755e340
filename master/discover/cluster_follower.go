// A follower of a Redis Cluster: whom to ask, whom to believe, and what to tell of it.

package discover

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// movesEvery is the time between two lines about slots that have moved, at least.
	movesEvery = 10 * time.Second
	// mostAliases is how many addresses of a node are told beside the one at which it is.
	mostAliases = 8
)

// errNoCluster is what a server has to say that is no node of a cluster.
var errNoCluster = errors.New("it is no node of a Redis Cluster: set cluster-enabled yes there, or leave out cluster: true")

// clusterEffects is what a follower does to the world around it.
type clusterEffects struct {
	watch func(address string) // begin to ask a node
	leave func(address string) // cease to
	tell  func(News)
}

// watchedNode is an address at which a node is asked.
type watchedNode struct {
	seed     bool
	view     *view // what it has said last; nil: it does not answer
	heard    bool  // it has answered, or failed to
	failures int   // questions in a row that it did not answer
	trouble  string
	stranger bool // it is of another cluster, and that was said
}

// clusterFollower is the state of a pool's discovery. It belongs to one goroutine.
type clusterFollower struct {
	pool    *link.Pool
	effects clusterEffects
	watched map[string]*watchedNode // by address
	known   clusterMap
	places  map[string]int // by id of a node
	freed   [link.MaxNodes]time.Time
	movedAt map[string]time.Time // by id: when a node has become a primary in place of another
	told    []link.ServerTopology

	began    time.Time
	silent   time.Time // since when no node answers; zero: one does
	stale    bool
	strange  time.Time // since when most seeds are of another cluster, and no known node answers; zero: that is not so
	opposed  time.Time // since when the past would be what is said; zero: it would not
	changed  bool      // something was said that was not said before
	crowded  bool      // there are more nodes than places, and that was said
	unserved time.Time // since when slots have no owner; zero: each has one
	warned   bool      // of unserved
	moves    map[[2]string]int
	movesAt  time.Time // when such a line was written last
}

// newClusterFollower returns a follower that begins with what is known of the nodes.
func newClusterFollower(p *link.Pool, known []link.ServerTopology, e clusterEffects, now time.Time) *clusterFollower {
	f := &clusterFollower{pool: p, effects: e, watched: map[string]*watchedNode{}, places: map[string]int{}, movedAt: map[string]time.Time{},
		moves: map[[2]string]int{}, began: now, silent: now, told: known}
	f.remember(known)
	for _, seed := range p.Seeds {
		if f.watched[seed] == nil {
			f.watch(seed, true)
		}
	}
	f.watchNodes()
	return f
}

// remember takes over what was known before.
func (f *clusterFollower) remember(known []link.ServerTopology) {
	f.known.nodes = map[string]*seen{}
	ids := map[string]string{} // by place
	for _, s := range known {
		ids[s.Server] = s.Node
	}
	for _, s := range known {
		place, ok := link.PlaceIndex(s.Server)
		if !ok || len(s.Endpoints) == 0 || s.Node == "" {
			continue
		}
		f.places[s.Node] = place
		f.known.nodes[s.Node] = &seen{address: s.Endpoints[0].Address, primary: s.Endpoints[0].Role == link.Primary, of: ids[s.Of], epoch: s.Epoch, failed: s.Failed, aliases: s.Aliases}
		for _, r := range s.Slots {
			for slot := int(r.First); slot <= int(r.Last) && slot < link.HashSlots; slot++ {
				f.known.owners[slot], f.known.epochs[slot] = s.Node, s.Epoch
			}
		}
		if s.MovedAt != 0 {
			f.movedAt[s.Node] = time.UnixMilli(s.MovedAt)
		}
		f.stale = f.stale || s.Stale
	}
}

// located tells whether it is known where slots are.
func (f *clusterFollower) located() bool { return !f.known.isEmpty() }

func (f *clusterFollower) watch(address string, seed bool) {
	f.watched[address] = &watchedNode{seed: seed}
	f.effects.watch(address)
}

// watchNodes has each known node be asked, at one address; one that does not answer, at whatever it is called.
func (f *clusterFollower) watchNodes() {
	answering := map[string]int{} // by id: 1 at the address of a seed, 2 at another
	for _, w := range f.watched {
		if w.view != nil && w.seed {
			answering[w.view.self] = 1
		} else if w.view != nil {
			answering[w.view.self] = 2
		}
	}
	wanted := map[string]bool{}
	for id, n := range f.known.nodes {
		if answering[id] != 1 {
			wanted[n.address] = true
		}
		if answering[id] == 0 {
			for _, alias := range n.aliases {
				wanted[alias] = true
			}
		}
	}
	for _, address := range slices.Sorted(maps.Keys(wanted)) {
		if f.watched[address] == nil {
			f.watch(address, false)
		}
	}
	for _, address := range slices.Sorted(maps.Keys(f.watched)) {
		if !wanted[address] && !f.watched[address].seed {
			delete(f.watched, address)
			f.effects.leave(address)
		}
	}
}

// hear is called with what a node has said, or with its failure to.
func (f *clusterFollower) hear(from string, v *view, failure error, now time.Time) {
	w := f.watched[from]
	if w == nil {
		return
	}
	w.heard = true
	news := News{}
	f.noteTrouble(w, from, failure, &news)
	if !reflect.DeepEqual(w.view, v) {
		w.view, f.changed = v, true
	}
	f.decide(now, news)
}

// noteTrouble logs that a seed does not answer any more, or does again. Whether other nodes do the cluster says.
func (f *clusterFollower) noteTrouble(w *watchedNode, from string, failure error, news *News) {
	if failure == nil {
		if w.trouble != "" {
			news.Notices = append(news.Notices, fmt.Sprintf("pool %q: node %s answers again", f.pool.Name, from))
		}
		w.failures, w.trouble = 0, ""
		return
	}
	if w.failures++; w.failures == failuresLogged && w.seed {
		w.trouble = failure.Error()
		news.Problems = append(news.Problems, fmt.Sprintf("pool %q: node %s: %s", f.pool.Name, from, w.trouble))
	}
}

// tick is called now and then.
func (f *clusterFollower) tick(now time.Time) { f.decide(now, News{}) }

// decide draws the conclusions from all that was said, and tells what is new.
func (f *clusterFollower) decide(now time.Time, news News) {
	f.noteSilence(now, &news)
	if f.changed || !f.opposed.IsZero() {
		if voters := f.voters(now, &news); len(voters) > 0 {
			f.changed = false
			f.judge(voters, now, &news)
		}
	}
	f.noteUnserved(now, &news)
	f.noteMoves(now, &news)
	if servers := f.servers(); f.located() && !reflect.DeepEqual(servers, f.told) {
		f.told, news.Servers = servers, servers
	}
	if news.any() {
		f.effects.tell(news)
	}
}

// judge has the map be what voters say.
func (f *clusterFollower) judge(voters map[string]*view, now time.Time, news *News) {
	next := merge(&f.known, voters)
	if f.isOpposed(next, voters) {
		if f.opposed.IsZero() {
			f.opposed = now
		}
		if now.Sub(f.opposed) >= revokeAfter {
			next = merge(&clusterMap{}, voters)
			f.opposed = time.Time{}
		}
	} else {
		f.opposed = time.Time{}
	}
	f.noteChanges(next, voters, now, news)
	f.known = *next
	f.noteAliases(voters)
	f.assignPlaces(now, news)
	f.watchNodes()
}

// isOpposed tells whether most nodes say something else of slots than what is known, which is later.
func (f *clusterFollower) isOpposed(next *clusterMap, voters map[string]*view) bool {
	return !f.known.isEmpty() && 2*len(voters) > len(f.known.nodes) && merge(&clusterMap{}, voters).owners != next.owners
}

// voters returns the views that count, by the id of who says it: those of known nodes. As long as none is known, or where most seeds
// have been nodes of another cluster for a while, they are those of nodes that name each other.
func (f *clusterFollower) voters(now time.Time, news *News) map[string]*view {
	all, seeds := map[string]*view{}, 0
	for _, address := range slices.Sorted(maps.Keys(f.watched)) {
		if w := f.watched[address]; w.view != nil {
			all[w.view.self] = w.view
			if w.seed {
				seeds++
			}
		}
	}
	if f.known.isEmpty() {
		if !f.allHeard() && now.Sub(f.began) < firstPatience {
			return nil
		}
		return f.group(all)
	}
	members := maps.Clone(all)
	maps.DeleteFunc(members, func(id string, _ *view) bool { return f.known.nodes[id] == nil })
	if len(members) > 0 || 2*seeds <= len(f.pool.Seeds) {
		f.strange = time.Time{}
		f.noteStrangers(members, news)
		return members
	}
	if f.strange.IsZero() {
		f.strange = now
	}
	if now.Sub(f.strange) < staleAfter {
		return nil
	}
	news.Problems = append(news.Problems, fmt.Sprintf("pool %q: most seeds are nodes of another cluster now, which is followed", f.pool.Name))
	f.strange, f.known, f.moves = time.Time{}, clusterMap{}, map[[2]string]int{}
	return f.group(all)
}

// allHeard tells whether each seed has been asked.
func (f *clusterFollower) allHeard() bool {
	for _, w := range f.watched {
		if !w.heard {
			return false
		}
	}
	return true
}

// group returns the views of the nodes of one cluster: of that which most of them are of, whose slots are the most.
func (f *clusterFollower) group(all map[string]*view) (most map[string]*view) {
	weight := 0
	for _, id := range slices.Sorted(maps.Keys(all)) {
		group, slots := map[string]*view{}, 0
		for other, v := range all {
			if all[id].nodes[other] != nil && v.nodes[id] != nil {
				group[other] = v
			}
		}
		for _, n := range all[id].nodes {
			for _, r := range n.slots {
				slots += int(r.Last) - int(r.First) + 1
			}
		}
		if w := len(group)*(link.HashSlots+1) + slots; slots > 0 && w > weight {
			most, weight = group, w
		}
	}
	return most
}

// noteStrangers logs, once, that a seed is no node of the cluster.
func (f *clusterFollower) noteStrangers(members map[string]*view, news *News) {
	for _, address := range slices.Sorted(maps.Keys(f.watched)) {
		w := f.watched[address]
		if !w.seed || w.view == nil {
			continue
		}
		strange := members[w.view.self] == nil
		if strange && !w.stranger {
			news.Problems = append(news.Problems, fmt.Sprintf("pool %q: node %s is not of the cluster of the others; it is not heeded", f.pool.Name, address))
		}
		w.stranger = strange
	}
}

// noteSilence notes whether any node answers.
func (f *clusterFollower) noteSilence(now time.Time, news *News) {
	for _, w := range f.watched {
		if w.view == nil {
			continue
		}
		f.silent = time.Time{}
		if f.stale {
			f.stale = false
			news.Notices = append(news.Notices, fmt.Sprintf("pool %q: nodes of the cluster answer again", f.pool.Name))
		}
		return
	}
	if f.silent.IsZero() {
		f.silent = now
	}
	if !f.stale && now.Sub(f.silent) >= staleAfter {
		f.stale = true
		what := "nothing is known of it"
		if f.located() {
			what = "what was known of it stays"
		}
		news.Problems = append(news.Problems, fmt.Sprintf("pool %q: no node of the cluster answers; %s", f.pool.Name, what))
	}
}

// noteAliases notes what nodes call each other, and at what addresses they are asked, of those that answer: what they call one that
// does not may be where it is now.
func (f *clusterFollower) noteAliases(voters map[string]*view) {
	add := func(id, address string) {
		n := f.known.nodes[id]
		if voters[id] != nil && n != nil && address != "" && address != n.address && !slices.Contains(n.aliases, address) && len(n.aliases) < mostAliases {
			n.aliases = slices.Sorted(slices.Values(append(slices.Clone(n.aliases), address))) // what was told stays as it is
		}
	}
	for _, address := range slices.Sorted(maps.Keys(f.watched)) {
		if w := f.watched[address]; w.view != nil {
			add(w.view.self, address)
		}
	}
	for _, from := range slices.Sorted(maps.Keys(voters)) {
		for id, said := range voters[from].nodes {
			add(id, said.address)
		}
	}
}

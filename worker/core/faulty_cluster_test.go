//go:build fault

// Clusters in worlds in which things break. Their slots move from node to node, at once or by way of ASK, and the workers hear of it late.
// Whatever happens, no redirect reaches a client, and no two writes of a client to one slot change places.

package core

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	faultyRanges = 6 // of slots, which move as one
	rangeSlots   = link.HashSlots / faultyRanges
)

// faultyCluster is a cluster as it is. What its nodes say of themselves follows from it.
type faultyCluster struct {
	ranges [faultyRanges]faultyRange
	last   map[string]int // the last write of each client to each slot that was executed
}

// faultyRange is slots in a row.
type faultyRange struct {
	owner  int
	next   int    // to whom the owner redirects by ASK, as it has all keys; negative: nobody
	former []bool // by node: has owned them, and does not again as long as what it has answered may not have arrived
}

// tagOf returns the part of a key that says in which slot it is. There is one of each range.
func tagOf(n int) string {
	for i := 0; ; i++ {
		if tag := fmt.Sprint(i); rangeOf(tag) == n {
			return tag
		}
	}
}

func rangeOf(key string) int {
	return min(shard.Slot([]byte(key))/rangeSlots, faultyRanges-1)
}

// addCluster adds a pool of a cluster. Each node always has some slots: what becomes of one that has none, transcripts show.
func (w *faultyWorld) addCluster(index int) {
	var names []string
	for i := range 2 + w.random.IntN(2) {
		names = append(names, fmt.Sprint("n", i))
	}
	spec := w.redisPool(names...)
	spec.Name, spec.Timeout, spec.ServerConnections = "cluster", w.pace, 1+w.random.IntN(2)
	spec.Seeds, spec.Servers, spec.FailoverWait = []string{"seed:7000"}, link.Places(), 20*time.Second
	p := &faultyPool{index: index, protocol: link.Redis, repeats: true, cluster: &faultyCluster{last: map[string]int{}}}
	for i := range names {
		s := &faultyServer{fakeServer: w.rig.servers[len(w.rig.servers)-len(names)+i], pool: p, index: i, talks: map[*peer]*faultyTalk{}}
		s.deaf = true
		p.servers = append(p.servers, s)
	}
	for n := range p.cluster.ranges {
		p.cluster.ranges[n] = faultyRange{owner: n % len(names), next: -1, former: make([]bool, len(names))}
	}
	w.secure(p, spec)
	w.servers = append(w.servers, p.servers...)
	w.pools = append(w.pools, p)
}

// ownsMore tells whether a node has more than one range that stays.
func (cl *faultyCluster) ownsMore(node int) bool {
	n := 0
	for _, r := range cl.ranges {
		if r.owner == node && r.next < 0 {
			n++
		}
	}
	return n > 1
}

// moveSlots has a range be on its way to another node, or there.
func (w *faultyWorld) moveSlots(p *faultyPool) {
	if w.isQuiet(p) {
		p.cluster.forgetOwners()
	}
	n := w.random.IntN(faultyRanges)
	r := &p.cluster.ranges[n]
	to := w.random.IntN(len(p.servers))
	switch {
	case r.next >= 0:
		r.move()
		w.happens("range %d is with node %d", n, r.owner)
	case to == r.owner || r.former[to] || !p.cluster.ownsMore(r.owner):
	default:
		r.next = to
		w.happens("range %d is on its way from node %d to %d", n, r.owner, to)
		if w.one(2) {
			r.move()
			w.happens("range %d is there", n)
		}
		w.breaks("slots move", "%d", n)
	}
}

func (r *faultyRange) move() {
	r.former[r.owner] = true
	r.owner, r.next = r.next, -1
}

// tellMap has the master tell a worker where slots are, if it has not.
func (w *faultyWorld) tellMap(p *faultyPool, l *loop) {
	t := link.PoolTopology{Pool: "cluster", Version: l.spec.Topology.Pool("cluster").Version + 1}
	for i, s := range p.servers {
		node := link.ServerTopology{
			Server: link.PlaceName(i), Node: s.name, Aliases: []string{s.name + ":7000"},
			Endpoints: []link.Endpoint{{Network: "unix", Address: s.path, Role: link.Primary}},
		}
		for n, r := range p.cluster.ranges {
			if r.owner != i {
				continue
			}
			last := (n+1)*rangeSlots - 1
			if n == faultyRanges-1 {
				last = link.HashSlots - 1
			}
			node.Slots = append(node.Slots, link.HashRange{First: uint16(n * rangeSlots), Last: uint16(last)})
		}
		t.Servers = append(t.Servers, node)
	}
	w.happens("worker %d is told where slots are: %v", l.spec.Slot, p.cluster.ranges)
	l.relocate(&t)
	w.step(l)
}

// rebuild has slots move, and workers hear of it.
func (w *faultyWorld) rebuild() {
	for _, p := range w.pools {
		if p.cluster == nil {
			continue
		}
		if w.one(2) {
			w.moveSlots(p)
		} else {
			w.tellMap(p, w.workers[w.random.IntN(len(w.workers))])
		}
	}
}

// completeMap ends all moves, and has all workers know.
func (w *faultyWorld) completeMap() {
	for _, p := range w.pools {
		if p.cluster == nil {
			continue
		}
		for n := range p.cluster.ranges {
			r := &p.cluster.ranges[n]
			if r.next >= 0 {
				r.move()
			}
		}
		for _, l := range w.workers {
			w.tellMap(p, l)
		}
	}
}

// isQuiet tells whether nothing is under way in a pool of a cluster.
func (w *faultyWorld) isQuiet(p *faultyPool) bool {
	for _, l := range w.workers {
		if l.pools[p.index].cluster.held > 0 {
			return false
		}
		for _, s := range p.servers {
			if slices.ContainsFunc(s.connsOf(l), func(c *conn) bool { return c.head != nil }) {
				return false
			}
		}
	}
	return true
}

// forgetOwners is called when nothing is under way: any node may have any slots again.
func (cl *faultyCluster) forgetOwners() {
	for n := range cl.ranges {
		clear(cl.ranges[n].former)
	}
}

// answerInCluster returns the reply of a node.
func (s *faultyServer) answerInCluster(w *faultyWorld, t *faultyTalk, words []string) []byte {
	asking := t.asking
	t.asking = words[0] == "ASKING"
	if t.asking {
		return []byte("+OK\r\n")
	}
	if t.sour > 0 {
		t.sour--
		return []byte(whyNot[link.Redis])
	}
	key := keyOf(words)
	if key == "" {
		return executeRedis(words)
	}
	keys := words[1:2]
	switch strings.ToLower(words[0]) {
	case "mget", "del":
		keys = words[1:]
	case "mset":
		keys = nil
		for i := 1; i < len(words); i += 2 {
			keys = append(keys, words[i])
		}
	}
	if slices.ContainsFunc(keys, func(other string) bool { return shard.Slot([]byte(other)) != shard.Slot([]byte(key)) }) {
		w.t.Fatalf("node %s gets keys of several slots: %.200q", s.name, words)
	}
	if to := s.pool.cluster.redirect(s, key, asking); to != nil {
		w.breaks("redirect", "%s says %s", s.name, to)
		return to
	}
	s.executes(w, words, key)
	return executeRedis(words)
}

// redirect returns what a node says of a key that it does not have; nil: it has it.
func (cl *faultyCluster) redirect(s *faultyServer, key string, asking bool) []byte {
	r := cl.ranges[rangeOf(key)]
	to := func(kind string, node int) []byte {
		return resp.AppendError(nil, fmt.Sprintf("%s %d %s:7000", kind, shard.Slot([]byte(key)), s.pool.servers[node].name))
	}
	switch {
	case r.owner == s.index && r.next >= 0:
		return to("ASK", r.next)
	case r.owner == s.index, r.next == s.index && asking:
		return nil
	}
	return to("MOVED", r.owner)
}

// executes checks that nothing is executed twice, and writes of one client in their order. One whose outcome the client knows to be unknown
// may come late: a node that has hung reads on.
func (s *faultyServer) executes(w *faultyWorld, words []string, key string) {
	isRead, id := isRead(words[0]), words[0]+" "+key
	if w.executed[id] && !isRead {
		w.t.Fatalf("node %s is asked twice: %.200q", s.name, id)
	}
	w.executed[id] = true
	if isRead {
		return
	}
	parts := strings.Split(key, ":")
	seq, _ := strconv.Atoi(parts[1])
	of := fmt.Sprint(parts[0], " ", rangeOf(key))
	if last, known := s.pool.cluster.last[of]; known && seq < last && !w.unknown[parts[0]+":"+parts[1]] { // those of one request may come to several nodes
		w.t.Fatalf("node %s gets request %d of %s after request %d", s.name, seq, of, last)
	}
	s.pool.cluster.last[of] = max(s.pool.cluster.last[of], seq)
}

// keyInSlot returns a part of a key that decides where it lives.
func (w *faultyWorld) keyInSlot() string {
	return "{" + tagOf(w.random.IntN(faultyRanges)) + "}"
}

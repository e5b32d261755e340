// Placement: on which servers of a pool the keys of a request live.

package core

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/shard/hash"
	"github.com/pinion-proxy/pinion/worker/link"
)

// placement maps keys to servers, by their index in the pool, and follows which of them are live. Loop only.
type placement struct {
	ring    *shard.Map // nil: of a cluster, where a slot stands for the server that has it, see cluster.go
	pool    *pool
	servers []*server
	live    []bool
	random  bool    // places keys at random: any server has all keys, or none has
	keepers []bool  // as long as live: all are on the ring, whether they are live or not; nil: those that are live
	strict  bool    // refuses what needs several servers, unless it places at random
	epoch   *uint64 // shared: grows with every change of a server's liveness
	seen    uint64  // the epoch that ring was built for
	version uint64  // of what one says: it grows whenever keys may live elsewhere

	slow     *slowStart       // nil: servers get all their keys at once
	starting *shard.SlowStart // says where keys live in place of ring, which is as if all had started; nil: no server starts slowly
}

// newPlacement places the keys of p, a pool that has its servers, as its configuration says.
func newPlacement(p *pool) (pl placement, err error) {
	spec := p.spec
	if spec.IsCluster() {
		return placement{pool: p, servers: p.servers, live: make([]bool, len(p.servers)), strict: true}, nil
	}
	fn, ok := hash.ByName(spec.Hash)
	if !ok {
		return pl, fmt.Errorf("unknown hash %q", spec.Hash)
	}
	distribution, ok := shard.ParseDistribution(spec.Distribution)
	if !ok {
		return pl, fmt.Errorf("unknown distribution %q", spec.Distribution)
	}
	tag, err := shard.ParseHashTag(spec.HashTag)
	if err != nil {
		return pl, err
	}
	weighted := make([]shard.Server, len(spec.Servers))
	for i, s := range spec.Servers {
		weighted[i] = shard.Server{Name: s.Name, Weight: s.Weight}
	}
	pl = placement{
		pool:    p,
		ring:    shard.NewMap(distribution, fn, tag, weighted),
		servers: p.servers,
		live:    make([]bool, len(p.servers)),
		random:  distribution == shard.Random,
		strict:  spec.CrossShard == link.CrossShardRefuse && distribution != shard.Random,
		epoch:   p.l.shared.Epoch(p.index),
	}
	if spec.FailsFast() && !pl.random {
		pl.keepers = slices.Repeat([]bool{true}, len(p.servers))
	}
	pl.slow = newSlowStart(p)
	pl.rebuild()
	return pl, nil
}

// one returns the server on which key lives, of a cluster its slot; -1: none is live.
func (pl *placement) one(key []byte) int {
	if pl.ring == nil {
		return shard.Slot(key)
	}
	if pl.starting != nil {
		return pl.starting.Server(key)
	}
	return pl.ring.Server(key)
}

// size returns how many values one may return, and all may call do with.
func (pl *placement) size() int {
	if pl.ring == nil {
		return places
	}
	return len(pl.servers)
}

// index returns the index of the server that one or fixed has returned; negative: there is none at present, or requests for it are to
// fail at once.
func (pl *placement) index(server int) int {
	if pl.ring == nil {
		return pl.pool.cluster.nodeOf(server)
	}
	if server >= 0 && pl.isDown(server) {
		return -1
	}
	return server
}

// numbered returns what stands for the n-th server that all calls do for.
func (pl *placement) numbered(n int) int {
	if pl.ring == nil {
		return firstNode + pl.pool.cluster.masters[n]
	}
	return n
}

// fixed returns the one server for commands without a key: the one on which the key "placeholder" would live, as with
// twemproxy (nc_request.c). In a cluster any master will do.
func (pl *placement) fixed() int {
	if pl.ring == nil {
		return noKey
	}
	return pl.one(fixedKey)
}

var fixedKey = []byte("placeholder")

// all calls do for every server, live or not; of a cluster for every master.
func (pl *placement) all(do func(server int) bool) {
	if pl.ring == nil {
		pl.pool.cluster.everyMaster(do)
		return
	}
	for i := range pl.servers {
		if !do(i) {
			return
		}
	}
}

// isDown tells whether requests for a server, whose keys stay there, fail without being sent.
func (pl *placement) isDown(server int) bool { return pl.keepers != nil && !pl.live[server] }

// owners tells of each server whether it has keys.
func (pl *placement) owners() []bool {
	if pl.keepers != nil {
		return pl.keepers
	}
	return pl.live
}

// divides tells whether a request for one server is refused if its keys live on several.
func (pl *placement) divides() bool { return pl.strict && len(pl.servers) > 1 }

// observe learns which servers are live, by any worker's finding, and which keys those have by now that start.
func (pl *placement) observe() {
	if pl.ring != nil && loadWord(pl.epoch) != pl.seen {
		pl.rebuild()
	}
	if pl.starting != nil && pl.slow.step.Due() <= pl.pool.l.now { // its timer would run after this turn's requests
		pl.stepOn()
	}
}

// rebuild lets the ring know which servers are live, and waits for the ejected ones.
func (pl *placement) rebuild() {
	pl.seen = loadWord(pl.epoch)
	for i, s := range pl.servers {
		word := s.liveness()
		pl.live[i] = word.Alive()
		s.awaitRetry(word)
	}
	pl.ring.SetLive(pl.owners())
	pl.startSlowly()
	pl.version++
	pl.pool.replaced()
}

// publish tells all workers that a liveness word has changed.
func (pl *placement) publish() { atomic.AddUint64(pl.epoch, 1) }

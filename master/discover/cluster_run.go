// The goroutines of the discovery of a Redis Cluster.

package discover

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// askedEachTime is how many nodes are asked in the time of askEvery, at most: each of more is asked less often.
const askedEachTime = 12

// followCluster is Follow for a Redis Cluster.
func followCluster(p *link.Pool, known []link.ServerTopology, tell func(News)) Following {
	ctx, cancel := context.WithCancel(context.Background())
	located := make(chan struct{})
	r := &clusterRunner{pool: p, ctx: ctx, events: make(chan func(*clusterFollower, time.Time)), askNow: make(chan struct{}, 1), asking: map[string]*asking{}, located: located}
	go r.run(known, tell)
	return Following{Located: located, Doubt: r.doubt, Failover: r.failover, Stop: cancel}
}

// clusterRunner is what surrounds a follower. Its own goroutine owns all fields but ctx, events, askNow and nodes.
type clusterRunner struct {
	pool    *link.Pool
	ctx     context.Context
	events  chan func(*clusterFollower, time.Time)
	askNow  chan struct{}      // has room for one: ask all at once
	asking  map[string]*asking // by address
	nodes   atomic.Int64       // that are asked
	located chan<- struct{}    // nil: closed
}

func (r *clusterRunner) run(known []link.ServerTopology, tell func(News)) {
	f := newClusterFollower(r.pool, known, clusterEffects{watch: r.watch, leave: r.leave, tell: tell}, time.Now())
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		if r.located != nil && f.located() {
			close(r.located)
			r.located = nil
		}
		select {
		case <-r.ctx.Done():
			return
		case do := <-r.events:
			do(f, time.Now())
		case <-r.askNow:
			r.ask()
		case <-ticker.C:
			f.tick(time.Now())
		}
	}
}

// doubt has nodes be asked soon.
func (r *clusterRunner) doubt(link.Server) {
	select {
	case r.askNow <- struct{}{}:
	default: // they are about to be
	}
}

// ask has some nodes, which others each time, be asked now.
func (r *clusterRunner) ask() {
	left := askedEachTime
	for _, a := range r.asking { // in an order that is another each time
		if left == 0 {
			return
		}
		left--
		select {
		case a.now <- struct{}{}:
		default: // it is about to
		}
	}
}

// every returns how long a node is to wait until it is asked again.
func (r *clusterRunner) every() time.Duration {
	rounds := (r.nodes.Load() + askedEachTime - 1) / askedEachTime
	return time.Duration(max(rounds, 1))*askEvery + rand.N(askSpread)
}

func (r *clusterRunner) watch(address string) {
	ctx, cancel := context.WithCancel(r.ctx)
	a := &asking{cancel, make(chan struct{}, 1)}
	r.asking[address] = a
	r.nodes.Add(1)
	n := &node{address: address, pool: r.pool, askNow: a.now, every: r.every, said: func(v *view, err error) {
		select {
		case r.events <- func(f *clusterFollower, now time.Time) { f.hear(address, v, err, now) }:
		case <-ctx.Done():
		}
	}}
	go n.run(ctx)
}

func (r *clusterRunner) leave(address string) {
	r.asking[address].stop()
	delete(r.asking, address)
	r.nodes.Add(-1)
}

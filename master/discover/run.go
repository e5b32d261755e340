// The goroutines of a pool's discovery.

package discover

import (
	"context"
	"sync"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// tickEvery is how often the judges look at the clock.
const tickEvery = 250 * time.Millisecond

// rolePause is the time between two questions to a server that may become a master any moment.
const rolePause = 20 * time.Millisecond

// seekTime is how long replicas are asked whether a sentinel has made one of them the master.
const seekTime = 3 * time.Second

// mostDoubts is how many doubts may wait for the follower.
const mostDoubts = 64

// Following is the discovery of a pool at work.
type Following struct {
	// Located is closed when it is known, for the first time, where every server is, and tell has been called with that.
	Located <-chan struct{}

	// Doubt has it ask anew, at once: what is at the address of a server does not do the server's work. It does not block.
	Doubt func(server link.Server)

	// Failover has a sentinel begin to make a replica of a server its master, or in a cluster a replica itself take over. It does not block:
	// then is called, from any goroutine, with the sentinel or the replica, or the reason why none does.
	Failover func(server link.Server, then func(by string, err error))

	// Stop ends it, soon: tell may be called once more.
	Stop func()
}

// Follow begins to follow the masters of a pool, or the nodes and slots of its cluster, from what is known of them on. It calls tell
// from a goroutine of its own with whatever is new; tell may block, then later news wait.
func Follow(p *link.Pool, known []link.ServerTopology, tell func(News)) Following {
	if p.IsCluster() {
		return followCluster(p, known, tell)
	}
	ctx, cancel := context.WithCancel(context.Background())
	located := make(chan struct{})
	r := &runner{pool: p, ctx: ctx, events: make(chan func(*follower, time.Time)), asking: map[string]*asking{}, located: located,
		doubts: make(chan string, mostDoubts)}
	go r.run(known, tell)
	return Following{Located: located, Doubt: r.doubt, Failover: r.failover, Stop: cancel}
}

// runner is what surrounds a follower. Its own goroutine owns all fields but ctx and the channels.
type runner struct {
	pool    *link.Pool
	ctx     context.Context
	events  chan func(*follower, time.Time)
	asking  map[string]*asking // by sentinel
	located chan<- struct{}    // nil: closed
	doubts  chan string        // about which masters
}

// asking is a sentinel that is asked by a goroutine.
type asking struct {
	stop context.CancelFunc
	now  chan struct{} // has room for one: ask at once
}

func (r *runner) run(known []link.ServerTopology, tell func(News)) {
	f := newFollower(r.pool, known, effects{watch: r.watch, leave: r.leave, ask: r.ask, look: r.look, inquire: r.inquire, seek: r.seek, tell: tell}, time.Now())
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
		case master := <-r.doubts:
			f.doubt(master, time.Now())
		case <-ticker.C:
			f.tick(time.Now())
		}
	}
}

// send has the goroutine of run do something, unless it ends.
func (r *runner) send(do func(*follower, time.Time)) {
	select {
	case r.events <- do:
	case <-r.ctx.Done():
	}
}

func (r *runner) watch(address string) {
	ctx, cancel := context.WithCancel(r.ctx)
	a := &asking{cancel, make(chan struct{}, 1)}
	r.asking[address] = a
	s := &sentinel{
		address: address, pool: r.pool, askNow: a.now,
		answered: func(a answer) { r.send(func(f *follower, now time.Time) { f.hear(a, now) }) },
		switched: func(master string) { r.send(func(f *follower, _ time.Time) { f.switched(master) }) },
	}
	go s.run(ctx)
}

func (r *runner) leave(address string) {
	r.asking[address].stop()
	delete(r.asking, address)
}

func (r *runner) ask() {
	for _, a := range r.asking {
		select {
		case a.now <- struct{}{}:
		default: // it is about to
		}
	}
}

// look asks a server what it is, again and again for lookTime, until it says that it is a master.
func (r *runner) look(master, address string) {
	go func() {
		server := newServer(address, r.pool)
		defer server.close()
		for until := time.Now().Add(lookTime); ; {
			says, _ := server.role(r.ctx)
			if says == roleGone {
				says = roleUnknown
			}
			done := says == roleMaster || time.Now().After(until) || r.ctx.Err() != nil
			r.send(func(f *follower, now time.Time) { f.looked(master, address, says, done, now) })
			if done {
				return
			}
			time.Sleep(rolePause)
		}
	}()
}

// seek asks replicas what they are, all at once and again and again, until one that has said that it is a replica says that it is a
// master, while nobody listens where the old master was.
func (r *runner) seek(master, from string, replicas []place) {
	go func() {
		ctx, cancel := context.WithTimeout(r.ctx, seekTime)
		defer cancel()
		found := make(chan place, len(replicas))
		var group sync.WaitGroup
		for _, p := range replicas {
			group.Go(func() {
				if r.becomesMaster(ctx, p.address) && r.isGone(ctx, from) {
					found <- p
					cancel()
				}
			})
		}
		group.Wait()
		close(found)
		heir := <-found // zero: none
		r.send(func(f *follower, now time.Time) { f.sought(master, from, heir, now) })
	}()
}

// becomesMaster waits until a replica says that it is a master, and tells whether it does in time.
func (r *runner) becomesMaster(ctx context.Context, address string) bool {
	server := newServer(address, r.pool)
	defer server.close()
	for was := roleUnknown; ctx.Err() == nil; time.Sleep(rolePause) {
		switch says, _ := server.role(ctx); says {
		case roleMaster:
			return was == roleReplica
		case roleReplica:
			was = roleReplica
		}
	}
	return false
}

// isGone tells whether nobody listens where a server was.
func (r *runner) isGone(ctx context.Context, address string) bool {
	server := newServer(address, r.pool)
	defer server.close()
	says, _ := server.role(ctx)
	return says == roleGone
}

// doubt has the follower doubt that a server is where it is taken to be. Where there are many doubts, others will follow.
func (r *runner) doubt(server link.Server) {
	select {
	case r.doubts <- server.Address:
	default:
	}
}

// inquire asks a server, once, what it is, and of whom.
func (r *runner) inquire(master, address string) {
	go func() {
		server := newServer(address, r.pool)
		defer server.close()
		says, of := server.role(r.ctx)
		r.send(func(f *follower, now time.Time) { f.inquired(master, address, says, of, now) })
	}()
}

// quiet silences the library: it logs, to stderr and often, what is logged here once.
var quiet = sync.OnceFunc(silence)

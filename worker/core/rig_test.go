// The rig: the workers of one generation inside the test, between fake clients, fake servers and a fake master. Its
// memory is ordinary, its clock stands still until it is told, and its sockets are of the unix kind, on which what was
// sent has arrived: nothing here ever waits, and a run is always the same.

package core

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	rigOutstanding = 4096
	rigOutputSoft  = 1 << 20
	rigEpoch       = int64(1000 * time.Second) // what the clock shows at the start
	rigRequests    = 2 * rigOutstanding        // in each worker's pool before the start: no test should need more
	rigTurns       = 100_000                   // after so many in a row a loop is taken to be caught in itself
)

// rig is a machine with everything that workers need.
type rig struct {
	t         testing.TB
	dir       string
	fdsUsed   int // by the process before the rig
	now       int64
	slots     int
	pools     []link.Pool
	workers   []*loop
	masters   []*peer // the master's ends of the worker links
	servers   []*fakeServer
	clients   []*peer
	stopped   bool   // the workers do not run, whatever happens
	limit     int64  // memory_limit of the workers
	samples   int    // of keys, in a second
	unchecked bool   // the invariants are not checked after every turn
	untried   bool   // that servers do transactions is not known beforehand
	zone      string // of the process
	numbered  bool   // servers tell connections their numbers

	// The test adds to what became possible before a turn, and looks on after it; nil: it does not.
	before func(l *loop, events []poll.Event) []poll.Event
	after  func(l *loop)
	lookUp func(slot int) func(context.Context, string) ([]netip.Addr, error) // in place of what a worker has; nil: it keeps that
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, slots: 1, now: rigEpoch, fdsUsed: descriptors(t)}
	r.dir = t.TempDir()
	t.Cleanup(r.tearDown)
	return r
}

// descriptors counts the open descriptors of the process.
func descriptors(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// redisPool adds a pool of new fake servers with these names.
func (r *rig) redisPool(servers ...string) *link.Pool {
	p := link.Pool{
		Name: "alpha", Protocol: link.Redis, Hash: "crc32a", Distribution: "modula",
		ClientOutstanding: rigOutstanding, ClientOutputSoft: rigOutputSoft, ClientOutputHard: 1 << 30, SubscriberOutput: 32 << 20, MaxRequestBytes: 512 << 20,
		ServerConnections: 1, Dedicated: 100, ServerFailureLimit: 2, ServerRetryTimeout: 30 * time.Second,
		CrossShard: link.CrossShardRefuse, MGetErrors: link.MGetErrorsAll,
	}
	for _, name := range servers {
		s := r.addServer(name)
		p.Servers = append(p.Servers, link.Server{Name: name, Network: "unix", Address: s.path, Weight: 1})
	}
	r.pools = append(r.pools, p)
	return &r.pools[len(r.pools)-1]
}

// memcachePool is redisPool for the other protocol.
func (r *rig) memcachePool(servers ...string) *link.Pool {
	p := r.redisPool(servers...)
	p.Protocol = link.Memcache
	return p
}

// start makes the workers, each with a listener for each pool and a master to talk to.
func (r *rig) start() {
	counts := link.ServerCounts(r.pools)
	words := make([]uint64, link.SharedBytes(counts, r.slots)/8)
	memory := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
	for slot := range r.slots {
		shared, err := link.OpenShared(memory, counts, r.slots)
		r.must(err)
		l := r.addWorker(&link.Spec{
			Generation: 1, Build: "1.2.3", Topology: link.StaticTopology(r.pools), Slot: slot, Slots: r.slots, CPU: -1, Verbosity: int(logevent.Info), Pools: r.pools,
			ShutdownTimeout: 10 * time.Second, MemoryLimit: r.limit, Zone: r.zone, KeySamples: r.samples,
		}, shared)
		for i := range r.pools {
			path := r.front(i, slot)
			fd, err := sock.ListenUnix(path, 0, 512)
			r.must(err)
			r.must(l.listen(fd, link.Listener{Pool: i, Network: "unix", Address: path, Shared: true}))
		}
	}
	for _, l := range r.workers {
		l.preconnect()
	}
	r.turn()
}

// addWorker makes a worker and its master.
func (r *rig) addWorker(spec *link.Spec, shared *link.Shared) *loop {
	l, err := newLoop(spec, shared, func() int64 { return r.now })
	r.must(err)
	l.memory.Collect = func(bool) {} // at any moment it would let go of what is kept for reuse
	mine, theirs, err := sock.SeqpacketPair()
	r.must(err)
	if r.lookUp != nil {
		l.resolver.Host = r.lookUp(spec.Slot)
	}
	l.master, err = newMasterLink(l, theirs)
	r.must(err)
	r.masters = append(r.masters, &peer{name: "master", fd: mine})
	for range rigRequests {
		l.requests.put(new(request))
		l.memory.Charge(requestBytes)
	}
	l.requests.timer.Fire = func() {} // the pool keeps what it has, so that it can be counted
	r.workers = append(r.workers, l)
	return l
}

// front is where a worker's clients of a pool connect to.
func (r *rig) front(pool, slot int) string {
	return filepath.Join(r.dir, fmt.Sprintf("front%d.%d", pool, slot))
}

func (r *rig) must(err error) {
	if err != nil {
		r.t.Helper()
		r.t.Fatal(err)
	}
}

// turn lets the workers turn and their peers receive until nothing happens any more.
func (r *rig) turn() {
	if r.stopped {
		for r.receive() {
		}
		return
	}
	for range rigTurns {
		busy := false
		for slot, l := range r.workers {
			if !l.ended && r.step(l) {
				busy = true
			}
			if l.ended && l.poller != nil {
				r.exit(slot)
				busy = true
			}
		}
		if !r.receive() && !busy {
			return
		}
	}
	r.t.Fatal("the workers do not come to rest")
}

// step is one turn of a worker; it tells whether there was anything to do.
func (r *rig) step(l *loop) (busy bool) {
	events, err := l.poller.Wait(0)
	r.must(err)
	if r.before != nil {
		events = r.before(l, events)
	}
	busy = len(events) > 0 || l.mustNotWait()
	if at, ok := l.timers.Next(); ok && at <= r.now {
		busy = true
	}
	for e := range l.endpoints {
		e.transacts = e.transacts || !r.untried
		e.numberless = e.numberless || !r.numbered
	}
	l.turn(events)
	l.rested = r.now
	if r.after != nil {
		r.after(l)
	}
	if !r.unchecked {
		checkInvariants(r.t, l)
	}
	return busy
}

// advance lets time pass, from deadline to deadline.
func (r *rig) advance(by time.Duration) {
	r.t.Helper()
	until := r.now + int64(by)
	if r.stopped {
		r.now = until
		return
	}
	for {
		next := until
		for _, l := range r.workers {
			if at, ok := l.timers.Next(); ok && !l.ended {
				next = min(next, at)
			}
		}
		r.now = max(r.now, next)
		r.turn()
		if r.now >= until {
			return
		}
	}
}

// tell has the master send a message to every worker.
func (r *rig) tell(m link.Message) {
	for _, master := range r.masters {
		if master.fd >= 0 {
			_, err := sock.Send(master.fd, link.AppendMessage(nil, m))
			r.must(err)
		}
	}
	r.turn()
}

// exit does what the kernel does when a worker process is gone: it closes what the worker had open.
func (r *rig) exit(slot int) {
	l := r.workers[slot]
	for _, entry := range l.table {
		switch h := entry.h.(type) {
		case *client:
			sock.Close(h.stream.FD())
		case inFlightClient:
			sock.Close(h.c.stream.FD())
		case *preparedClient:
			sock.Close(h.c.stream.FD())
		case *peerLink:
			sock.Close(h.fd)
			for _, o := range h.sent {
				o.closeState()
			}
		case *conn:
			sock.Close(h.stream.FD())
		case inFlightConn:
			sock.Close(h.c.stream.FD())
		case *listener:
			sock.Close(h.fd)
			if h.kept >= 0 {
				sock.Close(h.kept)
			}
		case *masterLink:
			sock.Close(h.fd)
		case *rendezvous:
			sock.Close(h.fd)
		case resolver:
			sock.Close(h.FD())
		}
	}
	l.signatures.stop()
	l.poller.Close()
	l.poller, l.ended = nil, true
}

// tearDown has everyone hang up and then looks for what is left over.
func (r *rig) tearDown() {
	if !r.t.Failed() {
		for _, c := range r.clients {
			c.hangUp()
		}
		r.turn()
		for range 2 { // a client that has waited for a server before it was read to its end may ask once more
			for _, s := range r.servers {
				s.hangUp()
			}
			r.turn()
		}
		for _, l := range r.workers {
			if !l.ended {
				checkEmpty(r.t, l)
			}
		}
	}
	for slot, l := range r.workers {
		if l.poller != nil {
			r.exit(slot)
		}
	}
	for _, p := range append(r.clients, r.masters...) {
		p.hangUp()
	}
	for _, s := range r.servers {
		s.hangUp()
		s.refuse()
	}
	if now := descriptors(r.t); now != r.fdsUsed && !r.t.Failed() {
		r.t.Errorf("%d descriptors are open, %d were before the test", now, r.fdsUsed)
	}
}

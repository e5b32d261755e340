// The event loop: fill, then flush.

package core

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/stream"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// handler receives the events of a descriptor: a client, a server connection, a listener, the worker link, the resolver.
type handler interface{ ready(ev poll.Event) }

// registration is an entry of the loop's table. seq changes when the entry is freed, so that a late event for its former
// handler is recognised.
type registration struct {
	h   handler
	seq uint32
}

// loop owns everything that the worker has. One goroutine runs it; nothing else touches it.
type loop struct {
	spec     *link.Spec
	shared   *link.Shared
	poller   *poll.Poller
	clock    func() int64 // ns, monotonic, the same in all processes
	now      int64        // the clock, read once per turn
	rested   int64        // the clock, at the end of the last turn
	lostMore int64        // ns: for which the loop may have stood still before this turn, beyond what deadlines were extended by

	table      []registration // by poll.Token.Index
	free       []uint32       // indexes of the free entries of table
	scratch    []byte         // where a request or reply is built, within one call
	timers     timer.Heap
	memory     *memory.Allocator
	io         *stream.Loop // what the streams of all connections share, and the turn's budget of bytes
	relief     relief
	window     window
	busy       int // clients that are owed a reply
	lingering  lingering
	partings   partings
	handshakes handshakes
	signatures signatures

	pools     []*pool
	listeners []*listener
	master    *masterLink // nil: the master is dead
	resolver  resolver
	clients   int              // connected now
	nextID    uint64           // of the next client
	counters  link.WorkerWords // of the worker
	turns     *uint64          // shared: counts turns, so that the master sees that the worker does not hang

	limited    limited
	slow       slowLog
	requestLog requestLog
	sampling   sampling
	agenda     agenda
	requests   requestPool
	questions  questions
	observed   []*observation // by those who look at requests; most of the time none

	redisRoute    redisRoute
	memcacheRoute memcacheRoute

	descriptors descriptorBudget
	announced   announced
	draining    draining
	succession  succession
	mover       mover
	accepting   bool // the listeners are watched
	ended       bool
}

// newLoop makes the loop with everything but its listeners and its worker link.
func newLoop(spec *link.Spec, shared *link.Shared, clock func() int64) (*loop, error) {
	poller, err := poll.New()
	if err != nil {
		return nil, err
	}
	l := &loop{
		spec: spec, shared: shared, poller: poller, clock: clock, now: clock(),
		counters: shared.Worker(spec.Slot),
		turns:    sign(shared.Turns(spec.Slot)),

		accepting: !spec.Takeover,
	}
	l.nextID = *l.counters[link.TotalConnections] // an earlier worker of the slot has given no more than that
	l.succession.init(l)
	l.mover.outgoing.l, l.mover.mostBytes = l, maxMovedBytes
	l.handshakes.init(l)
	l.memory = memory.New(&l.timers, &l.now)
	l.io = stream.NewLoop(l.memory, spec.ReadBufferBytes, maxTurnBytes)
	l.window.most = spec.Coalesce
	l.requests.l = l
	l.slow, l.sampling = newSlowLog(l), newSampling(l)
	l.questions = questions{l: l, lastID: uint64(l.now)}
	l.requests.timer.Fire = l.requests.tick
	l.requestLog.init(l)
	l.limited.timer.Fire = l.writeKept
	if l.resolver, err = newResolver(l); err != nil {
		return nil, err
	}
	for i := range spec.Pools {
		p, err := newPool(l, i)
		if err != nil {
			return nil, err
		}
		l.pools = append(l.pools, p)
	}
	if err := l.signatures.start(l); err != nil {
		return nil, err
	}
	l.requestLog.begin()
	return l, nil
}

// run turns until the worker's end.
func (l *loop) run() error {
	var events []poll.Event
	for !l.ended {
		var err error
		l.rested = l.clock()
		l.countTurn(l.rested - l.now)
		if events, err = l.wait(len(events)); err != nil {
			return err
		}
		l.turn(events)
	}
	return l.partFromAll()
}

// countTurn counts a turn that took so many ns.
func (l *loop) countTurn(ns int64) {
	*l.counters[link.TurnMicros] += micros(ns)
	*l.counters[link.FirstTurnBucket+link.TurnBucket(ns)]++
}

// turn does everything that became possible, then writes everything that came of it.
func (l *loop) turn(events []poll.Event) {
	now := l.clock()
	l.extendDeadlines(now)
	l.now = now
	*l.turns++
	*l.counters[link.MemoryHeld] = uint64(max(l.memory.Held(), 0))
	l.io.Spent, l.io.Sent = 0, 0
	l.observe()
	l.sampling.hurry()
	l.agenda.startTurn()
	l.handle(events)
	l.runQueued()
	l.timers.Run(l.now)
	l.flush()
	if l.mover.outgoing.on {
		l.mover.outgoing.step()
		l.flush()
	}
	l.observe()
	l.relieve()
}

// handle passes each event to the handler of its descriptor.
func (l *loop) handle(events []poll.Event) {
	for _, ev := range events {
		if r := &l.table[ev.Token.Index]; r.seq == ev.Token.Seq && r.h != nil {
			r.h.ready(ev)
		}
	}
}

// observe learns which servers are live: before requests are routed, from other workers, and before the loop waits, from this
// one, so that it wakes for their retry.
func (l *loop) observe() {
	for _, p := range l.pools {
		p.placement.observe()
	}
}

// wait waits for events and returns them. events is how many the last turn has handled.
func (l *loop) wait(events int) ([]poll.Event, error) {
	patience := l.patience()
	if l.hasWork() || patience == 0 && len(l.agenda.partial) == 0 {
		return l.poller.Wait(0)
	}
	width := l.window.sleep(events, l.busy)
	if width == 0 {
		return l.poller.Wait(patience)
	}
	l.poller.Sleep(width)
	gathered, err := l.poller.Wait(patience)
	l.window.slept(len(gathered))
	return gathered, err
}

// mustNotWait tells whether there is work without an event.
func (l *loop) mustNotWait() bool { return l.hasWork() || len(l.agenda.partial) > 0 }

// hasWork is mustNotWait without partial output.
func (l *loop) hasWork() bool {
	return !l.agenda.isEmpty() || l.memory.Reclaims() || l.mover.outgoing.moreToDo
}

// patience returns how long the loop may wait for the next event: not at all while there is work, and else without end, since
// the poller's alarm rings when the next timer is due.
func (l *loop) patience() time.Duration {
	if l.mustNotWait() {
		return 0
	}
	at, ok := l.timers.Next()
	if !ok {
		return -1
	}
	if at <= l.now {
		return 0
	}
	if err := l.poller.Alarm(at); err != nil {
		return time.Duration(at - l.now)
	}
	return -1
}

// trim frees what one large request or reply has left in the loop's own buffers.
func (l *loop) trim() {
	l.memory.Reclaim(maxBuriedBytes)
	if cap(l.scratch) > maxKeptScratchBytes {
		l.memory.CountGarbage(cap(l.scratch))
		l.scratch = nil
	}
	l.redisRoute.trim(l.memory)
	l.memcacheRoute.trim(l.memory)
}

// register gives h a token and watches fd for it.
func (l *loop) register(fd int, h handler) (poll.Token, error) {
	token := l.addEntry(h)
	if err := l.poller.Add(fd, token); err != nil {
		l.removeEntry(token)
		return poll.Token{}, err
	}
	return token, nil
}

// addEntry registers h in the table.
func (l *loop) addEntry(h handler) poll.Token {
	if len(l.free) == 0 {
		l.free = append(l.free, uint32(len(l.table)))
		l.table = append(l.table, registration{})
	}
	index := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	r := &l.table[index]
	r.h = h
	return poll.Token{Index: index, Seq: r.seq}
}

// setHandler replaces the handler of a registration.
func (l *loop) setHandler(token poll.Token, h handler) { l.table[token.Index].h = h }

// everyClient calls do for each client that is here, without those in flight in either direction.
func (l *loop) everyClient(do func(*client) bool) {
	for i := range l.table {
		if c, ok := l.table[i].h.(*client); ok && !do(c) {
			return
		}
	}
}

// removeEntry ends a registration: events in flight for it are dropped.
func (l *loop) removeEntry(token poll.Token) {
	r := &l.table[token.Index]
	r.h = nil
	r.seq++
	l.free = append(l.free, token.Index)
}

// opened and closed count a connection of any kind.
func (l *loop) opened() {
	*l.counters[link.TotalConnections]++
	*l.counters[link.CurrConnections]++
}

func (l *loop) closed() { *l.counters[link.CurrConnections]-- }

// liveMillis is the time as liveness words have it.
func (l *loop) liveMillis() int64 { return l.now / int64(time.Millisecond) }

// tickNanos is the unit in which the loop notes when a client was active.
const tickNanos = int64(time.Second / 16)

// ticks is the loop's time in that unit.
func (l *loop) ticks() uint32 { return uint32(l.now / tickNanos) }

// sign returns shared, or a word of this process if the memory, of another build, does not have it.
func sign(shared *uint64) *uint64 {
	if shared == nil {
		return new(uint64)
	}
	return shared
}

// loadWord reads a word that other processes write too.
func loadWord(word *uint64) uint64 { return atomic.LoadUint64(word) }

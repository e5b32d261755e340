// Workers of two generations that have lost their masters in the middle of a handoff.

package core

import (
	"fmt"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// deserted is a handoff that has moved one client. Another one is owed a reply by the worker of before, or of next, unless
// owing is nil; and then all masters die, those of first a turn earlier.
func deserted(t *testing.T, owing func(before, next *loop) *loop, first int) (r *rig, before, next *loop, moved, slow *peer) {
	r, before, next = twoGenerations(t, nil)
	moved = r.connect("moved", 0, 0)
	if owing != nil && owing(before, next) == before {
		slow = r.slowClient()
	}
	r.handOver(before, next)
	if owing != nil && owing(before, next) == next {
		slow = r.slowClient()
	}
	r.pings(moved, next)
	r.loseMasters(first)
	return r, before, next, moved, slow
}

// loseMasters has all masters die, the one called first a turn earlier than the others; -1: at once.
func (r *rig) loseMasters(first int) {
	if first >= 0 {
		r.masters[first].hangUp()
		r.turn()
	}
	for i := range r.masters {
		if i != first {
			r.masters[i].hangUp()
		}
	}
	r.turn()
}

// slowClient is a client whose server does not answer yet.
func (r *rig) slowClient() *peer {
	c := r.connect("slow", 0, 0)
	c.send(redisRequestOf("GET", "1"))
	r.turn()
	return c
}

// Nobody is lost, somebody accepts all the time, and whoever serves can be had by the next master: at once, and when those
// that have nobody left have ended.
func TestDesertedHandoff(t *testing.T) {
	owing := map[string]func(before, next *loop) *loop{
		"nobody": nil,
		"before": func(before, _ *loop) *loop { return before },
		"next":   func(_, next *loop) *loop { return next },
	}
	for who, owing := range owing {
		for first := -1; first < 2; first++ {
			t.Run(fmt.Sprintf("owing %s, first %d", who, first), func(t *testing.T) {
				r, before, next, moved, slow := deserted(t, owing, first)
				living := func() (n int) {
					for _, l := range r.workers {
						if !l.ended {
							n++
						}
					}
					return n
				}
				check := func(name string) {
					t.Helper()
					r.stillServed(moved)
					r.stillServed(r.connect(name, 0, 0))
					if names := waiting(t); len(names) != living() || living() == 0 {
						t.Fatalf("%d workers live; they wait at %q", living(), names)
					}
				}
				check("fresh")
				r.advance(2 * time.Duration(forwardDoubt))
				check("later")
				if slow == nil {
					return
				}
				(map[string]*peer{"before": r.servers[0].conns[0], "next": r.servers[0].conns[len(r.servers[0].conns)-1]})[who].send([]byte("$1\r\n1\r\n"))
				r.turn()
				if got := string(slow.take()); got != "$1\r\n1\r\n" {
					t.Fatalf("slow got %q", got)
				}
				r.advance(2 * time.Duration(forwardDoubt))
				r.stillServed(slow)
				check("last")
				if before.ended {
					t.Errorf("of the two, the worker that was settled has ended; the other one has %d clients", next.clients)
				}
			})
		}
	}
}

// A listener that only the next generation has, since it has more workers, ends with the worker that gives back. Whoever
// has come there goes to the generation that serves.
func TestDesertedListenerIsEmptied(t *testing.T) {
	r, before, next, moved, _ := deserted(t, nil, 0)
	if !next.mover.outgoing.masterless {
		t.Fatal("the next worker does not give back")
	}
	before.watchListeners(false) // those of another slot
	waits := r.connect("waits", 0, 0)
	r.advance(2 * time.Duration(forwardDoubt))
	r.stillServed(waits)
	r.stillServed(moved)
	if !next.ended || before.clients != 2 {
		t.Errorf("next has ended: %v, before has %d clients", next.ended, before.clients)
	}
}

// Nobody is connected anywhere: that is no reason to leave the addresses.
func TestDesertedWithoutClients(t *testing.T) {
	for first := -1; first < 2; first++ {
		r, before, next := twoGenerations(t, nil)
		r.handOver(before, next)
		r.loseMasters(first)
		r.advance(2 * time.Duration(forwardDoubt))
		r.stillServed(r.connect("fresh", 0, 0))
		r.tearDown()
		r.clients = nil
	}
}

// A worker that has never served and knows nobody of the other generation is needed by nobody. Who waits in a queue of which
// the other generation has a copy is served there, rather than by this worker, which would then stay with him, unseen, for as
// long as he does.
func TestDesertedBeforeServing(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	before, next := r.workers[0], r.succeed(nil)
	before.watchListeners(false)
	waits := r.connect("waits", 0, 0)
	r.masters[1].hangUp()
	r.turn()
	if !next.ended || next.clients != 0 {
		t.Errorf("it has ended: %v; it has %d clients", next.ended, next.clients)
	}
	before.watchListeners(true)
	r.turn()
	r.pings(waits, before)
}

// An earlier build gives back to nobody, and ends as soon as it has nobody left: then the next generation stays.
func TestDesertedByEarlierBuild(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	r.handOver(before, next)
	before.ended = true // and so its end of the connection closes
	for _, p := range before.mover.peers {
		sock.ShutdownWrite(p.fd)
	}
	r.masters[1].hangUp()
	r.turn()
	r.advance(2 * time.Duration(forwardDoubt))
	r.pings(c, next)
	r.pings(r.connect("fresh", 0, 0), next)
	if got := waiting(t); len(got) != 1 || !next.succession.settled {
		t.Errorf("it waits at %q; settled is %v", got, next.succession.settled)
	}
}

// A worker that drains and has lost its master moves those it still has, as they become idle, to one that serves on.
func TestDesertedStraggler(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	slow := r.slowClient()
	r.handOver(before, next)
	r.instruct(next, link.Settle, nil)
	r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	r.masters[0].hangUp()
	r.masters[1].hangUp()
	r.advance(time.Second)
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(slow.take()); got != "$1\r\n1\r\n" {
		t.Fatalf("slow got %q", got)
	}
	r.pings(slow, next)
	if !before.ended {
		t.Error("it has not ended")
	}
}

// The next master finds a worker that still gives, says what becomes of it, and has it as any other.
func TestGivingOrphanMeetsMaster(t *testing.T) {
	for _, kind := range []link.Kind{link.Resume, link.Finish} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) { meetGiving(t, kind) })
	}
}

func meetGiving(t *testing.T, kind link.Kind) {
	r, before, next := twoGenerations(t, nil)
	before.succession.origins = r.origins()
	slow := r.slowClient()
	r.handOver(before, next)
	r.masters[0].hangUp()
	r.turn()
	names := waiting(t)
	if len(names) != 1 || before.accepting {
		t.Fatalf("it waits at %q and accepts: %v", names, before.accepting)
	}
	if got, want := r.come(names[0]), (link.OrphanBody{Moving: true}); got != want {
		t.Errorf("it says %+v, want %+v", got, want)
	}
	r.advance(2 * time.Duration(forwardDoubt))
	r.instruct(before, kind, nil)
	r.turn()
	if accepts := kind == link.Resume; before.ended || before.accepting != accepts {
		t.Errorf("ended: %v, accepts: %v", before.ended, before.accepting)
	}
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(slow.take()); got != "$1\r\n1\r\n" {
		t.Fatalf("slow got %q", got)
	}
	by := next
	if kind == link.Resume {
		by = before
	}
	r.pings(slow, by)
}

// Without a free descriptor an orphan cannot wait for a master, nor meet one. It does as soon as it can.
func TestOrphanLacksDescriptors(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	l.succession.origins = r.origins()
	c := r.connect("c", 0, 0)
	feed := starve(t, 0)
	l.awaitMaster()
	r.turn()
	if l.succession.rendezvous.fd >= 0 {
		t.Fatal("it waits without a descriptor")
	}
	feed()
	r.advance(time.Duration(rendezvousAgain))
	if names := waiting(t); len(names) != 1 {
		t.Fatalf("it waits at %q", names)
	}
	r.pings(c, l)
}

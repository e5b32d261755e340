// SIGTERM at each stage of a worker's life.

package core

import (
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

func kinds(messages []link.Message) (all []link.Kind) {
	for _, m := range messages {
		all = append(all, m.Kind)
	}
	return all
}

// wantKinds checks what a worker has said.
func (r *rig) wantKinds(l *loop, want ...link.Kind) {
	r.t.Helper()
	got := kinds(r.heard(l))
	if len(got) != len(want) {
		r.t.Fatalf("worker of generation %d says %v, want %v", l.spec.Generation, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			r.t.Fatalf("worker of generation %d says %v, want %v", l.spec.Generation, got, want)
		}
	}
}

// One that serves says so and drains.
func TestTermDrains(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	idle, owed := r.connect("idle", 0, 0), r.connect("owed", 0, 0)
	r.pings(idle, l)
	owed.send(redisRequestOf("GET", "a"))
	r.turn()
	l.depart()
	l.depart() // the second time is no more
	r.turn()
	r.wantKinds(l, link.Leaving)
	if !idle.ended || owed.ended {
		t.Errorf("the idle client is closed: %v, the one that is owed a reply: %v", idle.ended, owed.ended)
	}
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(owed.take()); got != "$1\r\n1\r\n" || !owed.ended {
		t.Errorf("it gets %q, closed: %v", got, owed.ended)
	}
	r.wantKinds(l, link.Drained)
}

// One that gives goes on giving.
func TestTermWhileGiving(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	moves, owed := r.connect("moves", 0, 0), r.connect("owed", 0, 0)
	r.pings(moves, before)
	owed.send(redisRequestOf("GET", "a"))
	r.turn()
	r.handOver(before, next)
	before.depart()
	r.turn()
	r.wantKinds(before, link.Leaving)
	r.pings(moves, next)
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(owed.take()); got != "$1\r\n1\r\n" || owed.ended {
		t.Errorf("it gets %q, closed: %v", got, owed.ended)
	}
	if body := r.given(before); body.Moved != 2 || body.Stragglers != 0 {
		t.Errorf("it says %+v", body)
	}
	r.pings(owed, next)
}

// If the handoff fails, it drains then; and a draining one that is told to give says that it gives nobody.
func TestTermAndRollBack(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	owed := r.connect("owed", 0, 0)
	owed.send(redisRequestOf("GET", "a"))
	r.turn()
	r.handOver(before, next)
	before.depart()
	r.turn()
	r.instruct(before, link.Resume, nil)
	r.turn()
	if !before.draining.on {
		t.Error("it does not drain")
	}
	r.heard(before)
	r.instruct(before, link.MoveClients, link.MoveClientsBody{})
	r.turn()
	if body := r.given(before); body.Stragglers != 1 {
		t.Errorf("it says %+v", body)
	}
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(owed.take()); got != "$1\r\n1\r\n" || !owed.ended {
		t.Errorf("it gets %q, closed: %v", got, owed.ended)
	}
}

// One that takes waits until it is settled: until then what it has taken can go back.
func TestTermWhileTaking(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	r.pings(c, before)
	r.handOver(before, next)
	next.depart()
	r.turn()
	r.wantKinds(next, link.Leaving)
	r.pings(c, next)
	r.instruct(next, link.Settle, nil)
	r.turn()
	if !c.ended || !next.draining.on {
		t.Errorf("settled: the client is closed: %v", c.ended)
	}
}

// One that is told to end takes nobody, even before its loop has noticed: the handoff could be over by then, and those whom it has taken
// would be cut.
func TestTermBeforeTaking(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	r.pings(c, before)
	next.draining.signalled.Store(true)
	r.handOver(before, next)
	r.wantKinds(next, link.Leaving)
	r.pings(c, before)
	if next.clients > 0 || before.clients != 1 {
		t.Errorf("it has %d clients, and the one before %d", next.clients, before.clients)
	}
	r.instruct(before, link.Resume, nil)
	r.turn()
	r.pings(c, before)
}

// An orphan has nobody to wait for.
func TestTermOfAnOrphan(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	r.pings(c, before)
	r.handOver(before, next)
	for _, m := range r.masters {
		m.hangUp()
	}
	r.turn()
	for _, l := range []*loop{before, next} {
		if !l.ended {
			l.depart()
		}
	}
	r.advance(20 * time.Second)
	if !before.ended || !next.ended {
		t.Errorf("they end: %v, %v", before.ended, next.ended)
	}
}

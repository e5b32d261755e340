// Moves that are interrupted at every step: by the death of either side, by a roll-back, by a side that hangs.

package core

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// The next worker is dead at every step of the way. Only what it has been given is lost.
func TestTakerDies(t *testing.T) {
	const committed = 3 // steps: it offers, the other one answers, it commits
	for steps := range 14 {
		r, before, _ := twoGenerations(t, nil)
		var clients []*peer
		for i := range 5 {
			clients = append(clients, r.connect(fmt.Sprint("c", i), 0, 0))
		}
		half := r.connect("half", 0, 0)
		half.send([]byte("*1\r\n$4\r\nPI"))
		r.turn()
		r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
		for i := range steps {
			r.step(r.workers[i%2])
		}
		r.exit(1)
		r.turn()
		want := 6
		if steps >= committed {
			want = 0
		}
		if before.clients != want {
			t.Fatalf("after %d steps %d clients are left, want %d", steps, before.clients, want)
		}
		if want > 0 {
			half.send([]byte("NG\r\n"))
			r.turn()
			if got := string(half.take()); got != "+PONG\r\n" {
				t.Errorf("after %d steps half got %q", steps, got)
			}
			for _, c := range clients {
				r.pings(c, before)
			}
			if reason := r.peerFailed(before); !strings.Contains(reason, "gone") {
				t.Errorf("after %d steps the peer failed: %s", steps, reason)
			}
			// a new one comes, and everything goes on by itself
			another := r.joined(nil)
			if before.clients != 0 || another.clients != 6 {
				t.Errorf("after %d steps %d clients are left and %d move to another worker", steps, before.clients, another.clients)
			}
		}
		r.tearDown()
		r.clients = nil
	}
}

// The worker before is dead at every step: nobody is lost from the moment that the other one has heard of them.
func TestGiverDies(t *testing.T) {
	kept := 0
	for steps := range 12 {
		r, before, next := twoGenerations(t, nil)
		var clients []*peer
		for i := range 5 {
			clients = append(clients, r.connect(fmt.Sprint("c", i), 0, 0))
		}
		r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
		for i := range steps {
			r.step(r.workers[i%2])
		}
		r.exit(0)
		r.turn()
		switch next.clients {
		case 5:
			kept++
			for _, c := range clients {
				r.pings(c, next)
			}
		case 0:
		default:
			t.Errorf("after %d steps %d clients are left", steps, next.clients)
		}
		if steps >= 2 && next.clients != 5 { // the first step is to read MoveClients and to offer
			t.Errorf("after %d steps they are lost", steps)
		}
		if reason := r.peerFailed(next); !strings.Contains(reason, "gone") {
			t.Errorf("after %d steps the peer failed: %s", steps, reason)
		}
		r.tearDown()
		r.clients = nil
	}
	if kept < 10 {
		t.Errorf("the clients were kept in %d of 12 runs", kept)
	}
}

// Settled or rolled back at every step, everybody is served by somebody.
func TestResumeAtEveryStep(t *testing.T) {
	for steps := range 14 {
		r, before, next := twoGenerations(t, nil)
		var clients []*peer
		for i := range 5 {
			c := r.connect(fmt.Sprint("c", i), 0, 0)
			c.send([]byte("*1\r\n$4\r\nPI"))
			clients = append(clients, c)
		}
		r.turn()
		r.instruct(next, link.Serve, nil)
		r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
		for i := range steps {
			r.step(r.workers[i%2])
		}
		r.instruct(before, link.Resume, nil)
		r.instruct(next, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
		r.turn()
		if before.clients != 5 || next.clients != 0 {
			t.Errorf("after %d steps %d clients are back and %d are not", steps, before.clients, next.clients)
		}
		for _, c := range clients {
			c.send([]byte("NG\r\n"))
			r.turn()
			if got := string(c.take()); got != "+PONG\r\n" {
				t.Errorf("after %d steps %s got %q", steps, c.name, got)
			}
			r.pings(c, before)
		}
		r.tearDown()
		r.clients = nil
	}
}

// A peer that does not answer is given up, and its clients are served.
func TestPeerHangs(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
	r.workers = r.workers[:1] // the other one does not turn
	r.turn()
	if before.clients != 1 || before.mover.peers[0].link.Outgoing() != 1 {
		t.Fatal("nothing is on its way")
	}
	r.advance(2900 * time.Millisecond)
	c.send(redisRequestOf("PING"))
	r.turn()
	if got := c.take(); len(got) != 0 {
		t.Fatalf("it is served: %q", got)
	}
	r.advance(200 * time.Millisecond)
	if got := string(c.take()); got != "+PONG\r\n" {
		t.Errorf("it got %q", got)
	}
	if reason := r.peerFailed(before); !strings.Contains(reason, "no answer for 3s") {
		t.Errorf("the peer failed: %s", reason)
	}
	r.workers = append(r.workers, next)
	r.turn()
	if before.clients != 1 || next.clients != 0 || len(before.mover.peers)+len(next.mover.peers) != 0 {
		t.Errorf("when it wakes up %d clients are there and %d here, with %d and %d peers",
			next.clients, before.clients, len(next.mover.peers), len(before.mover.peers))
	}
	r.pings(c, before)
}

// A client that is taken back is not served before the other worker has been told: if this one died meanwhile, that one would go on from
// where the client was when it was offered, and do again what has been done since.
func TestTakenBackOnceTold(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprintf("dies %v", dies), func(t *testing.T) {
			r, before, next := twoGenerations(t, nil)
			c := r.connect("c", 0, 0)
			r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
			r.step(before) // it offers
			r.step(next)   // and the other one answers
			p := before.mover.peers[0]
			again := handoff.AppendMessage(nil, handoff.Message{Kind: handoff.Hello, Version: handoff.MaxVersion, Min: handoff.MinVersion, Max: handoff.MaxVersion})
			for sock.SendFDs(p.fd, again, nil) == nil { // until the socket has no room
			}
			before.keepClients()
			c.send(redisRequestOf("PING"))
			c.push()
			r.step(before)
			if c.pull(); len(c.take()) > 0 || p.link.Outgoing() != 1 {
				t.Fatal("it is served before the other worker knows")
			}
			if dies {
				r.exit(0)
			} else {
				r.step(next)
			}
			r.turn()
			if got := string(c.take()); got != "+PONG\r\n" {
				t.Errorf("it gets %q", got)
			}
			if got := next.clients == 1; got != dies {
				t.Errorf("the other worker serves it: %v", got)
			}
		})
	}
}

// What a link cannot read for a moment is not its end: the batches whose ABORT may be there are still the other worker's.
func TestPeerThatCannotBeReadNow(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
	r.step(before)
	r.step(next)
	p := next.mover.peers[0]
	none, err := os.Open(os.DevNull)
	r.must(err)
	defer none.Close()
	fd := p.fd
	p.fd = int(none.Fd())
	p.read()
	p.fd = fd
	if p.link.Ended() || next.clients > 0 || !p.resend.Armed() {
		t.Fatal("it is taken for the end")
	}
	before.keepClients()
	r.turn()
	r.advance(resendPause)
	r.pings(c, before)
}

// Room for clients of another generation where descriptors are short, and the ways of those that an attempt has left behind.

package core

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// leaveRoom has a worker believe that it has descriptors for so many more connections.
func (r *rig) leaveRoom(l *loop, places int) {
	l.descriptors.spares, l.descriptors.fixed = true, 0
	l.descriptors.fixed = l.ceiling() - l.openDescriptors() - places
}

// waits checks that a client is not accepted.
func (r *rig) waits(c *peer) {
	r.t.Helper()
	r.advance(2 * acceptPause)
	if got := c.take(); len(got) > 0 || c.ended {
		r.t.Fatalf("%s got %q, ended is %v, and was to wait", c.name, got, c.ended)
	}
}

// replies checks that a server's reply reaches a client.
func (r *rig) replies(c *peer) {
	r.t.Helper()
	for _, conn := range r.servers[0].conns {
		if len(conn.take()) > 0 {
			conn.send([]byte("$1\r\n1\r\n"))
		}
	}
	r.turn()
	if got := string(c.take()); got != "$1\r\n1\r\n" {
		r.t.Fatalf("%s got %q, ended is %v", c.name, got, c.ended)
	}
}

// owed makes a client that is owed a reply.
func (r *rig) owed(name string) *peer {
	c := r.connect(name, 0, 0)
	c.send(redisRequestOf("GET", "1"))
	r.turn()
	return c
}

// makesWay has one client go, and the one who waits, and has sent PING, get the place.
func (r *rig) makesWay(idle, fresh *peer) {
	r.t.Helper()
	idle.hangUp()
	r.turn()
	r.advance(2 * acceptPause)
	if got := string(fresh.take()); got != "+PONG\r\n" {
		r.t.Errorf("%s got %q when there was a place", fresh.name, got)
	}
}

// A worker that takes over leaves the last place to who is still to come.
func TestNewcomersLeaveRoom(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	idle, slow := r.connect("idle", 0, 0), r.owed("slow")
	atomic.StoreUint64(next.shared.Elsewhere(0), 2)
	r.handOver(before, next)
	r.leaveRoom(next, 1)
	fresh := r.dial("fresh")
	fresh.send(redisRequestOf("PING"))
	r.waits(fresh)
	r.replies(slow)
	r.pings(slow, next)
	r.waits(fresh)
	r.makesWay(idle, fresh)
}

// A worker that serves again after a failed attempt leaves room for who has not come back.
func TestReturnersHaveRoom(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	idle, slow := r.connect("idle", 0, 0), r.connect("slow", 0, 0)
	r.leaveRoom(before, 0)
	r.handOver(before, next)
	slow.send(redisRequestOf("GET", "1"))
	r.turn()
	r.instruct(before, link.Resume, nil)
	r.instruct(next, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
	r.turn()
	r.pings(idle, before)
	fresh := r.dial("fresh")
	fresh.send(redisRequestOf("PING"))
	r.waits(fresh)
	r.replies(slow)
	r.pings(slow, before)
	r.waits(fresh)
	r.makesWay(idle, fresh)
}

// A worker that has ended gives nobody back any more.
func TestEndedPeerNeedsNoRoom(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	r.connect("c", 0, 0)
	r.leaveRoom(before, 0)
	r.handOver(before, next)
	r.instruct(before, link.Resume, nil)
	r.instruct(next, link.Quit, nil)
	r.turn()
	r.advance(2 * acceptPause)
	r.pings(r.connect("fresh", 0, 0), before)
}

// Whoever a failed attempt has left in its workers comes back also when the next attempt has begun.
func TestNextAttemptCutsNobody(t *testing.T) {
	r, before, failed := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	r.handOver(before, failed)
	c.send(redisRequestOf("GET", "1"))
	r.turn()
	r.instruct(before, link.Resume, nil)
	r.instruct(failed, link.MoveClients, link.MoveClientsBody{})
	r.turn()
	r.instruct(failed, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	next := r.joined(nil)
	next.spec.Generation = 3
	r.replies(c)
	r.pings(c, before)
	if !failed.ended {
		t.Error("the worker of the failed attempt has not ended")
	}
	r.handOver(before, next)
	r.pings(c, next)
}

// A straggler moves to the generation that has settled, also when that for which it was meant has ended.
func TestStragglerMovesOn(t *testing.T) {
	r, first, second := twoGenerations(t, nil)
	slow := r.owed("slow")
	r.handOver(first, second)
	r.advance(3 * time.Second)
	r.instruct(second, link.Settle, nil)
	third := r.succeed(nil)
	third.spec.Generation = 3
	r.instruct(first, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	r.join(second, third)
	r.handOver(second, third)
	r.instruct(third, link.Settle, nil)
	r.heard(first)
	r.heard(third)
	forFirst, forThird, err := sock.SeqpacketPair()
	r.must(err)
	r.instruct(first, link.Peer, link.PeerBody{Generation: 3}, forFirst)
	r.instruct(third, link.Peer, link.PeerBody{Generation: 1}, forThird)
	sock.Close(forFirst)
	sock.Close(forThird)
	r.instruct(second, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	if !second.ended {
		t.Fatal("the second worker has not ended")
	}
	r.replies(slow)
	r.pings(slow, third)
	if !first.ended {
		t.Error("the first worker has not ended")
	}
}

// Watching clients move with their connection, and their requests keep their order.

package core

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// A client that watches moves between any two requests, and the other worker knows what its server watches. Where keys live
// elsewhere, or the connection has ended, EXEC answers as if a key had been changed.
func TestMoveWatch(t *testing.T) {
	block := slices.Concat(multiRequest, redisRequestOf("SET", "a", "1"), execRequest)
	for _, test := range []struct {
		name   string
		before func(r *rig, next *loop)
		sent   bool
		want   string
	}{
		{"same", func(*rig, *loop) {}, true, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"},
		{"placed otherwise", func(_ *rig, next *loop) { next.pools[0].spec.HashTag = "{}" }, false, "+OK\r\n+QUEUED\r\n*-1\r\n"},
		{"ended", func(r *rig, _ *loop) { r.servers[0].conns[0].hangUp(); r.turn() }, false, "+OK\r\n+QUEUED\r\n*-1\r\n"},
	} {
		r, before, next := twoGenerations(t, nil)
		c := r.connect("c", 0, 0)
		c.send(redisRequestOf("WATCH", "a"))
		r.turn()
		own := r.servers[0].conns[0]
		if got := string(own.take()); got != string(redisRequestOf("WATCH", "a")) {
			t.Fatalf("%s: the server got %q", test.name, got)
		}
		own.send([]byte("+OK\r\n"))
		r.turn()
		c.take()
		test.before(r, next)
		r.handOver(before, next)
		if next.clients != 1 || before.memory.Held() != 0 {
			t.Fatalf("%s: %d clients have moved, %d bytes are held", test.name, next.clients, before.memory.Held())
		}
		c.send(block)
		r.turn()
		if got := string(own.take()); got != "" != test.sent || test.sent && got != string(block) {
			t.Errorf("%s: the server got %q", test.name, got)
		}
		if test.sent {
			own.send([]byte("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"))
			r.turn()
		}
		if got := string(c.take()); got != test.want {
			t.Errorf("%s: the client got %q, want %q", test.name, got, test.want)
		}
		r.tearDown()
		r.clients = nil
	}
}

// A client that watches and is in a transaction moves with both, and with as many requests as are queued, none included.
func TestMoveWatchInTransaction(t *testing.T) {
	set := redisRequestOf("SET", "a", "1")
	for queued := range 3 {
		r, before, next := twoGenerations(t, nil)
		c := r.connect("c", 0, 0)
		c.send(redisRequestOf("WATCH", "a"))
		r.turn()
		own := r.servers[0].conns[0]
		own.take()
		own.send([]byte("+OK\r\n"))
		r.turn()
		c.send(slices.Concat(multiRequest, bytes.Repeat(set, queued)))
		r.turn()
		r.handOver(before, next)
		if next.clients != 1 {
			t.Fatalf("%d queued: the client has not moved", queued)
		}
		c.send(execRequest)
		r.turn()
		block := slices.Concat(multiRequest, bytes.Repeat(set, queued), execRequest)
		if got := own.take(); !bytes.Equal(got, block) {
			t.Errorf("%d queued: the server got %q, want %q", queued, got, block)
		}
		r.tearDown()
		r.clients = nil
	}
}

// Wherever the watched keys live, in a cluster too, EXEC goes there after a move.
func TestMoveWatchToItsServer(t *testing.T) {
	for name, build := range map[string]func() *rig{
		"pool": func() *rig {
			r := newRig(t)
			r.redisPool("s1", "s2")
			r.start()
			return r
		},
		"cluster": func() *rig {
			r := clusterRig(t, "n1", "n2")
			r.nodes("n1=0-8191", "n2=8192-16383")
			return r
		},
	} {
		for _, key := range []string{"1", "2", "3", "4"} {
			r := build()
			before, next := r.workers[0], r.joined(nil)
			next.spec.Topology = link.StaticTopology(next.spec.Pools)
			for i := range before.spec.Topology.Pools {
				next.relocate(&before.spec.Topology.Pools[i])
			}
			c := r.connect("c", 0, 0)
			c.send(redisRequestOf("WATCH", key))
			r.turn()
			var own *peer
			for _, s := range r.servers {
				if len(s.conns) > 0 {
					own = s.conns[0]
				}
			}
			own.take()
			own.send([]byte("+OK\r\n"))
			r.turn()
			r.handOver(before, next)
			if next.clients != 1 {
				t.Fatalf("%s, %s: the client has not moved", name, key)
			}
			block := slices.Concat(multiRequest, redisRequestOf("SET", key, "1"), execRequest)
			c.send(block)
			r.turn()
			if got := own.take(); !bytes.Equal(got, block) {
				t.Errorf("%s, %s: the server got %q", name, key, got)
			}
			r.tearDown()
			r.clients = nil
		}
	}
}

// The reply to UNWATCH is nobody's: a client that moves meanwhile is served as before until it has come, and moves then.
func TestMoveBehindUnwatch(t *testing.T) {
	for _, owed := range []bool{false, true} { // when the move begins the client is owed another reply
		r, before, next := twoGenerations(t, nil)
		c := r.connect("c", 0, 0)
		c.send(redisRequestOf("WATCH", "a"))
		r.turn()
		own := r.servers[0].conns[0]
		own.take()
		own.send([]byte("+OK\r\n"))
		r.turn()
		c.take()
		c.send(redisRequestOf("UNWATCH"))
		if owed {
			c.send(redisRequestOf("GET", "a"))
		}
		r.turn()
		if got := string(c.take()); got != "+OK\r\n" {
			t.Fatalf("UNWATCH: the client got %q", got)
		}
		r.handOver(before, next)
		if owed {
			r.servers[0].conns[1].send([]byte("$-1\r\n"))
			r.gets(c, "$-1\r\n")
		}
		c.send(redisRequestOf("PING"))
		r.gets(c, "+PONG\r\n")
		if next.clients != 0 || len(r.heard(before)) != 0 {
			t.Errorf("owed %t: the client has moved, or is a straggler, before the server has answered", owed)
		}
		own.send([]byte("+OK\r\n"))
		r.turn()
		r.advance(time.Duration(moveTick))
		r.turn()
		if body := r.given(before); next.clients != 1 || body.Stragglers != 0 {
			t.Errorf("owed %t: %d clients have moved, %d stragglers", owed, next.clients, body.Stragglers)
		}
		r.stillServed(c)
		r.tearDown()
		r.clients = nil
	}
}

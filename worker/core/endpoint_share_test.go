// Connections that wait for their turn.

package core

import (
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// takingTurns returns two workers before a server that may owe everyone one request, and owes it the second. Each has one
// connection to the server, in that order.
func takingTurns(t *testing.T) (r *rig, clients []*peer) {
	r = newRig(t)
	r.slots = 2
	p := r.redisPool("s1")
	p.Timeout, p.AutoEjectHosts, p.ServerFailureLimit, p.ServerRetryTimeout = 400*time.Millisecond, true, 1, 100*time.Millisecond
	r.start()
	for slot, l := range r.workers {
		c := r.connect("c", 0, slot)
		c.send(redisRequestOf("GET", "a"))
		r.turn()
		r.servers[0].conns[slot].send([]byte("$-1\r\n"))
		r.turn()
		primary := l.pools[0].servers[0].primary
		primary.conns[0].gauge.shared, primary.prober.gauge.shared = 1, 1
		clients = append(clients, c)
	}
	clients[1].send(redisRequestOf("GET", "b"))
	r.turn()
	return r, clients
}

// A server that owes a connection nothing is not late over it, however long its requests wait, and is not to blame.
func TestWaitingForATurnIsNoLateness(t *testing.T) {
	r, clients := takingTurns(t)
	s := r.workers[0].pools[0].servers[0]
	c := s.primary.conns[0]
	other := r.workers[1].pools[0].servers[0].primary.conns[0]
	for range 6 { // the queue is never empty, and the other worker, which takes no turns, always is owed
		other.gauge.shared = 0
		clients[0].send(redisRequestOf("GET", "a"))
		clients[1].send(redisRequestOf("GET", "b"))
		r.turn()
		r.advance(200 * time.Millisecond)
		if c.owed > 0 {
			t.Fatal("it was the turn of the first worker: the test proves nothing")
		}
		r.servers[0].conns[1].send([]byte("$-1\r\n"))
		r.turn()
	}
	if c.opened != rigEpoch || *s.counters[link.ServerConnections] != 1 {
		t.Error("the connection has ended, over which nothing was owed")
	}
	if !s.liveness().Alive() {
		t.Error("the server is ejected, which has answered all that it got")
	}
}

// A probe asks at once, even while the server owes something to others.
func TestProbeTakesNoTurn(t *testing.T) {
	r, _ := takingTurns(t)
	r.advance(600 * time.Millisecond) // it is ejected, and probed
	probed := r.servers[0].conns[len(r.servers[0].conns)-1]
	if got := probed.take(); string(got) != string(redisRequestOf("PING")) {
		t.Errorf("the server got %q, and is %v", got, r.workers[0].pools[0].servers[0].liveness())
	}
}

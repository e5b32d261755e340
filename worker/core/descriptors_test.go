// Descriptors that servers and clients leave each other.

package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// However many clients there are, every connection to a server has its descriptor.
func TestClientsLeaveDescriptorsToServers(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1", "s2")
	p.ServerConnections, p.AutoEjectHosts = 40, true
	r.start()
	l := r.workers[0]
	limit, err := sock.MaxDescriptors()
	r.must(err)
	l.shareDescriptors(limit)
	const more = 300
	for i := range more {
		r.dial(fmt.Sprint("c", i))
	}
	feed := starve(t, more)
	r.turn()
	r.advance(10 * acceptPause)
	if l.clients == 0 || l.clients >= more-2*p.ServerConnections {
		t.Errorf("%d clients have %d descriptors", l.clients, more)
	}
	for _, s := range l.pools[0].servers {
		for i, c := range append(s.primary.conns, s.primary.prober) {
			if c.open(); c.state == connClosed {
				t.Errorf("connection %d to server %q has failed", i, s.spec.Name)
			}
		}
	}
	if l.descriptors.toServers != 82 {
		t.Errorf("%d connections to servers are open", l.descriptors.toServers)
	}
	feed()
	for _, s := range l.pools[0].servers {
		for _, c := range append(s.primary.conns, s.primary.prober) {
			c.retire()
		}
	}
	if l.descriptors.toServers != 0 {
		t.Errorf("%d connections to servers are left", l.descriptors.toServers)
	}
}

// Where descriptors are too few, each server gets as many connections as the others.
func TestFewerConnections(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1", "s2", "s3", "s4")
	p.ServerConnections, p.AutoEjectHosts = 8, true
	r.start()
	r.workers[0].shareDescriptors(64)
	for _, s := range r.workers[0].pools[0].servers {
		if len(s.primary.conns) != 4 {
			t.Errorf("%d connections to server %q, want 4", len(s.primary.conns), s.spec.Name)
		}
	}
}

// Where they are too few even for one connection to each server, servers take no more than their share, and are reached in
// turn. That one is not reached for that is no failure of its own.
func TestServersTakeTurns(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1", "s2", "s3", "s4", "s5")
	p.AutoEjectHosts, p.ServerFailureLimit = true, 1
	r.start()
	l := r.workers[0]
	limit, err := sock.MaxDescriptors()
	r.must(err)
	const share = 3
	l.spec.Listeners = make([]link.Listener, limit-link.Spared(limit)-16-2*share) // so many that nothing else is left
	l.shareDescriptors(limit)
	if got := l.forServers(limit); got != share {
		t.Fatalf("the share of servers is %d, want %d", got, share)
	}
	c := r.connect("a", 0, 0)
	keyOf := make([]string, len(p.Servers)) // by server
	for i := range 100 {
		key := fmt.Sprint(i)
		keyOf[l.pools[0].placement.one([]byte(key))] = key
	}
	for range 3 {
		for i := range keyOf {
			c.send(redisRequestOf("GET", keyOf[i]))
			r.turn()
			r.servers[i].conns[len(r.servers[i].conns)-1].send([]byte("$1\r\n1\r\n"))
			r.turn()
			if got := string(c.take()); got != "$1\r\n1\r\n" {
				t.Errorf("server %d: the client got %q", i, got)
			}
			if l.descriptors.toServers > share {
				t.Errorf("servers have %d descriptors", l.descriptors.toServers)
			}
		}
	}
	for i := range keyOf {
		c.send(redisRequestOf("GET", keyOf[i]))
	}
	r.turn()
	for i, s := range l.pools[0].servers {
		if !s.liveness().Alive() {
			t.Errorf("server %d is %v", i, s.liveness())
		}
	}
	for i := range share {
		r.servers[i].conns[len(r.servers[i].conns)-1].send([]byte("$1\r\n1\r\n"))
	}
	r.turn()
	if got := string(c.take()); strings.Count(got, "$1\r\n") != share || strings.Count(got, "-ERR ") != len(keyOf)-share {
		t.Errorf("the client got %q", got)
	}
}

// A connection for which there is no descriptor takes that of one that nobody needs at present.
func TestIdleConnectionMakesRoom(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1", "s2")
	r.start()
	servers := r.workers[0].pools[0].servers
	servers[0].primary.conns[0].open()
	feed := starve(t, 0)
	servers[1].primary.conns[0].open()
	feed()
	r.turn()
	if servers[0].primary.conns[0].state != connClosed || servers[1].primary.conns[0].state != connReady {
		t.Errorf("the connections are %v and %v", servers[0].primary.conns[0].state, servers[1].primary.conns[0].state)
	}
}

// Reads from replicas, where no transcript can tell: there is too much, replicas come and go, a client moves.

package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// replicaRig has a pool of one server, whose replicas may be read from for ten seconds.
func replicaRig(t testing.TB, from link.ReadFrom, replicas ...string) (*rig, *loop) {
	r := newRig(t)
	p := r.redisPool("s1")
	p.ReadFrom = from
	for _, name := range replicas {
		p.Servers[0].Replicas = append(p.Servers[0].Replicas, link.ReplicaAddress{Network: "unix", Address: r.addServer(name).path})
	}
	r.start()
	for i := range replicas {
		r.lease(0, i, r.servers[1+i], 10*time.Second)
	}
	return r, r.workers[0]
}

// lease has the judge let workers read from the replica of a server with that number.
func (r *rig) lease(server, number int, s *fakeServer, d time.Duration) {
	until := (r.now + int64(d)) / int64(time.Millisecond)
	r.workers[0].shared.SetReplica(0, server, number, link.NewLease(link.LeaseTag(s.path), until), link.ReplicaFit, 0)
}

// says has the last connection to a server say this.
func (r *rig) says(s *fakeServer, text string) {
	s.conns[len(s.conns)-1].send([]byte(text))
	r.turn()
}

// The primary gets no more than so many reads at a time in the place of a replica, and those for which there is no room fail.
func TestReadsInPlace(t *testing.T) {
	r, l := replicaRig(t, link.ReadFromPreferReplica, "r1")
	r.lease(0, 0, r.servers[1], 0)
	get, value := redisRequestOf("GET", "k"), "$1\r\nv\r\n"
	const each, all = 2500, 5000
	for i := range all / each {
		c := r.connect(fmt.Sprint("c", i), 0, 0)
		c.send([]byte(strings.Repeat(string(get), each)))
	}
	r.stopped = false
	r.turn()
	answered, most := 0, 0
	for {
		n := len(r.servers[0].conns[0].take()) / len(get)
		if n == 0 {
			break
		}
		most = max(most, n)
		answered += n
		r.says(r.servers[0], strings.Repeat(value, n))
	}
	failed := 0
	for _, c := range r.clients {
		failed += strings.Count(string(c.take()), "has enough reads in their place")
	}
	if most > mostInPlace || failed == 0 || answered+failed != all {
		t.Errorf("the primary is asked %d times, up to %d at once, and %d reads fail", answered, most, failed)
	}
	if got := *l.pools[0].servers[0].counters[link.ReplicaFallbacks]; got != uint64(answered) {
		t.Errorf("%d reads in the place of the replica are counted", got)
	}
}

// Replicas that are equally fast get the same.
func TestReplicasTakeTurns(t *testing.T) {
	r, _ := replicaRig(t, link.ReadFromPreferReplica, "r1", "r2", "r3")
	c := r.connect("c", 0, 0)
	ask := func() (by string) {
		c.send(redisRequestOf("GET", "k"))
		r.turn()
		for _, s := range r.servers {
			for _, conn := range s.conns {
				got := string(conn.take())
				if strings.Contains(got, "PING") {
					r.says(s, "+PONG\r\n")
					got = string(conn.take())
				}
				if strings.Contains(got, "GET") {
					r.says(s, "$-1\r\n")
					by += s.name
				}
			}
		}
		return by
	}
	got := ""
	for range 6 {
		got += ask() + " "
	}
	r.lease(0, 1, r.servers[2], 0)
	for range 4 {
		got += ask() + " "
	}
	if want := "r1 r2 r3 r1 r2 r3 r1 r3 r1 r3 "; got != want {
		t.Errorf("reads go to %s, want %s", got, want)
	}
}

// A replica becomes the primary, the primary a replica, and another one is gone: what they owe is asked again where it belongs, writes
// are not, and the ones that stay go on.
func TestReplicasMove(t *testing.T) {
	r, l := replicaRig(t, link.ReadFromPreferReplica, "r1", "r2", "r3")
	l.spec.Topology.Pools[0].Discovers = true
	c := r.connect("c", 0, 0)
	c.send([]byte(strings.Repeat(string(redisRequestOf("GET", "k")), 3)))
	r.turn()
	for _, s := range r.servers[1:] {
		r.says(s, "+PONG\r\n")
		s.conns[0].take()
	}
	other := r.connect("other", 0, 0)
	other.send(redisRequestOf("INCR", "k"))
	r.turn()
	at := func(i int, role link.Role) link.Endpoint {
		return link.Endpoint{Network: "unix", Address: r.servers[i].path, Role: role}
	}
	l.relocate(&link.PoolTopology{Pool: "alpha", Version: 2, Servers: []link.ServerTopology{{Server: "s1", Endpoints: []link.Endpoint{
		at(1, link.Primary), at(0, link.Replica), at(3, link.Replica),
	}}}})
	r.turn()
	if got := string(other.take()); !strings.Contains(got, "Server has moved") {
		t.Errorf("the client of the write gets %q", got)
	}
	if n := len(r.servers[1].conns); n != 2 || !r.servers[1].conns[0].ended || !r.servers[2].conns[0].ended || r.servers[3].conns[0].ended {
		t.Errorf("%d connections to the new primary, and the old ones are not closed as they should be", n)
	}
	if got := string(r.servers[1].conns[1].take()); strings.Count(got, "GET") != 2 {
		t.Errorf("the new primary gets %q", got)
	}
	r.says(r.servers[1], "$1\r\n1\r\n$1\r\n2\r\n")
	r.says(r.servers[3], "$1\r\n3\r\n")
	if got := string(c.take()); got != "$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n" {
		t.Errorf("the client gets %q", got)
	}
	r.lease(0, 0, r.servers[0], time.Second)
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	r.says(r.servers[0], "+PONG\r\n")
	r.says(r.servers[0], "$1\r\n4\r\n")
	if got := string(c.take()); got != "$1\r\n4\r\n" {
		t.Errorf("the former primary has %q answered", got)
	}
}

// A client that has just moved here may have written just before.
func TestReadYourWritesMove(t *testing.T) {
	r, l := replicaRig(t, link.ReadFromPreferReplica, "r1")
	l.pools[0].replicas.own, l.pools[0].spec.ReadYourWrites = int64(time.Second), time.Second
	r.connect("c", 0, 0)
	for _, entry := range l.table {
		if c, ok := entry.h.(*client); ok {
			c.mayHaveWritten()
			if !c.hasWritten() || l.pools[0].replicas.serves(c) {
				t.Error("its reads go to replicas")
			}
			r.advance(1100 * time.Millisecond)
			if c.hasWritten() {
				t.Error("its reads go to the primary for ever")
			}
		}
	}
}

// Where servers are may come to be known later: then those are read first that are near.
func TestZonesComeToBeKnown(t *testing.T) {
	r, l := replicaRig(t, link.ReadFromNearest, "r1", "r2")
	l.spec.Zone = "a"
	l.spec.Topology.Pools[0].Discovers = true
	s := l.pools[0].servers[0]
	for _, near := range []int{2, 1, 0} { // by endpoint, of which the first is the primary
		newer := l.spec.Topology.Pools[0]
		newer.Version++
		newer.Servers = slices.Clone(newer.Servers)
		newer.Servers[0].Endpoints = slices.Clone(newer.Servers[0].Endpoints)
		for i := range newer.Servers[0].Endpoints {
			newer.Servers[0].Endpoints[i].Zone = map[bool]string{true: "a", false: "b"}[i == near]
		}
		l.relocate(&newer)
		for range 3 {
			best, primary := l.pools[0].replicas.choose(s)
			if primary != (near == 0) || best != nil && best.endpoint.address != r.servers[near].path {
				t.Errorf("endpoint %d is near, and the choice falls on the primary: %v, or %+v", near, primary, best)
			}
		}
	}
}

// With nearest the primary takes turns with its replicas, where no zone is known, and so they do where one takes longer than another: all
// get the same. One that does not answer at all gets hardly anything.
func TestReadsAreSpread(t *testing.T) {
	for _, test := range []struct {
		from  link.ReadFrom
		times [3]int // that a read takes of the primary and of its replicas
		idle  int    // who does nothing; -1: nobody
	}{
		{link.ReadFromNearest, [3]int{1, 1, 1}, -1},
		{link.ReadFromNearest, [3]int{5, 3, 4}, -1},
		{link.ReadFromPreferReplica, [3]int{1, 3, 5}, -1},
		{link.ReadFromNearest, [3]int{1, 1, 1}, 1},
	} {
		r, l := replicaRig(t, test.from, "r1", "r2")
		rs, s := l.pools[0].replicas, l.pools[0].servers[0]
		all := []*endpoint{s.primary, s.replicas[0].endpoint, s.replicas[1].endpoint}
		var got [3]int
		var due [3][]int // by endpoint, when it answers what it owes
		for step, waiting := 0, 0; step < 10_000; step++ {
			for ; waiting < 40; waiting++ {
				best, primary := rs.choose(s)
				i := 0
				if !primary {
					i = 1 + slices.Index(s.replicas, best)
				}
				got[i]++
				due[i] = append(due[i], step+test.times[i])
				*all[i].counters[link.InQueue] = uint64(len(due[i]))
			}
			for i := range all {
				for i != test.idle && len(due[i]) > 0 && due[i][0] <= step {
					due[i] = due[i][1:]
					waiting--
				}
				*all[i].counters[link.InQueue] = uint64(len(due[i]))
			}
		}
		for i := range all {
			*all[i].counters[link.InQueue] = 0
		}
		users := got[:]
		if test.from == link.ReadFromPreferReplica {
			users = got[1:]
		}
		equal := (got[0] + got[1] + got[2]) / len(users)
		for i, n := range users {
			if test.idle < 0 && (n < equal*9/10 || n > equal*11/10) || i == test.idle && n > 40 {
				t.Errorf("%v: reads go to the primary and its replicas %v times", test, got)
			}
		}
		r.tearDown()
		r.clients = nil
	}
}

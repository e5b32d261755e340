// Clients that move while their requests wait for a server that is down.

package core

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// What waits travels as input, in its order, whether it was sent or not, and the next worker sends it.
func TestMoveHeld(t *testing.T) {
	r, before, next := twoWaiting(t)
	s1 := r.servers[0]
	reads, writes, several, half := r.connect("reads", 0, 0), r.connect("writes", 0, 0), r.connect("several", 0, 0), r.connect("half", 0, 0)
	reads.send(redisRequestOf("GET", "d"))
	several.send(append(redisRequestOf("GET", "d"), redisRequestOf("MGET", "d")...))
	r.turn()
	s1.conns[0].send([]byte("+PONG\r\n"))
	r.turn()
	s1.conns[0].take()
	r.lose(s1)
	writes.send(redisRequestOf("SET", "d", "1"))
	several.send(redisRequestOf("SET", "d", "2"))
	half.send(append(redisRequestOf("GET", "d"), "*2\r\n$3\r\nGET\r\n$1"...))
	r.turn()
	r.handOver(before, next)
	if got := r.given(before); got.Moved != 4 || got.Stragglers != 0 {
		t.Fatalf("given: %+v", got)
	}
	if n := *before.pools[0].servers[0].counters[link.Held]; n != 0 {
		t.Errorf("%d requests still wait in the worker before", n)
	}
	half.send([]byte("\r\nd\r\n"))
	r.must(s1.listen())
	r.advance(time.Duration(retryPause))
	if len(s1.conns) != 2 || string(s1.conns[1].take()) != "*1\r\n$4\r\nPING\r\n" {
		t.Fatalf("the server has %d connections", len(s1.conns))
	}
	s1.conns[1].send([]byte("+PONG\r\n"))
	r.turn()
	var asked []string
	for {
		lines := showBytes(s1.conns[1].take(), link.Redis, true)
		if len(lines) == 0 {
			break
		}
		for _, line := range lines { // those behind are read when the first is answered
			times := 1
			if text, number, ok := strings.Cut(line, " × "); ok {
				line, times = text, atoi(t, number)
			}
			for range times {
				asked = append(asked, line)
				s1.conns[1].send(fmt.Appendf(nil, "+%s %d\r\n", line, len(asked)))
			}
		}
		r.turn()
	}
	for c, want := range map[*peer]string{
		reads: "GET d", writes: "SET d 1", several: "GET d, MGET d, SET d 2", half: "GET d, GET d",
	} {
		var got []string
		last := 0
		for _, reply := range strings.Split(strings.TrimSuffix(string(c.take()), "\r\n"), "\r\n") {
			at := strings.LastIndexByte(reply, ' ')
			got = append(got, reply[1:at])
			if n := atoi(t, reply[at+1:]); n <= last {
				t.Errorf("%s: its %q is number %d after %d", c.name, reply, n, last)
			} else {
				last = n
			}
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%s: the server was asked %s, want %s", c.name, got, want)
		}
	}
	if len(asked) != 7 {
		t.Errorf("the server was asked %q", asked)
	}
}

// A client that also has replies which wait behind a held request cannot give that back: it moves when the wait is over.
func TestMoveHeldAmongOthers(t *testing.T) {
	r, before, next := twoWaiting(t)
	s1, s2 := r.servers[0], r.servers[1]
	c := r.connect("c", 0, 0)
	c.send(append(redisRequestOf("GET", "d"), redisRequestOf("INCR", "a")...))
	r.turn()
	s1.conns[0].send([]byte("+PONG\r\n"))
	s2.conns[0].send([]byte("+PONG\r\n"))
	r.turn()
	s2.conns[0].send([]byte(":1\r\n"))
	r.turn()
	r.lose(s1)
	r.handOver(before, next)
	if before.clients != 1 || next.clients != 0 {
		t.Fatalf("%d clients are left", before.clients)
	}
	r.must(s1.listen())
	r.advance(time.Duration(retryPause))
	s1.conns[1].send([]byte("+PONG\r\n"))
	r.turn()
	s1.conns[1].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(c.take()); got != "$1\r\n1\r\n:1\r\n" {
		t.Errorf("it got %q", got)
	}
	if before.clients != 0 || next.clients != 1 {
		t.Errorf("%d clients are left", before.clients)
	}
	r.pings(c, next)
}

// When the move is called off, what was given back is read again.
func TestMoveHeldCalledOff(t *testing.T) {
	r, before, next := twoWaiting(t)
	s1 := r.servers[0]
	s1.refuse()
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("INCR", "d"))
	r.turn()
	r.workers = r.workers[:1] // the other one does not turn
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
	r.turn()
	if n := *before.pools[0].servers[0].counters[link.Held]; n != 0 {
		t.Fatalf("%d requests wait", n)
	}
	r.instruct(before, link.Resume, nil)
	r.workers = append(r.workers, next)
	r.turn()
	r.must(s1.listen())
	r.advance(time.Duration(retryPause))
	s1.conns[0].send([]byte("+PONG\r\n"))
	r.turn()
	s1.conns[0].send([]byte(":1\r\n"))
	r.turn()
	if got := string(c.take()); got != ":1\r\n" || before.clients != 1 {
		t.Errorf("it got %q, and %d clients are here", got, before.clients)
	}
}

// twoWaiting is twoGenerations of a pool of two servers with failover_wait: a lives on the second, d on the first.
func twoWaiting(t *testing.T) (r *rig, before, next *loop) {
	r = newRig(t)
	r.redisPool("s1", "s2").FailoverWait = 10 * time.Second
	r.start()
	return r, r.workers[0], r.joined(nil)
}

// lose has a server end its connections and refuse others.
func (r *rig) lose(s *fakeServer) {
	s.hangUp()
	s.refuse()
	r.turn()
}

func atoi(t testing.TB, text string) int {
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

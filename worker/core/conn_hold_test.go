// Requests that wait for a server, where no transcript can tell: it moves, it fails in the midst of everything, there is too much.

package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// When the server has moved, what waits goes to where it is now, in its order: reads that were sent, and what was not. A write that
// was sent does not.
func TestHeldMove(t *testing.T) {
	r, l, other := discovering(t, func(p *link.Pool) { p.FailoverWait = 2 * time.Second; p.ServerConnections = 2 })
	first := r.servers[0]
	var clients []*peer
	for i := range 4 { // two over each connection
		clients = append(clients, r.connect(fmt.Sprint("c", i), 0, 0))
	}
	ask := func(words ...string) {
		for _, c := range clients {
			c.send(redisRequestOf(append(words, c.name)...))
		}
		r.turn()
	}
	ask("INCR")
	for _, c := range first.conns {
		c.send([]byte("+PONG\r\n"))
	}
	r.turn()
	for _, c := range first.conns {
		c.send([]byte(":1\r\n:1\r\n"))
	}
	r.turn()
	ask("GET")
	ask("APPEND", "k")
	r.lose(first)
	ask("SET", "k")
	r.movesTo(l, 2, other)
	for _, c := range other.conns {
		c.take()
		c.send([]byte("+PONG\r\n"))
	}
	r.turn()
	got := ""
	for _, c := range other.conns {
		got += strings.Join(showBytes(c.take(), link.Redis, true), ", ") + "\n"
		c.send([]byte("+1\r\n+1\r\n"))
	}
	if want := "GET c0, GET c2\nGET c1, GET c3\n"; got != want {
		t.Errorf("the new server gets %q, want %q", got, want)
	}
	r.turn()
	for _, c := range other.conns {
		if got := showBytes(c.take(), link.Redis, true); len(got) != 2 || !strings.HasPrefix(got[0], "SET k c") {
			t.Errorf("then it gets %q", got)
		}
		c.send([]byte("+2\r\n+2\r\n"))
	}
	r.turn()
	for _, c := range clients {
		if got, want := string(c.take()), ":1\r\n+1\r\n-ERR Connection reset by peer; the outcome is unknown\r\n+2\r\n"; got != want {
			t.Errorf("%s gets %q, want %q", c.name, got, want)
		}
	}
	checkIdle(t, l)
}

// What the former address still owes, and is connected with, is lost in the same way.
func TestHeldMoveFromLiving(t *testing.T) {
	r, l, other := discovering(t, func(p *link.Pool) { p.FailoverWait = 2 * time.Second })
	first := r.servers[0]
	a, b := r.connect("a", 0, 0), r.connect("b", 0, 0)
	a.send(redisRequestOf("GET", "k"))
	b.send(redisRequestOf("INCR", "k"))
	r.turn()
	first.conns[0].send([]byte("+PONG\r\n"))
	r.turn()
	r.movesTo(l, 2, other)
	if !first.conns[0].ended {
		t.Error("the connection to the old address stays")
	}
	if got := string(b.take()); got != "-ERR Server has moved; the outcome is unknown\r\n" {
		t.Errorf("the write gets %q", got)
	}
	other.conns[0].send([]byte("+PONG\r\n"))
	r.turn()
	other.conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(a.take()); got != "$1\r\n1\r\n" {
		t.Errorf("the read gets %q", got)
	}
	checkIdle(t, l)
}

// What the former address has refused goes to the new one, too.
func TestHeldMoveRefused(t *testing.T) {
	r, l, other := discovering(t, func(p *link.Pool) { p.FailoverWait = 2 * time.Second })
	first := r.servers[0]
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("INCR", "k"))
	r.turn()
	first.conns[0].send([]byte("+PONG\r\n"))
	r.turn()
	first.conns[0].send([]byte("-READONLY You can't write against a read only replica.\r\n"))
	r.turn()
	r.movesTo(l, 2, other)
	other.conns[0].send([]byte("+PONG\r\n"))
	r.turn()
	other.conns[0].send([]byte(":1\r\n"))
	r.turn()
	if got := string(c.take()); got != ":1\r\n" {
		t.Errorf("it gets %q", got)
	}
	checkIdle(t, l)
}

// Where the new address is refused, too, requests wait on. When the pool's time is over they fail.
func TestHeldMoveInVain(t *testing.T) {
	r, l, other := discovering(t, func(p *link.Pool) { p.FailoverWait = 2 * time.Second })
	other.refuse()
	r.servers[0].refuse()
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("INCR", "k"))
	r.turn()
	r.advance(time.Second)
	r.movesTo(l, 2, other)
	r.advance(time.Second - time.Millisecond)
	if got := c.take(); len(got) > 0 {
		t.Fatalf("it gets %q before its time", got)
	}
	r.advance(time.Millisecond)
	if got := string(c.take()); got != "-ERR Connection refused; not executed\r\n" {
		t.Errorf("it gets %q", got)
	}
	checkIdle(t, l)
}

// Beyond a bound requests do not wait.
func TestHeldBound(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").FailoverWait = time.Second
	r.start()
	r.servers[0].refuse()
	value := strings.Repeat("x", 7<<20)
	var clients []*peer
	for i := range 10 {
		c := r.connect(fmt.Sprint("c", i), 0, 0)
		c.send(redisRequestOf("SET", "k", value))
		clients = append(clients, c)
		r.turn()
	}
	refused := 0
	for _, c := range clients {
		if got := string(c.take()); got == "-ERR Connection refused; not executed\r\n" {
			refused++
		} else if got != "" {
			t.Errorf("%s gets %q", c.name, got)
		}
	}
	if held := *r.workers[0].pools[0].servers[0].counters[link.HeldBytes]; refused != 1 || held > mostHeldBytes {
		t.Errorf("%d are refused, %d bytes wait", refused, held)
	}
	r.advance(time.Second)
	checkIdle(t, r.workers[0])
}

// checkIdle checks that nothing waits for any server, and nothing is kept for it.
func checkIdle(t *testing.T, l *loop) {
	t.Helper()
	for e := range l.endpoints {
		for _, k := range []int{link.Held, link.HeldBytes, link.InQueue, link.OutQueue} {
			if n := *e.counters[k]; n != 0 {
				t.Errorf("server %q: %s is %d", e.server.spec.Name, link.ServerCounters[k].Name, int64(n))
			}
		}
		for c := range e.everyConn {
			if c.hold.cost() != 0 || c.head != nil {
				t.Errorf("a connection keeps %d bytes of requests", c.hold.cost())
			}
		}
	}
}

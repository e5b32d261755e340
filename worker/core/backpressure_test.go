// Who is closed when memory is short, and who is not.

package core

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// heap is so much of a value that its connection is among the largest.
const heap = 150_000

// begin has a client send the beginning of a request that takes much more.
func begin(c *peer, size int) {
	c.send([]byte(fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n%s", 2*heap, strings.Repeat("x", size))))
}

// shortOfMemory returns a worker with clients c0 to c3 that have begun one after the other, a server connection that
// has, between c1 and c2, and before all of them a client that holds little.
func shortOfMemory(t *testing.T) (r *rig, l *loop, clients []*peer, modest *peer) {
	r = newRig(t)
	r.redisPool("s1").Preconnect = true
	r.start()
	l = r.workers[0]
	modest = r.connect("modest", 0, 0)
	begin(modest, 1000)
	asks := r.connect("asks", 0, 0)
	asks.send(redisRequestOf("GET", "a"))
	r.advance(time.Millisecond)
	for i := range 4 {
		if i == 2 {
			r.servers[0].conns[0].send([]byte(fmt.Sprintf("$%d\r\n%s", 2*heap, strings.Repeat("x", heap))))
			r.advance(time.Millisecond)
		}
		clients = append(clients, r.connect(fmt.Sprint("c", i), 0, 0))
		begin(clients[i], heap)
		r.advance(time.Millisecond)
	}
	return r, l, clients, modest
}

// told tells whether a client has been closed for its memory.
func told(c *peer) bool { return c.ended && strings.Contains(string(c.got), "memory_limit") }

// states shows who is closed: c0 to c3, and the server connection if it has given up its reply.
func states(l *loop, clients []*peer) (s string) {
	for _, c := range clients {
		if told(c) {
			s += c.name + " "
		}
	}
	if l.pools[0].servers[0].primary.conns[0].discards {
		s += "server"
	}
	return strings.TrimSpace(s)
}

// Among those that hold about as much the one that began first goes first, be it a client or a server, and nobody more
// than must.
func TestLongestWithoutProgressGoesFirst(t *testing.T) {
	r, l, clients, modest := shortOfMemory(t)
	for _, want := range []string{"c0", "c0 c1", "c0 c1 server", "c0 c1 c2 server", "c0 c1 c2 c3 server"} {
		l.closeLargest(l.memory.Held()) // until there is less
		r.turn()
		if got := states(l, clients); got != want {
			t.Fatalf("closed are %q, want %q", got, want)
		}
	}
	if modest.ended {
		t.Error("one that holds little is closed while others held more")
	}
}

func TestEnoughIsEnough(t *testing.T) {
	r, l, clients, _ := shortOfMemory(t)
	l.closeLargest(l.memory.Held() + 1)
	r.turn()
	if got := states(l, clients); got != "" {
		t.Errorf("closed are %q although less than enough is held", got)
	}
	l.closeLargest(l.memory.Held() * 3 / 4) // of five that hold the same
	r.turn()
	if got := states(l, clients); got != "c0 c1" {
		t.Errorf("closed are %q, want c0 and c1", got)
	}
}

// Who is on the list and gets done before his turn comes begins anew.
func TestProgressSaves(t *testing.T) {
	r, l, clients, _ := shortOfMemory(t)
	l.closeLargest(l.memory.Held())
	r.turn()
	clients[1].send([]byte(strings.Repeat("x", heap) + "\r\n"))
	r.turn()
	begin(clients[1], heap)
	r.advance(time.Millisecond)
	for _, want := range []string{"c0 server", "c0 c2 server", "c0 c2 c3 server"} {
		l.closeLargest(l.memory.Held())
		r.turn()
		if got := states(l, clients); got != want {
			t.Fatalf("closed are %q, want %q", got, want)
		}
	}
	if clients[1].ended {
		t.Error("one that was done and began anew is closed before the others")
	}
	l.closeLargest(l.memory.Held())
	r.turn()
	if !clients[1].ended { // and not told: a reply is owed before
		t.Error("one that began anew is not closed at all")
	}
}

// A crowd waits for more than there is. Whoever comes then with as much is served, and no more of the crowd are closed
// than makes room.
func TestNewcomerIsSpared(t *testing.T) {
	const many = 12
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	var crowd []*peer
	for i := range many {
		crowd = append(crowd, r.connect(fmt.Sprint("crowd", i), 0, 0))
		begin(crowd[i], heap)
		r.advance(time.Millisecond)
	}
	each := l.memory.Held() / many
	l.spec.MemoryLimit = l.memory.Held() + each/2 // not reached, but near
	r.turn()
	newcomer := r.connect("newcomer", 0, 0)
	begin(newcomer, heap)
	r.advance(10 * time.Second)
	closed := 0
	for i, c := range crowd {
		if told(c) {
			closed++
		} else if i < closed {
			t.Errorf("%s is still there, %d of those that came later are not", c.name, closed)
		}
	}
	if closed == 0 || closed == many || newcomer.ended || l.relief.scarce {
		t.Fatalf("%d of %d are closed, the newcomer is: %v; memory is scarce: %v", closed, many, newcomer.ended, l.relief.scarce)
	}
	if l.memory.Held()+each < l.spec.MemoryLimit/2 {
		t.Errorf("%d bytes are held of %d: more were closed than had to", l.memory.Held(), l.spec.MemoryLimit)
	}
	newcomer.send([]byte(strings.Repeat("x", heap) + "\r\n"))
	r.turn()
	r.servers[0].conns[0].send([]byte("+OK\r\n"))
	r.advance(10 * time.Second)
	if got := string(newcomer.take()); got != "+OK\r\n" {
		t.Errorf("the newcomer got %q", got)
	}
	for i, c := range crowd[closed:] {
		if c.ended {
			t.Errorf("crowd%d is closed although there is room", closed+i)
		}
	}
}

// A crowd of whom each holds little goes before the one who holds more than any of them, if together they hold more.
func TestCrowdGoesBeforeOneLarge(t *testing.T) {
	for many, crowdGoes := range map[int]bool{3: false, 12: true} {
		r := newRig(t)
		r.redisPool("s1")
		r.start()
		l := r.workers[0]
		large := r.connect("large", 0, 0)
		large.send(redisRequestOf("SET", "a", strings.Repeat("x", 12*heap))[:8*heap])
		r.advance(time.Millisecond)
		var crowd []*peer
		for i := range many {
			crowd = append(crowd, r.connect(fmt.Sprint("crowd", i), 0, 0))
			begin(crowd[i], heap-i%2*heap/5) // one side and the other of a power of two
			r.advance(time.Millisecond)
		}
		l.closeLargest(l.memory.Held())
		r.turn()
		if told(large) == crowdGoes || told(crowd[0]) != crowdGoes || told(crowd[1]) {
			t.Errorf("with a crowd of %d the large one is closed: %v, the first of the crowd: %v, the second: %v", many, told(large),
				told(crowd[0]), told(crowd[1]))
		}
		l.relief.candidates = nil
	}
}

// Who takes no replies goes before who holds more of something else, and who takes them does not.
func TestDeafGoFirst(t *testing.T) {
	for _, deaf := range []bool{true, false} {
		r := newRig(t)
		r.redisPool("s1")
		r.limit = 7 << 20
		r.start()
		reader, uploader := r.connect("reader", 0, 0), r.connect("uploader", 0, 0)
		reader.deaf = true
		reader.send(redisRequestOf("GET", "a"))
		r.turn()
		r.servers[0].conns[0].send([]byte(fmt.Sprintf("$3000000\r\n%s\r\n", strings.Repeat("x", 3_000_000))))
		r.turn()
		uploader.send(redisRequestOf("SET", "a", strings.Repeat("x", 5<<20))[:1<<20])
		r.advance(time.Second)
		reader.deaf = deaf
		uploader.send([]byte(strings.Repeat("x", 3<<20)))
		r.advance(5 * time.Second)
		served := map[uint64]bool{}
		for _, c := range clientsOf(r.workers[0]) {
			served[c.id] = c.life == clientOpen
		}
		if served[1] == deaf || !served[2] {
			t.Errorf("the reader is deaf: %v, and served: %v; the uploader is served: %v", deaf, served[1], served[2])
		}
	}
}

// A client that has just come has had no time to take a reply: nobody calls it deaf.
func TestFreshClientIsNotDeaf(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	r.connect("c", 0, 0)
	r.turn()
	fresh := clientsOf(before)[0].notReadingFor()
	r.handOver(before, next)
	if moved := clientsOf(next)[0].notReadingFor(); fresh > lagMoment || moved > lagMoment {
		t.Errorf("it is deaf for %v when it has connected, and %v when it has moved", time.Duration(fresh), time.Duration(moved))
	}
}

// Every idle client has one, and the allocator has no size between this and one that is too much.
func TestSizeOfClient(t *testing.T) {
	if size := unsafe.Sizeof(client{}); size > 192 {
		t.Errorf("a client takes %d bytes, should take 192 at most", size)
	}
}

// Clients on the way from one worker to another: in every situation, with the other side dead at every step, and back.

package worker

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

func TestMoveIdle(t *testing.T) {
	r, before, next := succession(t, nil)
	var clients []*peer
	for i := range 3 {
		clients = append(clients, r.connect(fmt.Sprint("c", i), 0, 0))
	}
	r.handOver(before, next)
	got := r.given(before)
	if got.Moved != 3 || got.Stragglers != 0 || got.Closed != 0 || got.Reason != "" {
		t.Errorf("given: %+v", got)
	}
	if before.clients != 0 || next.clients != 3 {
		t.Errorf("%d clients before, %d now", before.clients, next.clients)
	}
	for _, c := range clients {
		r.pings(c, next)
	}
	r.pings(r.connect("new", 0, 0), next)
	for _, l := range []*loop{before, next} {
		n := 0
		if l == next {
			n = 4
		}
		if got := l.pools[0].counters[link.ClientConnections]; got != uint64(n) {
			t.Errorf("generation %d counts %d clients, want %d", l.spec.Generation, got, n)
		}
	}
	if got := before.pools[0].counters[link.ClientEOF] + before.pools[0].counters[link.ClientErr]; got != 0 {
		t.Errorf("%d clients are said to have gone", got)
	}
	if got := next.counters[link.TotalConnections]; got != 3 { // a listener, the new client, a connection of INFO's? none
		if got != 2 {
			t.Errorf("next counts %d connections in all, want its listener and the new client", got)
		}
	}
	r.instruct(next, link.Settle, nil)
	r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	if !before.ended {
		t.Error("the worker before has not ended")
	}
	if messages := r.heard(before); len(messages) != 1 || messages[0].Kind != link.Drained {
		t.Errorf("its last words are %v", messages)
	}
	if len(next.peers) != 0 {
		t.Error("the next worker still has its peer")
	}
	if messages := r.heard(next); len(messages) != 0 {
		t.Errorf("the next worker says %v", messages)
	}
	r.pings(clients[0], next)
}

// A request whose second half comes after the move.
func TestMoveHalfRequest(t *testing.T) {
	request := redisRequestOf("GET", strings.Repeat("k", 300))
	for _, n := range []int{1, 4, 20, 100, len(request) - 1} {
		r, before, next := succession(t, nil)
		c := r.connect("c", 0, 0)
		c.send(request[:n])
		r.turn()
		r.handOver(before, next)
		if next.clients != 1 {
			t.Fatalf("cut at %d it does not move", n)
		}
		c.send(request[n:])
		r.turn()
		server := r.servers[0].conns[0]
		if got := server.take(); !bytes.Equal(got, request) {
			t.Errorf("cut at %d: the server got %q", n, got)
		}
		server.send([]byte("$1\r\n1\r\n"))
		r.turn()
		if got := string(c.take()); got != "$1\r\n1\r\n" {
			t.Errorf("cut at %d: the client got %q", n, got)
		}
		r.tearDown()
		r.clients = nil
	}
}

// A long value of which most has come.
func TestMoveHalfValue(t *testing.T) {
	r, before, next := succession(t, nil)
	request := redisRequestOf("SET", "k", strings.Repeat("v", 500_000))
	c := r.connect("c", 0, 0)
	c.send(request[:400_000])
	r.turn()
	r.handOver(before, next)
	c.send(request[400_000:])
	r.turn()
	if got := r.servers[0].conns[0].take(); !bytes.Equal(got, request) || next.clients != 1 {
		t.Errorf("the server got %d of %d bytes", len(got), len(request))
	}
	if before.memory.held != 0 {
		t.Errorf("the worker before holds %d bytes", before.memory.held)
	}
}

// What is asked and not answered is awaited, what comes meanwhile is asked later.
func TestMovePipelined(t *testing.T) {
	r, before, next := succession(t, nil)
	c, idle := r.connect("c", 0, 0), r.connect("idle", 0, 0)
	for i := range 3 {
		c.send(redisRequestOf("GET", fmt.Sprint(i)))
	}
	r.turn()
	old := r.servers[0].conns[0]
	r.handOver(before, next)
	r.pings(idle, next)
	if messages := r.heard(before); len(messages) != 0 {
		t.Errorf("before the replies have come it says %v", messages)
	}
	c.send(redisRequestOf("GET", "3"))
	r.turn()
	old.send([]byte("$1\r\n0\r\n$1\r\n1\r\n"))
	r.turn()
	if before.clients != 1 {
		t.Error("it has moved with a reply outstanding")
	}
	old.send([]byte("$1\r\n2\r\n"))
	r.turn()
	if before.clients != 0 || next.clients != 2 {
		t.Fatalf("%d clients before, %d now", before.clients, next.clients)
	}
	if got := r.given(before); got.Moved != 2 || got.Stragglers != 0 {
		t.Errorf("given: %+v", got)
	}
	if got := string(old.take()); strings.Contains(got, "\r\n3\r\n") {
		t.Error("the fourth request went to the server before the move")
	}
	r.servers[0].conns[1].send([]byte("$1\r\n3\r\n"))
	r.turn()
	if got := string(c.take()); got != "$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n" {
		t.Errorf("the client got %q", got)
	}
}

// A client whose replies do not come is a straggler, and moves when they do.
func TestMoveStraggler(t *testing.T) {
	r, before, next := succession(t, nil)
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "1"))
	r.turn()
	r.handOver(before, next)
	r.advance(1900 * time.Millisecond)
	if messages := r.heard(before); len(messages) != 0 {
		t.Errorf("before its patience is over it says %v", messages)
	}
	r.advance(200 * time.Millisecond)
	if got := r.given(before); got.Moved != 0 || got.Stragglers != 1 || got.Reason != "" {
		t.Errorf("given: %+v", got)
	}
	r.instruct(next, link.Settle, nil)
	r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if !before.ended || next.clients != 1 {
		t.Errorf("ended is %v, %d clients moved", before.ended, next.clients)
	}
	if got := string(c.take()); got != "$1\r\n1\r\n" {
		t.Errorf("the client got %q", got)
	}
	r.pings(c, next)
}

// At the deadline of Finish the worker ends, with whoever is left.
func TestFinishDeadline(t *testing.T) {
	r, before, next := succession(t, nil)
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "1"))
	r.turn()
	r.handOver(before, next)
	r.instruct(before, link.Finish, link.FinishBody{Deadline: 5 * time.Second})
	r.turn()
	r.advance(5*time.Second - 1)
	if before.ended {
		t.Fatal("it has ended early")
	}
	r.advance(1)
	if !before.ended || !c.ended {
		t.Errorf("ended is %v, the client's connection %v", before.ended, c.ended)
	}
}

// Megabytes that the client has not taken move with it.
func TestMoveUnsent(t *testing.T) {
	r, before, next := succession(t, nil)
	c := r.connect("c", 0, 0)
	c.deaf = true
	const count, size = 8, 900_000
	var want bytes.Buffer
	for i := range count {
		c.send(redisRequestOf("GET", fmt.Sprint(i)))
		fmt.Fprintf(&want, "$%d\r\n%s\r\n", size, strings.Repeat(fmt.Sprint(i), size))
	}
	r.turn()
	r.servers[0].conns[0].send(want.Bytes())
	r.turn()
	r.handOver(before, next)
	got := r.given(before)
	if next.clients != 1 || got.Bytes < 5<<20 {
		t.Fatalf("%d clients moved, given: %+v", next.clients, got)
	}
	if before.memory.held != 0 {
		t.Errorf("the worker before holds %d bytes", before.memory.held)
	}
	c.send(redisRequestOf("PING"))
	c.deaf = false
	r.turn()
	want.WriteString("+PONG\r\n")
	if got := c.take(); !bytes.Equal(got, want.Bytes()) {
		t.Errorf("the client got %d bytes, want %d", len(got), want.Len())
	}
	if next.memory.held != 0 {
		t.Errorf("the next worker holds %d bytes", next.memory.held)
	}
}

// Who has given the password need not do so again, and who has not must.
func TestMoveIdentity(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").Password = "secret"
	r.start()
	before, next := r.workers[0], r.joined(nil)
	known, unknown := r.connect("known", 0, 0), r.connect("unknown", 0, 0)
	for _, words := range [][]string{
		{"AUTH", "secret"}, {"CLIENT", "SETNAME", "cron"}, {"CLIENT", "SETINFO", "LIB-NAME", "lib"},
		{"CLIENT", "SETINFO", "LIB-VER", "9"}, {"CLIENT", "ID"},
	} {
		known.send(redisRequestOf(words...))
	}
	r.turn()
	told := string(known.take())
	id := told[strings.LastIndex(told, ":"):]
	r.advance(3 * time.Second)
	r.handOver(before, next)
	known.send(redisRequestOf("CLIENT", "GETNAME"))
	known.send(redisRequestOf("CLIENT", "ID"))
	known.send(redisRequestOf("CLIENT", "INFO"))
	unknown.send(redisRequestOf("GET", "k"))
	r.turn()
	got := string(known.take())
	if !strings.HasPrefix(got, "$4\r\ncron\r\n"+id) || !strings.Contains(got, "lib-name=lib lib-ver=9") {
		t.Errorf("known got %q, its number was %q", got, id)
	}
	if got := string(unknown.take()); !strings.HasPrefix(got, "-NOAUTH") {
		t.Errorf("unknown got %q", got)
	}
	fresh := r.connect("fresh", 0, 0)
	fresh.send(redisRequestOf("AUTH", "secret"))
	fresh.send(redisRequestOf("CLIENT", "ID"))
	r.turn()
	if got := string(fresh.take()); got != fmt.Sprintf("+OK\r\n:%d\r\n", 1<<32+1) {
		t.Errorf("a new client is number %q", got)
	}
}

// The time that a client has been idle counts on.
func TestMoveIdleTime(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").ClientIdleTimeout = 10 * time.Second
	r.start()
	before, next := r.workers[0], r.joined(nil)
	c := r.connect("c", 0, 0)
	r.advance(7 * time.Second)
	r.handOver(before, next)
	if next.clients != 1 || c.ended {
		t.Fatal("it has not moved")
	}
	r.advance(2 * time.Second)
	if c.ended {
		t.Error("it was closed early")
	}
	r.advance(3 * time.Second)
	if !c.ended {
		t.Error("it is idle for 12 seconds and not closed")
	}
}

func TestMoveMemcache(t *testing.T) {
	r := newRig(t)
	r.memcachePool("s1").MaxRequestBytes = 1000
	r.start()
	before, next := r.workers[0], r.joined(nil)
	stream, skipping := r.connect("stream", 0, 0), r.connect("skipping", 0, 0)
	const sets = 20
	for i := range sets {
		stream.send(fmt.Appendf(nil, "set k 0 0 2 noreply\r\n%02d\r\n", i))
	}
	stream.send([]byte("get k\r\nse"))
	skipping.send([]byte("set k 0 0 50000\r\n" + strings.Repeat("x", 20000)))
	r.turn()
	if got := string(skipping.take()); !strings.HasPrefix(got, "SERVER_ERROR") {
		t.Fatalf("skipping got %q", got)
	}
	r.handOver(before, next)
	if next.clients != 1 {
		t.Fatalf("%d clients moved before the stream is answered", next.clients)
	}
	old := r.servers[0].conns[0]
	old.send([]byte(strings.Repeat("STORED\r\n", sets) + "VALUE k 0 2\r\n19\r\nEND\r\n"))
	r.turn()
	stream.send([]byte("t k 0 0 1\r\n1\r\n"))
	skipping.send([]byte(strings.Repeat("x", 30000) + "\r\nget k\r\n"))
	r.turn()
	if next.clients != 2 {
		t.Fatalf("%d clients moved", next.clients)
	}
	fresh := r.servers[0].conns[1]
	if got := string(fresh.take()); got != "set k 0 0 1\r\n1\r\nget k\r\n" && got != "get k\r\nset k 0 0 1\r\n1\r\n" {
		t.Errorf("the server gets %q after the move", got)
	}
	if got := string(stream.take()); got != "VALUE k 0 2\r\n19\r\nEND\r\n" {
		t.Errorf("stream got %q", got)
	}
}

// A client that reads nothing of what it asked, and asks on, moves with all that it has sent.
func TestMoveBacklog(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").ClientOutstanding = 2
	r.start()
	before, next := r.workers[0], r.joined(nil)
	c := r.connect("c", 0, 0)
	for i := range 5 {
		c.send(redisRequestOf("GET", fmt.Sprint(i)))
	}
	r.turn()
	r.handOver(before, next)
	r.servers[0].conns[0].send([]byte("$1\r\n0\r\n$1\r\n1\r\n"))
	r.turn()
	if next.clients != 1 {
		t.Fatal("it has not moved")
	}
	for i := 2; i < 5; i++ {
		r.servers[0].conns[1].send(fmt.Appendf(nil, "$1\r\n%d\r\n", i))
		r.turn()
	}
	if got := string(c.take()); got != "$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n" {
		t.Errorf("the client got %q", got)
	}
}

// More than a batch, over more than one peer, with all of them busy.
func TestMoveMany(t *testing.T) {
	r, before, first := succession(t, nil)
	second := r.succeed(nil)
	second.spec.Slot = 1
	r.join(before, second)
	r.unchecked = true
	var clients []*peer
	for i := range 1500 {
		clients = append(clients, r.dial(fmt.Sprint("c", i)))
		if i%100 == 99 {
			r.turn()
		}
	}
	for _, c := range clients {
		c.send(redisRequestOf("GET", "k"))
	}
	r.turn()
	r.unchecked = false
	r.instruct(second, link.Serve, nil)
	r.handOver(before, first)
	if before.giving.owed > maxFrozenOwed {
		t.Errorf("%d clients are frozen that are owed replies", before.giving.owed)
	}
	r.servers[0].conns[0].send([]byte(strings.Repeat("$1\r\n1\r\n", 1500)))
	r.turn()
	if got := r.given(before); got.Moved != 1500 || before.clients != 0 {
		t.Errorf("given: %+v; %d clients are left", got, before.clients)
	}
	if first.clients < 400 || second.clients < 400 {
		t.Errorf("the first worker has %d clients, the second %d", first.clients, second.clients)
	}
	for _, c := range clients {
		if got := string(c.take()); got != "$1\r\n1\r\n" {
			t.Fatalf("%s got %q", c.name, got)
		}
	}
	r.stillServed(clients[0])
	r.stillServed(clients[1499])
}

// Who is owed replies for long does not keep others frozen, or unmoved.
func TestManySlowClients(t *testing.T) {
	r, before, next := succession(t, nil)
	r.unchecked = true
	var slow []*peer
	for i := range 2*maxFrozenOwed + 50 {
		c := r.dial(fmt.Sprint("slow", i))
		c.send(redisRequestOf("GET", "k"))
		slow = append(slow, c)
		if i%100 == 99 {
			r.turn()
		}
	}
	quick := r.connect("quick", 0, 0)
	r.turn()
	r.handOver(before, next)
	r.pings(quick, next)
	if got := before.giving.owed; got != maxFrozenOwed {
		t.Errorf("%d are frozen at once", got)
	}
	for range 4 {
		r.advance(100 * time.Millisecond)
	}
	if got := before.giving.owed; got != len(slow) {
		t.Errorf("%d are frozen after a while, of %d", got, len(slow))
	}
	r.advance(2 * time.Second)
	if got := r.given(before); got.Moved != 1 || got.Stragglers != len(slow) {
		t.Errorf("given: %+v", got)
	}
	r.servers[0].conns[0].send([]byte(strings.Repeat("$1\r\n1\r\n", len(slow))))
	r.turn()
	if next.clients != len(slow)+1 {
		t.Errorf("%d clients have moved", next.clients)
	}
}

// The other configuration has another protocol there, or no such address: the client stays until that configuration is
// settled, and is closed when it is idle.
func TestConfigurationHasNoPlace(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.redisPool("s2").Name = "beta"
	r.start()
	before, next := r.workers[0], r.joined(func(pools []link.Pool) { pools[1].Protocol = link.Memcache })
	stays, idle, half := r.connect("stays", 0, 0), r.connect("idle", 1, 0), r.connect("half", 1, 0)
	half.send([]byte("*1\r\n$4\r\nPI"))
	r.turn()
	r.handOver(before, next)
	if got := r.given(before); got.Moved != 1 || got.Closed != 2 || got.Stragglers != 0 {
		t.Errorf("given: %+v", got)
	}
	r.pings(stays, next)
	r.pings(idle, before)
	r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	if !idle.ended || half.ended {
		t.Errorf("idle is closed: %v; half a request: %v", idle.ended, half.ended)
	}
	half.send([]byte("NG\r\n"))
	r.turn()
	if got := string(half.take()); got != "+PONG\r\n" || !half.ended || !before.ended {
		t.Errorf("half got %q, closed is %v; the worker has ended: %v", got, half.ended, before.ended)
	}
}

// The worker has not come far when it is told to go back.
func TestResume(t *testing.T) {
	r, before, next := succession(t, nil)
	moved, slow := r.connect("moved", 0, 0), r.connect("slow", 0, 0)
	slow.send(redisRequestOf("GET", "1"))
	r.turn()
	r.handOver(before, next)
	fresh := r.connect("fresh", 0, 0)
	r.pings(fresh, next)
	r.instruct(before, link.Resume, nil)
	r.turn()
	r.instruct(next, link.Give, link.GiveBody{Patience: time.Second})
	r.turn()
	if got := r.given(next); got.Moved != 2 || next.clients != 0 {
		t.Errorf("given back: %+v", got)
	}
	for _, c := range []*peer{moved, fresh, r.connect("later", 0, 0)} {
		r.pings(c, before)
	}
	slow.send(redisRequestOf("GET", "2"))
	r.turn()
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n$1\r\n2\r\n"))
	r.turn()
	if got := string(slow.take()); got != "$1\r\n1\r\n$1\r\n2\r\n" {
		t.Errorf("slow got %q", got)
	}
	r.instruct(next, link.Finish, link.FinishBody{Deadline: time.Second})
	r.turn()
	if !next.ended {
		t.Error("the next worker has not ended")
	}
	// and once more, with another one
	again := r.joined(nil)
	r.heard(before)
	r.handOver(before, again)
	if got := r.given(before); got.Moved != 4 || again.clients != 4 {
		t.Errorf("given: %+v", got)
	}
	r.pings(moved, again)
}

// The next master dies: its worker gives everything back by itself and ends.
func TestMasterOfNextDies(t *testing.T) {
	r, before, next := succession(t, nil)
	idle, slow := r.connect("idle", 0, 0), r.connect("slow", 0, 0)
	r.handOver(before, next)
	slow.send(redisRequestOf("GET", "1"))
	fresh := r.connect("fresh", 0, 0)
	r.pings(fresh, next)
	r.masters[1].hangUp()
	r.turn()
	if before.clients != 2 || next.clients != 1 || next.ended {
		t.Fatalf("%d clients are back, %d are not, ended is %v", before.clients, next.clients, next.ended)
	}
	if next.accepting {
		t.Error("it still accepts")
	}
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if !next.ended {
		t.Fatal("it has not ended")
	}
	if got := string(slow.take()); got != "$1\r\n1\r\n" {
		t.Errorf("slow got %q", got)
	}
	r.instruct(before, link.Resume, nil)
	r.turn()
	for _, c := range []*peer{idle, slow, fresh, r.connect("later", 0, 0)} {
		r.pings(c, before)
	}
}

// Before it serves, a worker without a master has no reason to be.
func TestMasterOfNextDiesEarly(t *testing.T) {
	for _, joined := range []bool{false, true} {
		r := newRig(t)
		r.redisPool("s1")
		r.start()
		next := r.succeed(nil)
		if joined {
			r.join(r.workers[0], next)
		}
		r.masters[1].hangUp()
		r.turn()
		if !next.ended {
			t.Errorf("joined %v: it has not ended", joined)
		}
		r.pings(r.connect("c", 0, 0), r.workers[0])
		r.tearDown()
		r.clients = nil
	}
}

// After Settle there is no way back: the next worker serves on without a master.
func TestMasterOfNextDiesLate(t *testing.T) {
	r, before, next := succession(t, nil)
	c := r.connect("c", 0, 0)
	r.handOver(before, next)
	r.instruct(next, link.Settle, nil)
	r.turn()
	r.masters[1].hangUp()
	r.turn()
	r.pings(c, next)
	r.pings(r.connect("fresh", 0, 0), next)
	if next.ended || before.clients != 0 {
		t.Errorf("ended is %v, %d clients are back", next.ended, before.clients)
	}
}

// Both masters die, or the one that is both: the worker before goes on giving and takes nothing back, so the next one
// keeps what it has, and both serve.
func TestAllMastersDie(t *testing.T) {
	r, before, next := succession(t, nil)
	moved, slow := r.connect("moved", 0, 0), r.connect("slow", 0, 0)
	slow.send(redisRequestOf("GET", "1"))
	r.turn()
	r.handOver(before, next)
	r.masters[0].hangUp()
	r.masters[1].hangUp()
	r.turn()
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(slow.take()); got != "$1\r\n1\r\n" {
		t.Errorf("slow got %q", got)
	}
	for _, c := range []*peer{moved, slow, r.connect("fresh", 0, 0)} {
		r.stillServed(c)
	}
	if got := before.clients + next.clients; got != 3 {
		t.Errorf("%d clients are served", got)
	}
}

// The master of the worker before dies: its clients move all the same, and it ends.
func TestMasterOfBeforeDies(t *testing.T) {
	r, before, next := succession(t, nil)
	moved, slow := r.connect("moved", 0, 0), r.connect("slow", 0, 0)
	slow.send(redisRequestOf("GET", "1"))
	r.turn()
	r.handOver(before, next)
	r.masters[0].hangUp()
	r.turn()
	if before.ended {
		t.Fatal("it has ended with a client that is owed a reply")
	}
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(slow.take()); got != "$1\r\n1\r\n" || !before.ended {
		t.Errorf("slow got %q, ended is %v", got, before.ended)
	}
	r.pings(moved, next)
	r.pings(slow, next)
}

// The next worker is dead at every step of the way. Only what it has been given is lost.
func TestTakerDies(t *testing.T) {
	const committed = 3 // steps: it offers, the other one answers, it commits
	for steps := range 14 {
		r, before, _ := succession(t, nil)
		var clients []*peer
		for i := range 5 {
			clients = append(clients, r.connect(fmt.Sprint("c", i), 0, 0))
		}
		half := r.connect("half", 0, 0)
		half.send([]byte("*1\r\n$4\r\nPI"))
		r.turn()
		r.instruct(before, link.Give, link.GiveBody{Patience: time.Second})
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
		r, before, next := succession(t, nil)
		var clients []*peer
		for i := range 5 {
			clients = append(clients, r.connect(fmt.Sprint("c", i), 0, 0))
		}
		r.instruct(before, link.Give, link.GiveBody{Patience: time.Second})
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
		if steps >= 2 && next.clients != 5 { // the first step is to read Give and to offer
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
		r, before, next := succession(t, nil)
		var clients []*peer
		for i := range 5 {
			c := r.connect(fmt.Sprint("c", i), 0, 0)
			c.send([]byte("*1\r\n$4\r\nPI"))
			clients = append(clients, c)
		}
		r.turn()
		r.instruct(next, link.Serve, nil)
		r.instruct(before, link.Give, link.GiveBody{Patience: time.Second})
		for i := range steps {
			r.step(r.workers[i%2])
		}
		r.instruct(before, link.Resume, nil)
		r.instruct(next, link.Give, link.GiveBody{Patience: time.Second})
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
	r, before, next := succession(t, nil)
	c := r.connect("c", 0, 0)
	r.instruct(before, link.Give, link.GiveBody{Patience: time.Second})
	r.workers = r.workers[:1] // the other one does not turn
	r.turn()
	if before.clients != 1 || before.peers[0].link.Giving() != 1 {
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
	if before.clients != 1 || next.clients != 0 || len(before.peers)+len(next.peers) != 0 {
		t.Errorf("when it wakes up %d clients are there and %d here, with %d and %d peers",
			next.clients, before.clients, len(next.peers), len(before.peers))
	}
	r.pings(c, before)
}

// The next worker may open few more descriptors: batches get smaller until they fit.
func TestTakerHasFewDescriptors(t *testing.T) {
	r, before, next := succession(t, nil)
	var clients []*peer
	for i := range 20 {
		clients = append(clients, r.connect(fmt.Sprint("c", i), 0, 0))
	}
	starve(t, 8) // of the process, which is both
	r.handOver(before, next)
	if before.clients != 20 {
		t.Error("20 descriptors have come although 8 are free")
	}
	r.advance(time.Second)
	if got := r.given(before); got.Moved != 20 {
		t.Errorf("given: %+v", got)
	}
	r.pings(clients[0], next)
}

// It may open none: everybody stays, and moves as soon as that changes.
func TestTakerHasNoDescriptors(t *testing.T) {
	r, before, next := succession(t, nil)
	var clients []*peer
	for i := range 5 {
		clients = append(clients, r.connect(fmt.Sprint("c", i), 0, 0))
	}
	feed := starve(t, 2) // the state can be written and arrives, and nothing else
	r.handOver(before, next)
	r.advance(time.Second)
	if got := r.given(before); got.Moved != 0 || got.Stragglers != 5 || !strings.Contains(got.Reason, "descriptors") {
		t.Errorf("given: %+v", got)
	}
	for _, c := range clients {
		r.pings(c, before)
	}
	r.advance(10 * time.Second)
	if messages := r.heard(before); len(messages) != 0 {
		t.Errorf("while nothing changes it says %v", messages)
	}
	feed()
	r.advance(2 * time.Second)
	if before.clients != 0 || next.clients != 5 {
		t.Errorf("with descriptors %d clients have moved and %d have not", next.clients, before.clients)
	}
}

// The next worker is near its limit of memory: what would go beyond it stays.
func TestTakerHasNoMemory(t *testing.T) {
	r, before, next := succession(t, nil)
	next.spec.MemoryLimit = 1 << 20
	small, large := r.connect("small", 0, 0), r.connect("large", 0, 0)
	large.send([]byte("*2\r\n$4\r\nECHO\r\n$2000000\r\n" + strings.Repeat("x", 1_000_000)))
	r.turn()
	r.handOver(before, next)
	r.advance(5 * time.Second)
	if got := r.given(before); got.Moved != 1 || got.Stragglers != 1 || !strings.Contains(got.Reason, "memory") {
		t.Errorf("given: %+v", got)
	}
	r.pings(small, next)
	next.spec.MemoryLimit = 0
	r.advance(2 * time.Second)
	large.send([]byte(strings.Repeat("x", 1_000_000) + "\r\n"))
	r.turn()
	if got := large.take(); len(got) < 2_000_000 || next.clients != 2 {
		t.Errorf("it got %d bytes, %d clients have moved", len(got), next.clients)
	}
}

// Who hangs up while it is frozen is served to its end where it is.
func TestHangUpWhileFrozen(t *testing.T) {
	r, before, next := succession(t, nil)
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "1"))
	r.turn()
	r.handOver(before, next)
	r.must(c.halfClose())
	r.turn()
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(c.take()); got != "$1\r\n1\r\n" || !c.ended || before.clients != 0 || next.clients != 0 {
		t.Errorf("it got %q, closed is %v, %d and %d clients", got, c.ended, before.clients, next.clients)
	}
}

// A frozen client that is closed for another reason leaves nothing behind.
func TestServerDiesWhileFrozen(t *testing.T) {
	r, before, next := succession(t, nil)
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "1"))
	r.turn()
	r.handOver(before, next)
	r.servers[0].conns[0].hangUp()
	r.turn()
	if got := string(c.take()); !strings.HasPrefix(got, "-ERR") || next.clients != 1 {
		t.Errorf("it got %q, %d clients have moved", got, next.clients)
	}
	r.pings(c, next)
}

// Messages that do not make sense here cost nothing but a log line, and no descriptor.
func TestStrayControlMessages(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	fd, err := sock.Eventfd()
	r.must(err)
	for _, kind := range []link.Kind{link.Verbosity, link.Settle, 99, link.Resume} {
		r.instruct(l, kind, nil, fd, fd)
	}
	r.instruct(l, link.Peer, link.PeerBody{})
	r.instruct(l, link.Peer, link.PeerBody{}, fd, fd)
	r.instruct(l, link.Listen, link.ListenBody{Listener: link.Listener{Pool: 7}}, fd)
	r.instruct(l, link.Listen, link.ListenBody{}, fd, fd)
	for range 3 {
		r.instruct(l, 99, nil, fd, fd, fd, fd, fd, fd)
	}
	r.turn()
	sock.Close(fd)
	if messages := r.heard(l); len(messages) != 0 || len(l.peers) != 0 || len(l.listeners) != 1 {
		t.Errorf("it says %v, has %d peers and %d listeners", messages, len(l.peers), len(l.listeners))
	}
	r.pings(r.connect("c", 0, 0), l)
}

// One more listener, while the worker serves and while it does not yet.
func TestListen(t *testing.T) {
	r, before, next := succession(t, nil)
	path := r.front(0, 9)
	fd, err := sock.ListenUnix(path, 0, 16)
	r.must(err)
	body := link.ListenBody{Listener: link.Listener{Network: "unix", Address: path, Shared: true}}
	r.instruct(next, link.Listen, body, fd)
	c := r.connect("c", 0, 9)
	if next.clients != 0 {
		t.Fatal("it accepts before it is told to")
	}
	r.instruct(before, link.Listen, body, fd)
	sock.Close(fd)
	r.turn()
	r.pings(c, before)
	r.handOver(before, next)
	r.pings(c, next)
	r.pings(r.connect("d", 0, 9), next)
}

// Nobody is left to give to, and then somebody is.
func TestGiveWithoutPeers(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	before := r.workers[0]
	c := r.connect("c", 0, 0)
	r.instruct(before, link.Give, link.GiveBody{Patience: time.Second})
	r.turn()
	r.advance(5 * time.Second)
	r.pings(c, before)
	if messages := r.heard(before); len(messages) != 0 {
		t.Errorf("it says %v", messages)
	}
	next := r.joined(nil)
	if got := r.given(before); got.Moved != 1 {
		t.Errorf("given: %+v", got)
	}
	r.pings(c, next)
}

// A worker that has nobody and knows nobody has given all it has.
func TestGiveNobody(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	r.instruct(r.workers[0], link.Give, link.GiveBody{})
	r.turn()
	if got := r.given(r.workers[0]); got != (link.GivenBody{}) {
		t.Errorf("given: %+v", got)
	}
	r.instruct(r.workers[0], link.Finish, nil)
	r.turn()
	if !r.workers[0].ended {
		t.Error("it has not ended")
	}
}

// Drain in the middle of everything: what is not committed is served to its end here.
func TestDrainWhileGiving(t *testing.T) {
	for steps := range 10 {
		r, before, next := succession(t, nil)
		c, half := r.connect("c", 0, 0), r.connect("half", 0, 0)
		half.send([]byte("*1\r\n$4\r\nPI"))
		r.turn()
		r.instruct(before, link.Give, link.GiveBody{Patience: time.Second})
		for i := range steps {
			r.step(r.workers[i%2])
		}
		r.must(sock.SendFDs(r.masters[0].fd, link.AppendMessage(nil, link.Message{Kind: link.Drain, Body: link.DrainBody(0)}), nil))
		r.turn()
		half.send([]byte("NG\r\n"))
		r.turn()
		if got := string(half.take()); got != "+PONG\r\n" || !before.ended {
			t.Errorf("after %d steps half got %q, ended is %v", steps, got, before.ended)
		}
		if next.clients == 0 && !(c.ended && half.ended) {
			t.Errorf("after %d steps the clients are neither there nor closed", steps)
		}
		r.tearDown()
		r.clients = nil
	}
}

// What the socket to the peer has no room for goes out later, in order.
func TestPeerSocketIsFull(t *testing.T) {
	r, before, next := succession(t, nil)
	c := r.connect("c", 0, 0)
	p := before.peers[0]
	abort := handoff.AppendMessage(nil, handoff.Message{Kind: handoff.Abort, Version: 1, Batch: 1 << 30})
	filled := 0
	for ; sock.SendFDs(p.fd, abort, nil) == nil; filled++ {
	}
	r.instruct(before, link.Give, link.GiveBody{Patience: time.Second})
	for range 3 {
		r.step(before)
	}
	if len(p.unsent) != 1 || filled == 0 {
		t.Fatalf("%d messages wait behind %d", len(p.unsent), filled)
	}
	r.turn()
	if len(p.unsent) != 0 || next.clients != 1 {
		t.Errorf("%d messages still wait, %d clients have moved", len(p.unsent), next.clients)
	}
	r.pings(c, next)
}

// The same, and the worker thinks better of it: the OFFER never goes out, and nothing of it is left.
func TestPeerSocketIsFullAndResume(t *testing.T) {
	r, before, next := succession(t, nil)
	c := r.connect("c", 0, 0)
	p := before.peers[0]
	abort := handoff.AppendMessage(nil, handoff.Message{Kind: handoff.Abort, Version: 1, Batch: 1 << 30})
	for sock.SendFDs(p.fd, abort, nil) == nil {
	}
	r.instruct(before, link.Give, link.GiveBody{Patience: time.Second})
	for range 3 {
		r.step(before)
	}
	r.instruct(before, link.Resume, nil)
	r.turn()
	if before.clients != 1 || next.clients != 0 || len(p.unsent) != 0 {
		t.Errorf("%d clients here, %d there, %d messages wait", before.clients, next.clients, len(p.unsent))
	}
	r.pings(c, before)
}

// Garbage from the other side ends the use of that side, and everyone is served.
func TestGarbageFromPeer(t *testing.T) {
	r, before, next := succession(t, nil)
	c := r.connect("c", 0, 0)
	_, err := sock.Send(next.peers[0].fd, []byte("garbage"))
	r.must(err)
	r.instruct(before, link.Give, link.GiveBody{Patience: time.Second})
	r.turn()
	if before.clients != 1 || len(before.peers) != 0 || len(next.peers) != 0 {
		t.Errorf("%d clients here, %d and %d peers", before.clients, len(before.peers), len(next.peers))
	}
	r.pings(c, before)
}

// What travels over TCP keeps working as TCP does, and no process that is started inherits it.
func TestMoveTCP(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	before := r.workers[0]
	fd, err := sock.ListenTCP(netip.MustParseAddrPort("127.0.0.1:0"), 16, false)
	r.must(err)
	address := sock.LocalAddress(fd)
	r.must(before.listen(fd, link.Listener{Network: "tcp", Address: address}))
	next := r.joined(nil)
	user, err := net.Dial("tcp", address)
	r.must(err)
	defer user.Close()
	r.until(func() bool { return before.clients == 1 })
	r.handOver(before, next)
	if next.clients != 1 {
		t.Fatal("it has not moved")
	}
	var c *client
	for _, entry := range next.table {
		if moved, ok := entry.h.(*client); ok {
			c = moved
		}
	}
	status, err := unix.FcntlInt(uintptr(c.fd), unix.F_GETFL, 0)
	r.must(err)
	flags, err := unix.FcntlInt(uintptr(c.fd), unix.F_GETFD, 0)
	r.must(err)
	if status&unix.O_NONBLOCK == 0 || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("its flags are %#x and %#x", status, flags)
	}
	if c.peer() != user.LocalAddr().String() {
		t.Errorf("it comes from %s, not %s", c.peer(), user.LocalAddr())
	}
	_, err = user.Write(redisRequestOf("PING"))
	r.must(err)
	events, err := next.poller.Wait(10 * time.Second)
	r.must(err)
	r.must(next.turn(events))
	answer := make([]byte, 7)
	user.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(user, answer); err != nil || string(answer) != "+PONG\r\n" {
		t.Errorf("it got %q, %v", answer, err)
	}
	user.Close()
	for next.clients > 0 {
		events, err := next.poller.Wait(10 * time.Second)
		r.must(err)
		r.must(next.turn(events))
	}
}

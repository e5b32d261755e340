// Clients on the way from one worker to another, in every situation.

package core

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

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

func TestMoveIdle(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
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
		if got := *l.pools[0].counters[link.ClientConnections]; got != uint64(n) {
			t.Errorf("generation %d counts %d clients, want %d", l.spec.Generation, got, n)
		}
	}
	given, _ := before.shared.Balance(0)
	if taken, known := next.shared.Balance(0); given != -3 || taken != 3 || !known {
		t.Errorf("%d clients are taken and %d given, want 3", taken, -given)
	}
	if got := *before.pools[0].counters[link.ClientEOF] + *before.pools[0].counters[link.ClientErr]; got != 0 {
		t.Errorf("%d clients are said to have gone", got)
	}
	if got := *next.counters[link.TotalConnections]; got != 2 {
		t.Errorf("next counts %d connections in all, want its listener and the new client", got)
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
	if len(next.mover.peers) != 0 {
		t.Error("the next worker still has its peer")
	}
	if messages := r.heard(next); len(messages) != 0 {
		t.Errorf("the next worker says %v", messages)
	}
	r.pings(clients[0], next)
}

// The worker before ends before the next one hears that the handoff is settled: as it was to, so that this is no news.
func TestMoveEndsEarly(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	r.handOver(before, next)
	r.given(before)
	r.logged(next)
	r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	if !before.ended {
		t.Fatal("the worker before has not ended")
	}
	if said := r.logged(next); len(said) > 0 {
		t.Errorf("the next worker logs %q", said)
	}
	r.instruct(next, link.Settle, nil)
	r.pings(c, next)
}

// A request whose second half comes after the move.
func TestMoveHalfRequest(t *testing.T) {
	request := redisRequestOf("GET", strings.Repeat("k", 300))
	for _, n := range []int{1, 4, 20, 100, len(request) - 1} {
		r, before, next := twoGenerations(t, nil)
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
	r, before, next := twoGenerations(t, nil)
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
	if before.memory.Held() != 0 {
		t.Errorf("the worker before holds %d bytes", before.memory.Held())
	}
}

// What is asked and not answered is awaited, what comes meanwhile is asked later.
func TestMovePipelined(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
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
	r, before, next := twoGenerations(t, nil)
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

// A client that does not read, and whose long reply is being merged as it reads, moves with all of that.
func TestMoveWhileMerging(t *testing.T) {
	const values = 40_000
	r := newRig(t)
	r.redisPool("s1").MGetErrors = link.MGetErrorsPerKey // hence merged, though of one server
	r.start()
	before, next := r.workers[0], r.joined(nil)
	c := r.connect("c", 0, 0)
	c.deaf = true
	ask, reply := []string{"MGET"}, resp.AppendArray(nil, values)
	for i := range values {
		ask = append(ask, fmt.Sprint(i))
		reply = resp.AppendBulkString(reply, fmt.Sprintf("%0100d", i))
	}
	c.send(redisRequestOf(ask...))
	r.turn()
	r.servers[0].conns[0].send(reply)
	r.turn()
	if !clientsOf(before)[0].isMerging() {
		t.Fatal("all of the reply waits to be written already")
	}
	r.handOver(before, next)
	r.advance(time.Second)
	if got := r.given(before); got.Moved != 1 || next.clients != 1 {
		t.Errorf("given: %+v", got)
	}
	c.deaf = false
	r.turn()
	if got := c.take(); !bytes.Equal(got, reply) {
		t.Errorf("the client got %d bytes, want %d", len(got), len(reply))
	}
	r.pings(c, next)
}

// At the deadline of Finish the worker ends, with whoever is left.
func TestFinishDeadline(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
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
	r, before, next := twoGenerations(t, nil)
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
	if before.memory.Held() != 0 {
		t.Errorf("the worker before holds %d bytes", before.memory.Held())
	}
	if moved := clientsOf(next)[0]; moved.took != next.ticks() {
		t.Error("the next worker takes it for one that has not read for long")
	}
	c.send(redisRequestOf("PING"))
	c.deaf = false
	r.turn()
	want.WriteString("+PONG\r\n")
	if got := c.take(); !bytes.Equal(got, want.Bytes()) {
		t.Errorf("the client got %d bytes, want %d", len(got), want.Len())
	}
	if next.memory.Held() != clientBytes { // which is the client itself
		t.Errorf("the next worker holds %d bytes", next.memory.Held())
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

// A client of the binary protocol moves in the middle of a request, and its protocol with it.
func TestMoveBinary(t *testing.T) {
	r := newRig(t)
	r.memcachePool("s1")
	r.start()
	before, next := r.workers[0], r.joined(nil)
	get := "\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00k"
	half, idle := r.connect("half", 0, 0), r.connect("idle", 0, 0)
	half.send([]byte(get + get[:10]))
	idle.send([]byte(get))
	r.turn()
	r.servers[0].conns[0].send([]byte("EN\r\nEN\r\n"))
	r.turn()
	half.take()
	idle.take()
	r.handOver(before, next)
	r.turn()
	if next.clients != 2 {
		t.Fatalf("%d clients moved", next.clients)
	}
	half.send([]byte(get[10:]))
	idle.send([]byte("get k\r\n")) // which is no request of this protocol
	r.turn()
	r.servers[0].conns[1].send([]byte("VA 1 f2 c3\r\nx\r\n"))
	r.turn()
	want := "\x81\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x05\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x02x"
	if got := string(half.take()); got != want {
		t.Errorf("half got %q", got)
	}
	if got := string(idle.take()); got != "" || !idle.ended {
		t.Errorf("idle got %q, ended: %v", got, idle.ended)
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
	r, before, first := twoGenerations(t, nil)
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
	if before.mover.outgoing.frozenOwed > maxFrozenOwed {
		t.Errorf("%d clients are frozen that are owed replies", before.mover.outgoing.frozenOwed)
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
	r, before, next := twoGenerations(t, nil)
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
	if got := before.mover.outgoing.frozenOwed; got != maxFrozenOwed {
		t.Errorf("%d are frozen at once", got)
	}
	for range 4 {
		r.advance(100 * time.Millisecond)
	}
	if got := before.mover.outgoing.frozenOwed; got != len(slow) {
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
	status, err := unix.FcntlInt(uintptr(c.stream.FD()), unix.F_GETFL, 0)
	r.must(err)
	flags, err := unix.FcntlInt(uintptr(c.stream.FD()), unix.F_GETFD, 0)
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
	next.turn(events)
	answer := make([]byte, 7)
	user.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(user, answer); err != nil || string(answer) != "+PONG\r\n" {
		t.Errorf("it got %q, %v", answer, err)
	}
	user.Close()
	for next.clients > 0 {
		events, err := next.poller.Wait(10 * time.Second)
		r.must(err)
		next.turn(events)
	}
}

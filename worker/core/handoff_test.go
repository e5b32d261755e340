// Moves that go wrong: nobody has a place, the other side is dead or hangs at any step, masters die, and everything goes
// back.

package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// The other configuration has another protocol there, or no such address: the client stays until that configuration is
// settled, and is closed when it has its replies.
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
	if !idle.ended || !half.ended {
		t.Errorf("idle is closed: %v; half a request: %v", idle.ended, half.ended)
	}
	half.send([]byte("NG\r\n"))
	r.turn()
	if got := string(half.take()); got != "" {
		t.Errorf("half got %q", got)
	}
	idle.hangUp()
	half.send(redisRequestOf("PING")) // too late, but no reason to reset the connection
	r.turn()
	if before.ended {
		t.Error("the worker has ended before half has seen the end")
	}
	half.hangUp()
	r.turn()
	if !before.ended {
		t.Error("the worker has not ended")
	}
}

// The other generation's build cannot read what the client is: it stays, idle or not, until the old worker has to end.
// That holds at an address that goes, too, such as one with TLS in a downgrade to a build that knows none.
func TestUnreadableStays(t *testing.T) {
	for _, goes := range []bool{false, true} {
		t.Run(fmt.Sprintf("the address goes: %t", goes), func(t *testing.T) { testUnreadableStays(t, goes) })
	}
}

func testUnreadableStays(t *testing.T, goes bool) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	for c := range before.everyClient {
		c.moving.verdict, c.from.removed = moveUnreadable, goes // as PREPARED of such a build says
	}
	r.handOver(before, next)
	if got := r.given(before); got.Stragglers != 1 || got.Reason != "the other generation cannot read their state" {
		t.Errorf("given: %+v", got)
	}
	r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	r.pings(c, before)
	r.advance(59 * time.Second)
	r.pings(c, before)
	r.advance(time.Second)
	if !before.ended {
		t.Error("the worker has not ended")
	}
}

// The worker has not come far when it is told to go back.
func TestResume(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	moved, slow := r.connect("moved", 0, 0), r.connect("slow", 0, 0)
	slow.send(redisRequestOf("GET", "1"))
	r.turn()
	r.handOver(before, next)
	fresh := r.connect("fresh", 0, 0)
	r.pings(fresh, next)
	r.instruct(before, link.Resume, nil)
	r.turn()
	r.instruct(next, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
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
	r, before, next := twoGenerations(t, nil)
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
	r.advance(time.Duration(backwardDoubt))
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
	r, before, next := twoGenerations(t, nil)
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

// Both masters die, or the one that is both: whoever has a client in the end, it is served.
func TestAllMastersDie(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
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
	r, before, next := twoGenerations(t, nil)
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
	if got := string(slow.take()); got != "$1\r\n1\r\n" {
		t.Errorf("slow got %q", got)
	}
	r.pings(moved, next)
	r.pings(slow, next)
	if r.advance(time.Duration(forwardDoubt)); !before.ended {
		t.Error("it has not ended")
	}
}

// The next worker may open few more descriptors: batches get smaller until they fit.
func TestTakerHasFewDescriptors(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
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
	r, before, next := twoGenerations(t, nil)
	var clients []*peer
	for i := range 5 {
		clients = append(clients, r.connect(fmt.Sprint("c", i), 0, 0))
	}
	feed := starve(t, 1) // the state can be written and arrives, and nothing else
	r.handOver(before, next)
	r.advance(time.Second)
	if got := r.given(before); got.Moved != 0 || got.Stragglers != 5 || !got.Starved || !strings.Contains(got.Reason, "descriptors") {
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
	r, before, next := twoGenerations(t, nil)
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
	r, before, next := twoGenerations(t, nil)
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
	r, before, next := twoGenerations(t, nil)
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
func TestStrayMasterMessages(t *testing.T) {
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
	messages := r.heard(l)
	for _, m := range messages {
		var body link.PeerFailedBody
		if r.must(link.ParseBody(m, &body)); m.Kind != link.PeerFailed || !body.Unjoined || body.Reason == "" {
			t.Errorf("it says %v", m)
		}
	}
	if len(messages) != 2 || len(l.mover.peers) != 0 || len(l.listeners) != 1 {
		t.Errorf("it says %v, has %d peers and %d listeners", messages, len(l.mover.peers), len(l.listeners))
	}
	r.pings(r.connect("c", 0, 0), l)
}

// One more listener, while the worker serves and while it does not yet.
func TestListen(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
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
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
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
	r.instruct(r.workers[0], link.MoveClients, link.MoveClientsBody{})
	r.turn()
	if got := r.given(r.workers[0]); got != (link.ClientsMovedBody{}) {
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
		r, before, next := twoGenerations(t, nil)
		c, half := r.connect("c", 0, 0), r.connect("half", 0, 0)
		half.send([]byte("*1\r\n$4\r\nPI"))
		r.turn()
		r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
		for i := range steps {
			r.step(r.workers[i%2])
		}
		r.must(sock.SendFDs(r.masters[0].fd, link.AppendMessage(nil, link.Message{Kind: link.Drain, Body: link.DrainBody(0)}), nil))
		r.turn()
		r.advance(2 * time.Second) // in which c could have asked something
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
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	p := before.mover.peers[0]
	abort := handoff.AppendMessage(nil, handoff.Message{Kind: handoff.Abort, Version: 1, Batch: 1 << 30})
	filled := 0
	for ; sock.SendFDs(p.fd, abort, nil) == nil; filled++ {
	}
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
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
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	p := before.mover.peers[0]
	abort := handoff.AppendMessage(nil, handoff.Message{Kind: handoff.Abort, Version: 1, Batch: 1 << 30})
	for sock.SendFDs(p.fd, abort, nil) == nil {
	}
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
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

// A connection that fails before clients are to move is told of when they are: until then the master does nothing about it.
func TestPeerFailsEarly(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	_, err := sock.Send(next.mover.peers[0].fd, []byte("garbage"))
	r.must(err)
	r.turn()
	told := func(l *loop) (n int) {
		for _, m := range r.heard(l) {
			if m.Kind == link.PeerFailed {
				n++
			}
		}
		return n
	}
	if n := told(before); n != 0 {
		t.Errorf("the master is told %d times before", n)
	}
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
	r.turn()
	if n := told(before); n != 1 {
		t.Errorf("the master is told %d times", n)
	}
	r.instruct(before, link.Resume, nil)
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
	r.turn()
	if n := told(before); n != 0 {
		t.Errorf("the master is told again, %d times", n)
	}
	r.pings(c, before)
}

// Garbage from the other side ends the use of that side, and everyone is served.
func TestGarbageFromPeer(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	_, err := sock.Send(next.mover.peers[0].fd, []byte("garbage"))
	r.must(err)
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
	r.turn()
	if before.clients != 1 || len(before.mover.peers) != 0 || len(next.mover.peers) != 0 {
		t.Errorf("%d clients here, %d and %d peers", before.clients, len(before.mover.peers), len(next.mover.peers))
	}
	r.pings(c, before)
}

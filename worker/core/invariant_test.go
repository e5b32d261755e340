// What holds in every worker: after each turn, and when nobody is connected any more.

package core

import (
	"slices"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// checkInvariants compares the figures that a worker keeps with what they count.
func checkInvariants(t testing.TB, l *loop) {
	t.Helper()
	clients, shaking := 0, 0
	for _, entry := range l.table {
		switch h := entry.h.(type) {
		case *client:
			clients++
			checkClient(t, h)
			if h.stream.Shakes() {
				shaking++
			}
		case inFlightClient:
			clients++
			checkClient(t, h.c)
		}
	}
	checkGiving(t, l)
	if shaking != l.handshakes.begun {
		t.Fatalf("the worker counts %d handshakes and has %d", l.handshakes.begun, shaking)
	}
	if clients != l.clients {
		t.Fatalf("the worker counts %d clients and has %d", l.clients, clients)
	}
	checkTrackers(t, l)
	unsent := map[*client]int{}
	for _, p := range l.pools {
		checkGates(t, p)
		for _, s := range p.servers {
			if len(s.primary.conns) == 0 { // a place without a node
				continue
			}
			checkServer(t, s)
			conns := connsOf(s)
			for _, r := range s.replicas {
				if p.cluster != nil { // those of its place
					continue
				}
				all := slices.Collect(r.endpoint.everyConn)
				checkQueues(t, s, all, &r.endpoint.counters)
				conns = append(conns, all...)
			}
			for _, c := range conns {
				for r := c.head; r != nil; r = r.behind {
					if r.state&isUnsent != 0 {
						unsent[r.owner()] += int(r.bytes)
					}
				}
			}
		}
	}
	for _, entry := range l.table {
		if c, ok := entry.h.(*client); ok && int(c.unsent) != unsent[c] {
			t.Fatalf("client %d counts %d bytes that wait to be sent and has %d", c.id, c.unsent, unsent[c])
		}
	}
	for _, p := range l.pools {
		for server, fragment := range p.fanouts.of {
			if fragment != -1 {
				t.Fatalf("between requests server %d-1 of pool %q has fragment %d", server, p.name, fragment)
			}
		}
	}
	for i, timer := range l.timers {
		if !timer.Armed() || timer.Due() < l.timers[max(i-1, 0)/2].Due() {
			t.Fatalf("timer %d of the heap is armed: %v, for %d", i, timer.Armed(), timer.Due())
		}
	}
}

func checkClient(t testing.TB, c *client) {
	t.Helper()
	owed, size, held := 0, 0, 0
	shelves := map[*memory.Buffer]int32{}
	for r := c.head; r != nil; r = r.next {
		owed++
		size += int(r.bytes)
		if r.state&inClient == 0 || r.next == nil && c.tail != r {
			t.Fatalf("client %d: its out queue is broken at request %d", c.id, owed)
		}
		if b := r.reply.b; b != nil {
			if shelves[b] == 0 {
				held += b.Cost()
			}
			if r.reply.to > 0 {
				shelves[b]++
			}
		}
		if r.fanout != nil {
			if r.fanout.own > 0 {
				inBuffers, _ := r.fanout.protocol.cost()
				held += r.fanout.own + r.fanout.owners.Cost() + inBuffers + len(r.fanout.parts)*requestBytes
			}
			for _, part := range r.fanout.parts {
				if part == okPart {
					continue
				}
				held += part.Cost()
			}
		}
		if done := r.state&isDone != 0; done != (r.client == nil) {
			t.Fatalf("client %d: request %d of its out queue: done is %v, waited for is %v", c.id, owed, done, !done)
		}
	}
	for b, users := range shelves {
		if users != b.Users {
			t.Fatalf("client %d: %d replies stand on a shelf that counts %d", c.id, users, b.Users)
		}
	}
	if owed != int(c.owed) || size != int(c.owedSize) {
		t.Fatalf("client %d counts %d requests of %d bytes and has %d of %d", c.id, c.owed, c.owedSize, owed, size)
	}
	if held != c.held {
		t.Fatalf("client %d counts %d bytes of replies that wait and has %d", c.id, c.held, held)
	}
	if c.head != nil && c.head.state&isDone != 0 && c.head.fanout == nil {
		t.Fatalf("client %d: the head of its out queue is done and still there", c.id)
	}
	checkOutput(t, &c.stream.Out)
	if len(c.stream.Kept()) == 0 && !c.stream.IsTLS() && c.stream.Cost() > c.stream.Out.Cost() {
		t.Fatalf("client %d keeps an empty buffer", c.id)
	}
}

// checkGiving compares the lists of clients that are to move with the clients.
func checkGiving(t testing.TB, l *loop) {
	t.Helper()
	g := &l.mover.outgoing
	owed, waiting := 0, 0
	for _, entry := range l.table {
		c, ok := entry.h.(*client)
		if !ok {
			continue
		}
		switch c.moving.stage {
		case movePacked:
			waiting++
		case moveFrozen:
			owed++
		}
	}
	if owed != g.frozenOwed || waiting != len(g.packed) || g.frozenSlow < 0 || g.frozenSlow > g.frozenOwed || !g.on && owed+waiting > 0 {
		t.Fatalf("%d clients are frozen and %d packed; counted are %d, of them %d slow, and %d; giving is %v",
			owed, waiting, g.frozenOwed, g.frozenSlow, len(g.packed), g.on)
	}
	for _, p := range l.mover.peers {
		if len(p.sent) != p.link.Outgoing() || len(p.prepared) != p.link.Incoming() {
			t.Fatalf("%d batches given and %d taken, the link counts %d and %d", len(p.sent), len(p.prepared), p.link.Outgoing(), p.link.Incoming())
		}
	}
}

// checkServer compares the gauges of a server with its connections' queues.
func checkServer(t testing.TB, s *server) {
	t.Helper()
	checkDedicated(t, s)
	checkQueues(t, s, connsOf(s), &s.counters)
	checkLatencies(t, s)
}

// checkQueues compares the gauges for some connections to a server with their queues.
func checkQueues(t testing.TB, s *server, conns []*conn, counters *link.ServerWords) {
	t.Helper()
	var count, size [2]int // of requests: that wait to be written, that are written
	open := 0
	for _, c := range conns {
		if c.state >= connHandshaking {
			open++
		}
		checkBegun(t, c)
		where, unwritten := 1, -c.lead
		for r := c.head; r != nil; r = r.behind {
			if r == c.unsent {
				where = 0
			}
			if where == 0 {
				unwritten += int(r.bytes)
			}
			if r.state&isParked == 0 {
				count[where]++
				size[where] += int(r.bytes)
			}
			if r.state&inConn == 0 || r.behind == nil && c.tail != r {
				t.Fatalf("server %q: its in queue is broken", s.spec.Name)
			}
		}
		if unwritten != c.stream.Out.Len() {
			t.Fatalf("server %q: %d bytes are to be written, %d of them queued", s.spec.Name, unwritten, c.stream.Out.Len())
		}
		checkOutput(t, &c.stream.Out)
	}
	for _, gauge := range []struct{ counter, want int }{
		{link.InQueue, count[0]}, {link.InQueueBytes, size[0]}, {link.OutQueue, count[1]}, {link.OutQueueBytes, size[1]},
		{link.ServerConnections, open},
	} {
		if got := *counters[gauge.counter]; got != uint64(gauge.want) {
			name := link.ServerCounters[gauge.counter].Name
			t.Fatalf("server %q: %s is %d, want %d", s.spec.Name, name, int64(got), gauge.want)
		}
	}
}

// connsOf returns all connections to a server.
func connsOf(s *server) []*conn {
	return slices.Concat(slices.Collect(s.primary.everyConn), s.primary.dedicated.all, []*conn{s.primary.prober}, s.leaving, dedicatedToFormer(s))
}

// dedicatedToFormer returns the connections of clients that wait where the server was by another worker's configuration.
func dedicatedToFormer(s *server) (conns []*conn) {
	for _, entry := range s.pool.l.table {
		c, _ := entry.h.(*conn)
		if inFlight, ok := entry.h.(inFlightConn); ok {
			c = inFlight.c
		}
		if c != nil && c.own != nil && c.endpoint.server == s && c.endpoint.isFormer() {
			conns = append(conns, c)
		}
	}
	return conns
}

// checkDedicated compares a server's dedicated connections with their clients' sessions.
func checkDedicated(t testing.TB, s *server) {
	t.Helper()
	d := &s.primary.dedicated
	for i, c := range d.all {
		idle := slices.Contains(d.idle, c)
		client := c.own.client
		switch {
		case c.own.place != i:
			t.Fatalf("server %q: dedicated connection %d has place %d", s.spec.Name, i, c.own.place)
		case idle != (client == nil), idle && (c.state != connReady || c.head != nil || c.own.purposes != 0):
			t.Fatalf("server %q: a dedicated connection is idle: %v, and of client %v, %v, owes something: %v", s.spec.Name, idle, client != nil, c.state, c.head != nil)
		case !idle && !slices.Contains(client.session.dedicated, c):
			t.Fatalf("server %q: client %d does not know its connection", s.spec.Name, client.id)
		case c.purposeOf(forBlocking) != (client != nil && client.session.waitsOn == c):
			t.Fatalf("server %q: a connection is for a request that waits: %v, and its client has none there", s.spec.Name, c.purposeOf(forBlocking))
		}
	}
	if got, want := *s.counters[link.DedicatedConnections], len(d.all)-len(d.idle)+len(dedicatedToFormer(s)); got != uint64(want) {
		t.Fatalf("server %q: dedicated_connections is %d, want %d", s.spec.Name, got, want)
	}
}

func (c *conn) purposeOf(p purpose) bool { return c.own.purposes&p != 0 }

// checkBegun compares a connection's in queue with what it knows of it.
func checkBegun(t testing.TB, c *conn) {
	t.Helper()
	owed, unbegun, fragments, promised, found := 0, 0, 0, 0, c.begun == nil
	for r := c.head; r != nil; r = r.behind {
		if found {
			unbegun++
			if r.state&isExpired != 0 {
				t.Fatalf("server %q: a request of which nothing is written has expired and would be", c.endpoint.server.spec.Name)
			}
		} else {
			owed++
		}
		if r.state&isPromised != 0 {
			promised++
		}
		if f := r.partOf(); f != nil && f.unsent[r.fragment] != (unsentFragment{r, c}) == found && c.own == nil {
			t.Fatalf("server %q: nothing is written of a fragment: %v; its request believes otherwise", c.endpoint.server.spec.Name, found)
		} else if f != nil && found {
			fragments++
		}
		found = found || r == c.begun
	}
	if !found || owed != c.owed || unbegun != c.unbegun {
		t.Fatalf("server %q: %d requests are begun and %d not; counted are %d and %d", c.endpoint.server.spec.Name, owed, unbegun, c.owed, c.unbegun)
	}
	if fragments != c.fragments || promised != c.promised || c.gauge.limit < 1 {
		t.Fatalf("server %q: of %d fragments %d are promised, counted are %d and %d; it may owe %d",
			c.endpoint.server.spec.Name, fragments, promised, c.fragments, c.promised, c.gauge.limit)
	}
}

// checkLatencies: each reply is in one bucket.
// checkGates compares what the gates of a cluster count with the queues of connections, and with what waits.
func checkGates(t testing.TB, p *pool) {
	t.Helper()
	if p.cluster == nil {
		return
	}
	cl := p.cluster
	type at struct{ slot, node int }
	outstanding, asked := map[at]int32{}, map[int]int{}
	for k, s := range p.servers {
		for _, c := range slices.Concat(slices.Collect(s.primary.everyConn), s.primary.dedicated.all, s.leaving) {
			for r := c.head; r != nil; r = r.behind {
				if r.slot > 0 {
					outstanding[at{int(r.slot) - 1, k}]++
				} else if r.slot < 0 {
					asked[int(-r.slot)-1]++
				}
			}
		}
	}
	if !cl.counting {
		for where, n := range outstanding {
			if owner := cl.nodeOf(where.slot); where.node != owner {
				t.Fatalf("%d requests of slot %d are outstanding at node %d, it is at node %d, and nobody counts", n, where.slot, where.node, owner)
			}
		}
		if len(cl.waiting)+cl.held+cl.bytes > 0 {
			t.Fatalf("%d requests of %d bytes wait at %d gates, and nobody counts", cl.held, cl.bytes, len(cl.waiting))
		}
		return
	}
	held, size, queues := 0, 0, 0
	for slot := range cl.gates {
		g := &cl.gates[slot]
		for where, n := range outstanding {
			if where.slot == slot && where.node != int(g.node) {
				t.Fatalf("%d requests of slot %d are outstanding at node %d, beside node %d", n, slot, where.node, g.node)
			}
		}
		if n := outstanding[at{slot, int(g.node)}]; n != g.out {
			t.Fatalf("of slot %d %d requests are outstanding at node %d, %d are counted", slot, n, g.node, g.out)
		}
		q := g.queue
		if q == nil {
			continue
		}
		queues++
		if q.asked != asked[slot] {
			t.Fatalf("of slot %d %d requests are outstanding by ASK, %d are counted", slot, asked[slot], q.asked)
		}
		for _, w := range q.lists() {
			bytes := 0
			for r := w.first; r != nil; r = r.behind {
				held++
				bytes += int(r.bytes)
				if r.state&(inConn|isHeld) != inConn|isHeld || int(r.slot) != slot+1 || r.behind == nil && w.last != r {
					t.Fatalf("the queue at the gate of slot %d is broken", slot)
				}
			}
			if bytes != w.out.Len() {
				t.Fatalf("%d bytes wait at the gate of slot %d, and %d are kept", bytes, slot, w.out.Len())
			}
			checkOutput(t, &w.out)
			size += bytes
		}
		if q.waits() && !cl.timer.Armed() {
			t.Fatalf("nobody will look at the gate of slot %d", slot)
		}
	}
	if held != cl.held || size != cl.bytes || queues != len(cl.waiting) {
		t.Fatalf("%d requests of %d bytes wait at %d gates, counted are %d, %d and %d", held, size, queues, cl.held, cl.bytes, len(cl.waiting))
	}
}

func checkLatencies(t testing.TB, s *server) {
	t.Helper()
	total := uint64(0)
	for _, n := range s.primary.latency {
		total += n
	}
	if replies := *s.counters[link.Responses] - *s.counters[link.BlockingResponses]; total != replies {
		t.Fatalf("server %q: %d latencies of %d responses", s.spec.Name, total, replies)
	}
}

func checkOutput(t testing.TB, o *stream.Output) {
	t.Helper()
	bytes := 0
	for _, piece := range o.Pieces(nil) {
		bytes += len(piece)
	}
	if bytes != o.Len() {
		t.Fatalf("an output counts %d bytes and has %d", o.Len(), bytes)
	}
	if o.Len() == 0 && o.Cost() > 0 {
		t.Fatalf("an empty output takes %d bytes", o.Cost())
	}
}

// checkEmpty is for a worker that nobody is connected to: it has given everything back.
func checkEmpty(t testing.TB, l *loop) {
	t.Helper()
	checkInvariants(t, l)
	if l.memory.Held() != 0 {
		t.Errorf("%d bytes are held for nobody", l.memory.Held())
	}
	held := 1 + len(l.listeners) + len(l.mover.peers) // resolver
	if l.master != nil {
		held++
	}
	if l.signatures.thread != nil {
		held++
	}
	if l.succession.rendezvous.fd >= 0 {
		held++
	}
	for _, entry := range l.table {
		if entry.h != nil {
			held--
		}
	}
	if held != 0 || l.clients != 0 {
		t.Errorf("%d clients and %d other registrations are left", l.clients, -held)
	}
	if got := *l.counters[link.CurrConnections]; got != uint64(len(l.listeners)) {
		t.Errorf("curr_connections is %d, want the %d listeners", got, len(l.listeners))
	}
	if l.requests.count != rigRequests {
		t.Errorf("%d requests are free, %d were at the start", l.requests.count, rigRequests)
	}
	n := 0
	for r := l.requests.free; r != nil && n <= rigRequests; r = r.next {
		n++
	}
	if n != l.requests.count {
		t.Errorf("the requests that are free count %d and are %d", l.requests.count, n)
	}
	for _, p := range l.pools {
		if *p.counters[link.ClientConnections] != 0 {
			t.Errorf("pool %q: client_connections is %d", p.name, *p.counters[link.ClientConnections])
		}
		for _, s := range p.servers {
			if len(s.primary.conns) == 0 { // a place without a node
				continue
			}
			for _, c := range connsOf(s) {
				if c.head != nil || len(c.stream.Kept()) > 0 || c.stream.Out.Len() != 0 || c.deadlines.Armed() || c.state != connClosed {
					t.Errorf("server %q: a connection is %v and still holds something", s.spec.Name, c.state)
				}
			}
		}
	}
}

// checkTrackers counts the clients that track keys, those in flight in either direction included.
func checkTrackers(t testing.TB, l *loop) {
	t.Helper()
	trackers := map[*pool]int{}
	for _, entry := range l.table {
		var c *client
		switch h := entry.h.(type) {
		case *client:
			c = h
		case inFlightClient:
			c = h.c
		case *preparedClient:
			c = h.c
		}
		if c != nil && c.session.tracking != nil {
			trackers[c.pool]++
		}
	}
	for _, p := range l.pools {
		if p.trackers != trackers[p] {
			t.Fatalf("pool %q counts %d clients that track keys and has %d", p.name, p.trackers, trackers[p])
		}
	}
}

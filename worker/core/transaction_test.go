// Transactions: nobody waits for a long one, what is kept of them counts, and they move.

package core

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/handoff"
)

// keysOn returns so many keys that live on one server of the first pool.
func (r *rig) keysOn(server, count int) (keys []string) {
	place := r.workers[0].pools[0].placement.ring
	for i := 0; len(keys) < count; i++ {
		if key := fmt.Sprintf("%08d", i); place.Server([]byte(key)) == server {
			keys = append(keys, key)
		}
	}
	return keys
}

// A hundred thousand requests, and one of a hundred thousand keys, hold up nobody: not as they come, not at EXEC, and not
// where all has to be checked again.
func TestTurnsOfTransactions(t *testing.T) {
	const many = 100_000
	for _, again := range []bool{false, true} {
		r := newLongRun(t)
		keys := r.keysOn(1, many)
		var requests []byte
		for _, key := range keys {
			requests = append(requests, redisRequestOf("SET", key, "value")...)
		}
		long := redisRequestOf(slices.Concat([]string{"SINTER"}, keys)...)
		want := slices.Concat(multiRequest, requests, long, execRequest)
		worst := time.Hour
		for try := 0; try < tries && worst > longest; try++ {
			r.worst, r.most = 0, 0
			r.client.send(slices.Concat(multiRequest, requests, long))
			r.settle()
			if got := string(r.client.take()); got != "+OK\r\n"+strings.Repeat("+QUEUED\r\n", many+1) {
				t.Fatalf("got %d bytes: %.200q", len(got), got)
			}
			clientsOf(r.workers[0])[0].session.tx.unchecked = again
			r.client.send(execRequest)
			r.settle()
			server := r.servers[1].conns[0]
			if got := server.take(); !bytes.Equal(got, want) {
				t.Fatalf("the server got %d bytes, %.200q, want %d", len(got), got, len(want))
			}
			server.send([]byte("+OK\r\n" + strings.Repeat("+QUEUED\r\n", many+1) + "*0\r\n"))
			r.settle()
			if got := string(r.client.take()); got != "*0\r\n" {
				t.Fatalf("got %.200q", got)
			}
			worst = min(worst, r.worst)
		}
		if worst > longest {
			t.Errorf("checked again %v: a turn took %v of a processor", again, worst)
		}
		if most := int64(len(want)) * 5 / 4; r.most > most {
			t.Errorf("checked again %v: %d bytes were held of a transaction of %d", again, r.most, len(want))
		}
		t.Logf("checked again %v: the longest turn took %v", again, worst)
		if held := r.workers[0].memory.Held(); held != clientBytes+int64(clientsOf(r.workers[0])[0].session.cost()) {
			t.Errorf("checked again %v: %d bytes are held at the end", again, held)
		}
	}
}

// A large value is not copied, and one long request among others is whole.
func TestLargeValueInTransaction(t *testing.T) {
	r := newLongRun(t)
	value := strings.Repeat("v", 8<<20)
	key := r.keysOn(1, 1)[0]
	for _, again := range []bool{false, true} {
		block := slices.Concat(multiRequest, redisRequestOf("GET", key), redisRequestOf("SET", key, value), redisRequestOf("GET", key))
		r.worst, r.most = 0, 0
		r.client.send(block)
		r.settle()
		clientsOf(r.workers[0])[0].session.tx.unchecked = again
		r.client.send(execRequest)
		r.settle()
		if got := r.servers[1].conns[0].take(); !bytes.Equal(got, slices.Concat(block, execRequest)) {
			t.Fatalf("the server got %d bytes", len(got))
		}
		r.servers[1].conns[0].send([]byte("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*0\r\n"))
		r.settle()
		if got := string(r.client.take()); got != "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*0\r\n" {
			t.Fatalf("got %.200q", got)
		}
		r.judge("transaction", len(block), r.worst)
	}
}

// One that is larger than a request may be is refused as soon as that is known, and nothing of it stays.
func TestTransactionIsTooLarge(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").MaxRequestBytes = 10_000
	r.start()
	c := r.connect("c", 0, 0)
	c.send(multiRequest)
	for range 11 {
		c.send(redisRequestOf("SET", "k", strings.Repeat("v", 900)))
	}
	r.turn()
	want := "+OK\r\n" + strings.Repeat("+QUEUED\r\n", 10) + "-ERR transaction is larger than max_request_bytes\r\n"
	if got := string(c.take()); got != want {
		t.Errorf("got %q", got)
	}
	if got := clientsOf(r.workers[0])[0].session.tx.cost(); got != transactionBytes {
		t.Errorf("%d bytes are held of it", got)
	}
	c.send(redisRequestOf("GET", "k"))
	c.send(execRequest)
	c.send(redisRequestOf("PING"))
	r.turn()
	if got := string(c.take()); got != "+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n" {
		t.Errorf("got %q", got)
	}
	if len(r.servers[0].conns) != 0 {
		t.Error("the server was asked")
	}
}

// Of one that was written in part the server has no EXEC, so it was not executed; of one that was written nobody knows.
func TestServerDiesInTransaction(t *testing.T) {
	for _, written := range []bool{false, true} {
		r := newRig(t)
		r.redisPool("s1")
		r.servers[0].deaf = !written
		r.start()
		c := r.connect("c", 0, 0)
		c.send(slices.Concat(multiRequest, redisRequestOf("SET", "k", strings.Repeat("v", 4<<20)), execRequest))
		r.turn()
		r.servers[0].conns[0].hangUp()
		r.turn()
		got := string(c.take())
		if strings.Contains(got, "outcome of the transaction is unknown") != written || !strings.HasPrefix(got, "+OK\r\n+QUEUED\r\n-ERR Connection reset by peer") {
			t.Errorf("written %v: got %q", written, got)
		}
		if n := len(r.servers[0].conns); n != 1 {
			t.Errorf("written %v: there are %d connections to the server", written, n)
		}
		r.tearDown()
		r.clients = nil
	}
}

// A transaction moves between any two bytes of it, and the worker that has it then checks it.
func TestMoveTransaction(t *testing.T) {
	requests := [][]byte{multiRequest, redisRequestOf("SET", "k", strings.Repeat("v", 50_000)), redisRequestOf("INCR", "l"), execRequest}
	block := slices.Concat(requests...)
	cuts := []int{1, len(multiRequest) + 20, len(block) - 1}
	for i := range requests[1:] {
		cuts = append(cuts, len(slices.Concat(requests[:i+1]...)))
	}
	for _, cut := range cuts {
		r, before, next := twoGenerations(t, nil)
		c := r.connect("c", 0, 0)
		c.send(block[:cut])
		r.turn()
		r.handOver(before, next)
		if next.clients != 1 || before.memory.Held() != 0 {
			t.Fatalf("cut at %d: %d clients have moved, %d bytes are held", cut, next.clients, before.memory.Held())
		}
		c.send(block[cut:])
		r.turn()
		if got := r.servers[0].conns[0].take(); !bytes.Equal(got, block) {
			t.Errorf("cut at %d: the server got %d bytes: %.200q", cut, len(got), got)
		}
		r.servers[0].conns[0].send([]byte("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n"))
		r.turn()
		if got := string(c.take()); got != "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n" {
			t.Errorf("cut at %d: the client got %q", cut, got)
		}
		r.tearDown()
		r.clients = nil
	}
}

// What was refused is refused there, and what does not fit the other configuration is.
func TestMoveTransactionElsewhere(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	refused, open, empty := r.connect("refused", 0, 0), r.connect("open", 0, 0), r.connect("empty", 0, 0)
	refused.send(slices.Concat(multiRequest, redisRequestOf("SET", "k")))
	open.send(slices.Concat(multiRequest, redisRequestOf("SELECT", "0"), redisRequestOf("SET", "k", "v")))
	empty.send(multiRequest)
	r.turn()
	refused.take()
	open.take()
	empty.take()
	next.pools[0].spec.DB = 1
	r.handOver(before, next)
	for _, c := range r.clients {
		c.send(execRequest)
		c.send(redisRequestOf("PING"))
	}
	r.turn()
	for c, want := range map[*peer]string{
		refused: "-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n",
		open:    "-EXECABORT Transaction discarded because of: 'select' in a transaction is not supported by pinion\r\n+PONG\r\n",
		empty:   "*0\r\n+PONG\r\n",
	} {
		if got := string(c.take()); got != want {
			t.Errorf("%s got %q, want %q", c.name, got, want)
		}
	}
}

// Bytes that another worker says were queued are checked like those of a stranger.
func FuzzTransactionCheck(f *testing.F) {
	f.Add(slices.Concat(redisRequestOf("SET", "k", "v"), redisRequestOf("PING"), redisRequestOf("MGET", "a", "c")))
	f.Add(slices.Concat(redisRequestOf("SET", "a", "v"), redisRequestOf("SET", "b", "v")))
	f.Add(redisRequestOf("EXEC"))
	f.Add(redisRequestOf("DBSIZE"))
	f.Add(redisRequestOf("COPY", "a", "c", "DB", "1"))
	f.Add(redisRequestOf("OBJECT", "ENCODING", "a"))
	f.Add([]byte("*1\r\n$4\r\nPING\r\n*0\r\n"))
	f.Add([]byte("PING\r\n"))
	f.Add([]byte("*2\r\n$3\r\nGET\r\n$100\r\nx"))
	f.Add(slices.Concat([]byte("*40002\r\n$4\r\nMGET\r\n"), bytes.Repeat([]byte("$1\r\na\r\n"), 40_000), []byte("$1\r\nb\r\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newRig(t)
		r.redisPool("s1", "s2", "s3")
		r.start()
		defer func() {
			r.tearDown()
			r.clients = nil
		}()
		c := r.connect("c", 0, 0)
		r.turn()
		h := clientsOf(r.workers[0])[0]
		r.must(h.unpackTransaction(&handoff.Transaction{Queued: [][]byte{b}}))
		server, count, ok := naiveCheck(h.pool, b)
		c.send(execRequest)
		r.turn()
		sent := false
		for i, s := range r.servers {
			for _, conn := range s.conns {
				if got := conn.take(); len(got) > 0 {
					sent = true
					if !bytes.Equal(got, slices.Concat(multiRequest, b, execRequest)) || i != server {
						t.Fatalf("%s got %q, want %q on server %d", conn.name, got, b, server)
					}
					conn.send([]byte("+OK\r\n" + strings.Repeat("+QUEUED\r\n", count) + "*0\r\n"))
				}
			}
		}
		if sent != (ok && count > 0) {
			t.Fatalf("%q is sent: %v, want %v", b, sent, ok)
		}
		r.turn()
		if got := string(c.take()); strings.HasPrefix(got, "-EXECABORT") == ok || ok && got != "*0\r\n" {
			t.Fatalf("the client got %q", got)
		}
	})
}

// naiveCheck is the check of a transaction without slices.
func naiveCheck(p *pool, b []byte) (server, count int, ok bool) {
	server = anywhere
	for len(b) > 0 {
		if resp.IsInline(b) {
			return 0, 0, false
		}
		n, args, err := resp.ConsumeRequest(b, nil)
		if err != nil || n == 0 || len(args) == 0 {
			return 0, 0, false
		}
		request := b[:n]
		b = b[n:]
		count++
		cmd := resp.Lookup(args[0].Of(request))
		if cmd != nil {
			cmd = cmd.Resolve(request, args)
		}
		if cmd == nil || cmd.Route == resp.Refuse || !cmd.CheckArity(len(args)) {
			return 0, 0, false
		}
		switch route := p.routes[cmd.ID]; {
		case cmd.Local == resp.LocalPing, cmd.Local == resp.LocalEcho, route == resp.Keyless:
			continue
		case cmd.Local == resp.LocalSelect:
			if n, ok := resp.ParseInt(args[1].Of(request)); ok && n > 0 {
				return 0, 0, false
			}
			continue
		case route != resp.Forward && route != resp.Fragment:
			return 0, 0, false
		}
		keys, err := cmd.Keys(request, args, nil)
		if err != nil {
			return 0, 0, false
		}
		for _, key := range keys {
			switch at := p.placement.one(args[key].Of(request)); server {
			case anywhere:
				server = at
			case at:
			default:
				return 0, 0, false
			}
		}
	}
	if server == anywhere {
		server = p.placement.fixed()
	}
	return server, count, true
}

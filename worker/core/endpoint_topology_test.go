// Servers move to other addresses, and nobody who waits for them notices.

package core

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// discovering starts a worker of a pool of one server that may move, and returns where else it may be.
func discovering(t *testing.T, options ...func(*link.Pool)) (*rig, *loop, *fakeServer) {
	r := newRig(t)
	p := r.redisPool("s1")
	for _, set := range options {
		set(p)
	}
	r.start()
	l := r.workers[0]
	l.spec.Topology = link.StaticTopology(l.spec.Pools)
	l.spec.Topology.Pools[0].Discovers = true
	spec, err := sock.MemfdSealed("spec", l.spec.Text())
	r.must(err)
	l.succession.origins = [...]int{spec, -1}
	t.Cleanup(func() { sock.Close(l.succession.origins[0]) })
	return r, l, r.addServer("s2")
}

// movesTo has the master say where the server is.
func (r *rig) movesTo(l *loop, version uint64, s *fakeServer) {
	r.t.Helper()
	spec := *l.spec
	spec.Topology = link.StaticTopology(slices.Clone(spec.Pools))
	spec.Topology.Pools[0].Version = version
	spec.Topology.Pools[0].Servers[0].Endpoints[0].Address = s.path
	fd, err := sock.MemfdSealed("spec", spec.Text())
	r.must(err)
	r.instruct(l, link.Relocated, nil, fd)
	sock.Close(fd)
	r.turn()
}

// asked has the client ask for a key, and the server that must be asked answer.
func (r *rig) asked(c *peer, s *fakeServer) {
	r.t.Helper()
	c.send(redisRequestOf("GET", "a"))
	r.turn()
	if len(s.conns) == 0 {
		r.t.Fatalf("nobody connects to %s", s.name)
	}
	last := s.conns[len(s.conns)-1]
	if got := string(last.take()); got != string(redisRequestOf("GET", "a")) {
		r.t.Fatalf("%s got %q", s.name, got)
	}
	last.send([]byte("$2\r\n" + s.name + "\r\n"))
	r.turn()
	if got := string(c.take()); got != "$2\r\n"+s.name+"\r\n" {
		r.t.Fatalf("the client got %q, not what %s said", got, s.name)
	}
}

func TestServerMoves(t *testing.T) {
	r, l, other := discovering(t)
	c := r.connect("c", 0, 0)
	first := r.servers[0]
	r.asked(c, first)
	r.movesTo(l, 2, other)
	if !first.conns[0].ended {
		t.Error("the connection to the old address stays, although nothing is owed there")
	}
	r.asked(c, other)
	r.movesTo(l, 2, first) // which is no news
	r.asked(c, other)
	r.movesTo(l, 3, first)
	r.asked(c, first)
	text, err := sock.ReadAll(l.succession.origins[0])
	r.must(err)
	spec, err := link.ParseSpec(text)
	if err != nil || spec.Topology.Pools[0].Version != 3 {
		t.Errorf("the next master finds %+v, %v", spec, err)
	}
	if n := *l.pools[0].servers[0].counters[link.ServerErr]; n != 0 || !l.pools[0].servers[0].liveness().Alive() {
		t.Errorf("moving has counted as %d errors", n)
	}
}

// What the old address owes gets an error at once, and its reply is not waited for: it may be one of a server that takes writes
// which nobody has any more.
func TestServerMovesUnderLoad(t *testing.T) {
	r, l, other := discovering(t)
	first := r.servers[0]
	early, late := r.connect("early", 0, 0), r.connect("late", 0, 0)
	early.send(redisRequestOf("INCR", "a"))
	r.turn()
	r.movesTo(l, 2, other)
	if !first.conns[0].ended {
		t.Error("the connection to the old address stays")
	}
	if got := string(early.take()); !strings.HasPrefix(got, "-ERR Server has moved") {
		t.Errorf("who asked before got %q", got)
	}
	r.asked(late, other)
	r.asked(early, other)
}

// Who waits in the server that was the master is told to ask again, at once.
func TestServerMovesWhereClientsWait(t *testing.T) {
	r, l, other := discovering(t)
	first := r.servers[0]
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("BLPOP", "a", "0"))
	r.turn()
	if got := string(first.conns[len(first.conns)-1].take()); got != string(redisRequestOf("BLPOP", "a", "0")) {
		t.Fatalf("%s got %q", first.name, got)
	}
	r.movesTo(l, 2, other)
	if got := string(c.take()); got != string(unblockedByMove) {
		t.Errorf("who waited there got %q", got)
	}
	if !first.conns[len(first.conns)-1].ended {
		t.Error("the connection to the old address stays")
	}
	r.asked(c, other)
}

// A server of which no sentinel has said where it is refuses what it is asked, until one does.
func TestServerWithoutAddress(t *testing.T) {
	r, l, other := discovering(t)
	c := r.connect("c", 0, 0)
	l.pools[0].servers[0].moveTo(link.Endpoint{Network: link.Sentinel, Address: "mymaster"})
	c.send(redisRequestOf("GET", "a"))
	r.turn()
	if got := string(c.take()); !strings.HasPrefix(got, "-ERR No sentinel has said where the server is") {
		t.Errorf("a client got %q", got)
	}
	r.movesTo(l, 2, other)
	r.asked(c, other)
}

// That requests at the old address fail says nothing of the server.
func TestOldAddressFails(t *testing.T) {
	r, l, other := discovering(t)
	l.pools[0].spec.AutoEjectHosts, l.pools[0].spec.ServerFailureLimit = true, 1
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "a"))
	r.turn()
	r.movesTo(l, 2, other)
	if got := string(c.take()); len(got) == 0 || got[0] != '-' {
		t.Errorf("who waited there got %q", got)
	}
	if !l.pools[0].servers[0].liveness().Alive() {
		t.Error("the server is ejected for it")
	}
	r.asked(c, other)
}

// A server that is ejected is probed at once where it is now, however long it was to be left alone.
func TestEjectedServerMoves(t *testing.T) {
	r, l, other := discovering(t)
	spec := l.pools[0].spec
	spec.AutoEjectHosts, spec.ServerFailureLimit, spec.ServerRetryTimeout = true, 1, time.Hour
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "a"))
	r.turn()
	r.servers[0].hangUp()
	r.turn()
	if l.pools[0].servers[0].liveness().Alive() {
		t.Fatalf("the server is not ejected, the client got %q", c.take())
	}
	c.take()
	r.movesTo(l, 2, other)
	probe := other.conns[len(other.conns)-1]
	if got := string(probe.take()); got != string(redisRequestOf("PING")) {
		t.Fatalf("%s got %q", other.name, got)
	}
	probe.send([]byte("+PONG\r\n"))
	r.turn()
	r.asked(c, other)
}

// A pool whose topology is its configuration stays where it is, and what makes no sense changes nothing.
func TestTopologiesThatAreNoNews(t *testing.T) {
	r, l, other := discovering(t)
	l.spec.Topology.Pools[0].Discovers = false
	c := r.connect("c", 0, 0)
	r.movesTo(l, 2, other)
	r.asked(c, r.servers[0])
	l.spec.Topology.Pools[0].Discovers = true
	r.instruct(l, link.Relocated, nil)
	fd, err := sock.MemfdSealed("spec", []byte("{"))
	r.must(err)
	r.instruct(l, link.Relocated, nil, fd)
	sock.Close(fd)
	r.turn()
	r.asked(c, r.servers[0])
	r.instruct(l, link.Kind(999), nil) // of a later build
	r.turn()
	r.asked(c, r.servers[0])
}

// The master is told, not too often, that a server does not do its work, if it may be elsewhere, and the server's own word for it is
// certain: a script may say anything.
func TestServerIsDoubted(t *testing.T) {
	r, l, other := discovering(t)
	c, first := r.connect("c", 0, 0), r.servers[0]
	refused := func(s *fakeServer, reply string, words ...string) (doubts int) {
		c.send(redisRequestOf(words...))
		r.turn()
		s.conns[len(s.conns)-1].send([]byte(reply))
		r.turn()
		if got := string(c.take()); got != reply {
			t.Errorf("%q: the client gets %q", words, got)
		}
		for _, m := range r.heard(l) {
			if m.Kind == link.Stale {
				doubts++
				if string(m.Body) != `{"pool":0,"server":0}` {
					t.Errorf("it is told of %s", m.Body)
				}
			}
		}
		return doubts
	}
	const readonly = "-READONLY You can't write against a read only replica.\r\n"
	for i, step := range []struct {
		after  time.Duration
		server *fakeServer
		reply  string
		words  []string
		want   int
	}{
		{0, first, "+OK\r\n", []string{"SET", "k", "v"}, 0},
		{0, first, "-ERR READONLY\r\n", []string{"SET", "k", "v"}, 0},
		{0, first, readonly, []string{"EVAL", "return redis.error_reply('READONLY ')", "1", "k"}, 0},
		{0, first, readonly, []string{"SET", "k", "v"}, 1},
		{time.Duration(doubtPause) - 1, first, readonly, []string{"SET", "k", "v"}, 0},
		{1, first, "-LOADING Redis is loading the dataset in memory\r\n", []string{"GET", "k"}, 1},
		{time.Minute, first, "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", []string{"GET", "k"}, 1},
	} {
		r.advance(step.after)
		if got := refused(step.server, step.reply, step.words...); got != step.want {
			t.Errorf("step %d: the master hears of %d doubts, want %d", i, got, step.want)
		}
	}
	r.movesTo(l, 2, other)
	r.advance(time.Minute)
	l.spec.Topology.Pools[0].Discovers = false
	if n := refused(other, readonly, "SET", "k", "v"); n != 0 {
		t.Errorf("of a server that stays where it is, the master hears of %d doubts", n)
	}
}

// So it is when the server refuses what is in a transaction, or, in pools whose requests wait, the first word on a connection.
func TestServerIsDoubtedEarly(t *testing.T) {
	doubts := func(r *rig, l *loop) (n int) {
		for _, m := range r.heard(l) {
			if m.Kind == link.Stale {
				n++
			}
		}
		return n
	}
	r, l, _ := discovering(t)
	c := r.connect("c", 0, 0)
	c.send(slices.Concat(redisRequestOf("MULTI"), redisRequestOf("SET", "k", "v"), redisRequestOf("EXEC")))
	r.turn()
	r.servers[0].conns[0].send([]byte("+OK\r\n-READONLY You can't write against a read only replica.\r\n-EXECABORT Transaction discarded\r\n"))
	r.turn()
	if n := doubts(r, l); n != 1 {
		t.Errorf("with a transaction, the master hears of %d doubts", n)
	}

	r, l, _ = discovering(t, func(p *link.Pool) { p.FailoverWait = time.Minute })
	c = r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	r.servers[0].conns[0].send([]byte("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n"))
	r.turn()
	if n := doubts(r, l); n != 1 {
		t.Errorf("with a connection, the master hears of %d doubts", n)
	}
	r.advance(time.Minute)
	if got := string(c.take()); !strings.HasSuffix(got, "; not executed\r\n") {
		t.Errorf("in the end the client gets %q", got)
	}
}

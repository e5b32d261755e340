// The roll call: who takes over says first which servers it does not reach.

package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

// ready returns what a worker says of the servers, once it has; nil before.
func (r *rig) ready(l *loop) *link.ReadyBody {
	r.t.Helper()
	messages := r.heard(l)
	if len(messages) == 0 {
		return nil
	}
	var body link.ReadyBody
	if len(messages) != 1 || messages[0].Kind != link.Ready {
		r.t.Fatalf("it says %v, want Ready", messages)
	}
	r.must(link.ParseBody(messages[0], &body))
	return &body
}

func TestRollCall(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1", "s2", "s3", "s4") // good, refuses, does not know us, silent
	p.Password, p.AutoEjectHosts, p.ServerFailureLimit = "secret", true, 1
	r.servers[1].refuse()
	r.start()
	next := r.succeed(nil)
	next.checkServers()
	r.turn()
	if got := r.ready(next); got != nil {
		t.Fatalf("before the servers have answered it says %v", got)
	}
	r.servers[0].conns[0].send([]byte("+OK\r\n"))
	r.servers[2].conns[0].send([]byte("-WRONGPASS who are you\r\n"))
	r.turn()
	r.advance(serverCheckTime - 1)
	if got := r.ready(next); got != nil {
		t.Fatalf("with one server to come it says %v", got)
	}
	r.advance(1)
	got := r.ready(next)
	if got == nil {
		t.Fatal("it says nothing")
	}
	var lines []string
	for _, u := range got.Unreachable {
		lines = append(lines, u.Pool+" "+u.Server+": "+u.Error)
	}
	want := []string{
		"alpha s2: connection refused",
		"alpha s3: server refuses AUTH or SELECT: WRONGPASS who are you",
		"alpha s4: no answer within 1.5s",
	}
	if fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("it says %q, want %q", lines, want)
	}
	r.servers[3].conns[0].hangUp() // late is no better
	r.turn()
	for _, s := range next.pools[0].servers {
		if s.liveness() != shard.Liveness(0) {
			t.Errorf("server %q is %v", s.spec.Name, s.liveness())
		}
		for _, i := range []int{link.ServerEOF, link.ServerErr, link.ServerTimedout} {
			if n := *s.primary.counters[i]; n != 0 {
				t.Errorf("before it serves it counts %d %s of server %q, which others may have at another address", n, link.ServerCounters[i].Name, s.spec.Name)
			}
		}
	}
	// The one that answered is connected already, and those that did not are tried again when they are needed.
	r.instruct(next, link.Serve, nil)
	r.instruct(r.workers[0], link.MoveClients, nil)
	r.turn()
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("AUTH", "secret"))
	for i := range 8 {
		c.send(redisRequestOf("GET", fmt.Sprint(i)))
	}
	r.turn()
	if n := len(r.servers[0].conns); n != 1 {
		t.Errorf("the good server has %d connections", n)
	}
	if n := *next.pools[0].counters[link.ServerEjects]; n != 1 {
		t.Errorf("%d servers were ejected when requests failed, want the one that refuses", n)
	}
}

// A server that says at once that it wants no password is all that is waited for. What else it answers is no matter: it is reached.
func TestRollCallAtOnce(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1", "s2")
	r.start()
	next := r.succeed(nil)
	next.checkServers()
	if got := r.servers[0].conns; len(got) != 0 {
		t.Fatalf("%d connections", len(got))
	}
	r.turn()
	for i, s := range r.servers {
		if len(s.conns) != 1 {
			t.Fatalf("server %q has %d connections", s.name, len(s.conns))
		}
		if got := string(s.conns[0].take()); got != "*1\r\n$4\r\nPING\r\n" {
			t.Errorf("server %q gets %q", s.name, got)
		}
		s.conns[0].send([]byte([]string{"+PONG\r\n", "-LOADING Redis is loading the dataset in memory\r\n"}[i]))
	}
	r.turn()
	if got := r.ready(next); got == nil || len(got.Unreachable) != 0 {
		t.Errorf("it says %v", got)
	}
	r.advance(2 * time.Second)
	if got := r.ready(next); got != nil {
		t.Errorf("later it says %v", got)
	}
	for _, s := range r.servers {
		if len(s.conns) != 1 {
			t.Errorf("server %q has %d connections", s.name, len(s.conns))
		}
	}
}

// A server that serves nobody on a new connection, as it has as many clients as it may, is not reached by who is asked for it. It speaks: so
// what it closes is no sign of TLS.
func TestInquiryOfFullServer(t *testing.T) {
	for _, protocol := range []link.Protocol{link.Redis, link.Memcache} {
		r := newRig(t)
		r.redisPool("s1").Protocol = protocol
		r.start()
		l := r.workers[0]
		r.instruct(l, link.Inquire, link.InquireBody{Servers: []link.ServerIndex{{}}})
		r.turn()
		r.servers[0].conns[0].send([]byte(map[link.Protocol]string{
			link.Redis: "-ERR max number of clients reached\r\n", link.Memcache: "ERROR Too many open connections\r\n"}[protocol]))
		r.turn()
		r.servers[0].conns[0].hangUp()
		r.turn()
		if heard, _ := l.shared.LastHeard(0, 0); heard != 0 {
			t.Errorf("%s: it counts as reached", protocol)
		}
		if why := l.shared.TroubleOf(0, 0).Why; why == link.TroubleUnheard {
			t.Errorf("%s: %v", protocol, why)
		}
	}
}

// A server that wants a password which the pool does not have takes connections, and then refuses every request.
func TestRollCallPassword(t *testing.T) {
	for _, test := range []struct {
		protocol                        link.Protocol
		ping, refusal, grants, wantsKey string
	}{
		{link.Redis, "*1\r\n$4\r\nPING\r\n", "-NOAUTH Authentication required.\r\n", "+PONG\r\n", "redis_auth"},
		{link.Memcache, "version\r\n", "CLIENT_ERROR unauthenticated\r\n", "VERSION 1.6.38\r\n", "memcached_auth"},
	} {
		for _, wait := range []time.Duration{0, time.Second} { // with failover_wait each connection is asked
			r := newRig(t)
			p := r.redisPool("s1", "s2")
			p.Protocol, p.FailoverWait = test.protocol, wait
			r.start()
			next := r.succeed(nil)
			next.checkServers()
			r.turn()
			for i, s := range r.servers {
				if got := string(s.conns[0].take()); got != test.ping {
					t.Errorf("server %q gets %q", s.name, got)
				}
				s.conns[0].send([]byte([]string{test.refusal, test.grants}[i]))
			}
			r.turn()
			got := r.ready(next)
			want := link.Unreachable{Pool: "alpha", Server: "s1", Error: "wants a password; set " + test.wantsKey, PasswordAt: p.Servers[indexOf(p, "s1")].Address}
			if got == nil || len(got.Unreachable) != 1 || got.Unreachable[0] != want {
				t.Errorf("it says %v, want %v", got, want)
			}
		}
	}
}

// A server that has no place for another connection takes it, says so and closes it.
func TestRollCallMaxClients(t *testing.T) {
	for protocol, refusal := range map[link.Protocol]string{
		link.Redis:    "-ERR max number of clients reached\r\n",
		link.Memcache: "ERROR Too many open connections\r\n",
	} {
		r := newRig(t)
		r.redisPool("s1").Protocol = protocol
		r.start()
		next := r.succeed(nil)
		next.checkServers()
		r.turn()
		r.servers[0].conns[0].send([]byte(refusal))
		r.turn()
		if got := r.ready(next); got == nil || len(got.Unreachable) != 1 || !strings.Contains(refusal, strings.TrimPrefix(got.Unreachable[0].Error, "server refuses: ")) {
			t.Errorf("%s: it says %v", refusal, got)
		}
	}
}

// A server without a password that takes the connection and then is silent is reached. What clients ask then does not wait for it to
// answer what it was asked first.
func TestRollCallSilence(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	next := r.succeed(nil)
	next.checkServers()
	r.turn()
	r.advance(serverCheckTime - 1)
	if got := r.ready(next); got != nil {
		t.Fatalf("before the time is over it says %v", got)
	}
	r.advance(1)
	if got := r.ready(next); got == nil || len(got.Unreachable) != 0 {
		t.Errorf("it says %v", got)
	}
	r.instruct(next, link.Serve, nil)
	r.instruct(r.workers[0], link.MoveClients, nil)
	r.turn()
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "a"))
	r.turn()
	r.turn()
	conns := r.servers[0].conns
	if got := string(conns[len(conns)-1].take()); len(conns) != 2 || got != string(redisRequestOf("GET", "a")) {
		t.Errorf("over %d connections it gets %q", len(conns), got)
	}
}

// With preconnect the other connections open as well.
func TestRollCallPreconnects(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1")
	p.ServerConnections, p.Preconnect = 3, true
	r.start()
	next := r.succeed(nil)
	before := len(r.servers[0].conns)
	next.checkServers()
	r.turn()
	r.servers[0].conns[before].send([]byte("+PONG\r\n"))
	r.turn()
	if got := len(r.servers[0].conns) - before; got != 3 {
		t.Errorf("%d connections", got)
	}
	if r.ready(next) == nil { // one good connection proves the server
		t.Error("it is not ready")
	}
}

// The message has room for so many and no more.
func TestRollCallOfMany(t *testing.T) {
	r := newRig(t)
	var names []string
	for i := range 120 {
		names = append(names, fmt.Sprintf("server-%03d-%s", i, strings.Repeat("x", 40)))
	}
	r.redisPool(names...)
	for _, s := range r.servers {
		s.refuse()
	}
	r.start()
	next := r.succeed(nil)
	next.checkServers()
	r.turn()
	if got := r.ready(next); got == nil || len(got.Unreachable) < 50 || len(got.Unreachable) >= 120 {
		t.Errorf("it says %d are not reached", len(got.Unreachable))
	}
}

// The master sees in the shared memory which servers answer when it inquires, and nothing else comes of that.
func TestInquire(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1", "s2", "s3") // answers, is silent, was never connected
	p.ServerConnections = 2
	r.start()
	l := r.workers[0]
	for _, s := range r.servers[:2] {
		l.pools[0].servers[indexOf(p, s.name)].primary.conns[1].open()
	}
	r.turn()
	r.advance(time.Second)
	r.instruct(l, link.Inquire, nil)
	r.turn()
	for i, s := range r.servers {
		want := []string{"*1\r\n$4\r\nPING\r\n", "*1\r\n$4\r\nPING\r\n", ""}[i]
		got := ""
		for _, c := range s.conns {
			got += string(c.take())
		}
		if got != want {
			t.Errorf("server %q gets %q, want %q", s.name, got, want)
		}
	}
	r.servers[0].conns[0].send([]byte("+PONG\r\n"))
	r.turn()
	for i, s := range r.servers {
		ns, known := l.shared.LastHeard(0, indexOf(p, s.name))
		if heard := ns == uint64(r.now); !known || heard != (i == 0) {
			t.Errorf("server %q was heard at %d, now is %d", s.name, ns, r.now)
		}
	}
	r.advance(time.Second)
	r.servers[1].conns[0].send([]byte("-NOAUTH Authentication required.\r\n")) // it has been given a password meanwhile
	r.turn()
	if ns, _ := l.shared.LastHeard(0, indexOf(p, "s2")); ns == uint64(r.now) {
		t.Error("a server that wants a password counts as one that answers")
	}
	if c := *l.pools[0].counters[link.ForwardError]; c != 0 {
		t.Errorf("%d requests could not be forwarded", c)
	}
}

// A server that no connection stands to is connected to, if the master asks for that. Where that fails it is no failure of the
// server's.
func TestInquireConnects(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1", "s2", "s3") // answers, refuses, is not asked for
	p.AutoEjectHosts, p.ServerFailureLimit = true, 1
	r.servers[1].refuse()
	r.start()
	l := r.workers[0]
	s1, s2 := indexOf(p, "s1"), indexOf(p, "s2")
	r.instruct(l, link.Inquire, link.InquireBody{Servers: []link.ServerIndex{{Server: s1}, {Server: s2}, {Pool: 7}, {Server: -1}}})
	r.turn()
	r.turn()
	for i, s := range r.servers {
		want := []string{"*1\r\n$4\r\nPING\r\n", "", ""}[i]
		got := ""
		for _, c := range s.conns {
			got += string(c.take())
		}
		if got != want {
			t.Errorf("server %q gets %q, want %q", s.name, got, want)
		}
	}
	r.servers[0].conns[0].send([]byte("+PONG\r\n"))
	r.turn()
	if ns, known := l.shared.LastHeard(0, s1); !known || ns != uint64(r.now) {
		t.Errorf("the server that answers was heard at %d, now is %d", ns, r.now)
	}
	if !l.pools[0].servers[s2].liveness().Alive() || *l.pools[0].counters[link.ForwardError] != 0 {
		t.Error("it counts against a server that it cannot be connected to")
	}
}

func indexOf(p *link.Pool, server string) int {
	return slices.IndexFunc(p.Servers, func(s link.Server) bool { return s.Name == server })
}

//go:build !race

// What a forwarded request costs in allocations: none. Not under the race detector, with which sync.Pool forgets at
// random.

package core

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

func (e *exchange) allocations() float64 {
	for range 100 {
		e.run()
	}
	return testing.AllocsPerRun(200, e.run)
}

func TestRedisAllocations(t *testing.T) {
	get := redisRequestOf("GET", "a")
	value := "$100\r\n" + strings.Repeat("x", 100) + "\r\n"
	values := strings.Repeat(value, 16)
	mget := redisRequestOf("MGET", "a", "b", "c", "d", "e", "f", "g", "h", "i", "k")
	for _, test := range []struct {
		name     string
		requests []byte
		replies  []reply
		want     string
	}{
		{"GET", get, []reply{{0, value}}, value},
		{"SET", redisRequestOf("SET", "a", value), []reply{{0, "+OK\r\n"}}, "+OK\r\n"},
		{"PING", redisRequestOf("PING"), nil, "+PONG\r\n"},
		{"inline GET", []byte("GET a\r\n"), []reply{{0, value}}, value},
		{"16 GET", bytes.Repeat(get, 16), []reply{{0, values}}, values},
		{
			"GET of three servers in reverse",
			append(append(redisRequestOf("GET", "a"), redisRequestOf("GET", "g")...), redisRequestOf("GET", "b")...),
			[]reply{{2, "$1\r\n3\r\n"}, {1, "$1\r\n2\r\n"}, {0, "$1\r\n1\r\n"}}, "$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n",
		},
		{
			"MGET of ten keys on three servers", mget,
			[]reply{
				{0, "*5\r\n" + strings.Repeat("$1\r\n1\r\n", 5)},
				{1, "*3\r\n" + strings.Repeat("$1\r\n2\r\n", 3)},
				{2, "*2\r\n" + strings.Repeat("$1\r\n3\r\n", 2)},
			},
			"*10\r\n" + strings.NewReplacer("1", "$1\r\n1\r\n", "2", "$1\r\n2\r\n", "3", "$1\r\n3\r\n").Replace("1311132122"),
		},
		{"DEL on two servers", redisRequestOf("DEL", "a", "b"), []reply{{0, ":1\r\n"}, {2, ":1\r\n"}}, ":2\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newExchange(t, link.Redis)
			e.requests, e.replies, e.want = test.requests, test.replies, test.want
			if got := e.allocations(); got != 0 {
				t.Errorf("%v allocations", got)
			}
		})
	}
}

func TestLimitedUserAllocations(t *testing.T) {
	value := "$1\r\nx\r\n"
	for _, test := range []struct {
		name     string
		requests []byte
		replies  []reply
		want     string
	}{
		{"GET", redisRequestOf("GET", "a"), []reply{{0, value}}, value},
		{"16 SET", bytes.Repeat(redisRequestOf("SET", "a", "x"), 16), []reply{{0, strings.Repeat("+OK\r\n", 16)}}, strings.Repeat("+OK\r\n", 16)},
		{"DEL on two servers", redisRequestOf("DEL", "a", "b"), []reply{{0, ":1\r\n"}, {2, ":1\r\n"}}, ":2\r\n"},
		{"PING", redisRequestOf("PING"), nil, "+PONG\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newExchangeOf(t, link.Redis, limitedUser)
			e.requests, e.replies, e.want = test.requests, test.replies, test.want
			if got := e.allocations(); got != 0 {
				t.Errorf("%v allocations", got)
			}
		})
	}
}

// Keys of a cluster pass gates: a is in a slot of s2, b and f are in two of s1.
func TestClusterAllocations(t *testing.T) {
	value := "$1\r\nx\r\n"
	for _, test := range []struct {
		name     string
		requests []byte
		replies  []reply
		want     string
	}{
		{"GET", redisRequestOf("GET", "b"), []reply{{0, value}}, value},
		{"16 SET", bytes.Repeat(redisRequestOf("SET", "b", "x"), 16), []reply{{0, strings.Repeat("+OK\r\n", 16)}}, strings.Repeat("+OK\r\n", 16)},
		{
			"MGET of three slots", redisRequestOf("MGET", "a", "b", "f", "{b}2"),
			[]reply{{0, "*2\r\n" + value + value + "*1\r\n" + value}, {1, "*1\r\n" + value}}, "*4\r\n" + strings.Repeat(value, 4),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newClusterExchange(t)
			e.requests, e.replies, e.want = test.requests, test.replies, test.want
			if got := e.allocations(); got != 0 {
				t.Errorf("%v allocations", got)
			}
		})
	}
}

func TestReplicaAllocations(t *testing.T) {
	r, _ := replicaRig(t, link.ReadFromNearest, "r1", "r2")
	r.unchecked = true
	r.lease(0, 0, r.servers[1], 1000*time.Hour)
	r.lease(0, 1, r.servers[2], 1000*time.Hour)
	e := &exchange{rig: r, client: r.connect("a", 0, 0)}
	e.client.send([]byte(strings.Repeat(string(redisRequestOf("GET", "k")), 3)))
	r.turn()
	for i, s := range r.servers {
		if i > 0 {
			r.says(s, "+PONG\r\n")
		}
		r.says(s, "$-1\r\n")
		s.conns[0].take()
	}
	e.client.take()
	value := "$1\r\nx\r\n"
	e.requests, e.want = bytes.Repeat(redisRequestOf("GET", "k"), 48), strings.Repeat(value, 48)
	for i := range r.servers {
		e.replies = append(e.replies, reply{i, strings.Repeat(value, 16)})
	}
	if got := e.allocations(); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// newClusterExchange is newExchange for a cluster of two masters, both of which are connected.
func newClusterExchange(t testing.TB) *exchange {
	r := clusterRig(t, "s1", "s2")
	r.unchecked = true
	r.nodes("s1=0-8191", "s2=8192-16383")
	e := &exchange{rig: r, client: r.connect("a", 0, 0)}
	for i, key := range []string{"b", "a"} {
		e.client.send(redisRequestOf("GET", key))
		r.turn()
		for _, text := range []string{"+PONG\r\n", "$-1\r\n"} {
			r.servers[i].conns[0].send([]byte(text))
			r.turn()
		}
		r.servers[i].conns[0].take()
	}
	e.client.take()
	return e
}

func TestMemcacheAllocations(t *testing.T) {
	for _, test := range []struct {
		name     string
		requests string
		replies  []reply
		want     string
	}{
		{"get", "get a\r\n", []reply{{0, "VALUE a 0 1\r\nx\r\nEND\r\n"}}, "VALUE a 0 1\r\nx\r\nEND\r\n"},
		{"set", "set a 0 0 1\r\nx\r\n", []reply{{0, "STORED\r\n"}}, "STORED\r\n"},
		{"mg", "mg a v q\r\n", []reply{{0, "EN\r\n"}}, ""},
		{
			"binary get", "\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00a",
			[]reply{{0, "VA 1 f2 c3\r\nx\r\n"}},
			"\x81\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x02x",
		},
		{"set noreply", "set a 0 0 1 noreply\r\nx\r\n", []reply{{0, "STORED\r\n"}}, ""},
		{
			"get of two servers", "get b a\r\n",
			[]reply{{0, "VALUE a 0 1\r\nx\r\nEND\r\n"}, {2, "VALUE b 0 1\r\ny\r\nEND\r\n"}},
			"VALUE b 0 1\r\ny\r\nVALUE a 0 1\r\nx\r\nEND\r\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newExchange(t, link.Memcache)
			e.requests, e.replies, e.want = []byte(test.requests), test.replies, test.want
			if got := e.allocations(); got != 0 {
				t.Errorf("%v allocations", got)
			}
		})
	}
}

func TestClientTLSAllocations(t *testing.T) {
	r := tlsFront(t, nil)
	r.unchecked = true
	c := r.connectTLS("c", believing())
	pings := []byte(strings.Repeat("PING\r\n", 16))
	run := func() {
		c.tls.say = append(c.tls.say, pings...)
		r.turn()
		if got := c.take(); len(got) != 16*len("+PONG\r\n") {
			t.Fatalf("it gets %q", got)
		}
	}
	for range 100 {
		run()
	}
	if got := testing.AllocsPerRun(200, run); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestServerTLSAllocations(t *testing.T) {
	r := newRig(t)
	r.unchecked = true
	r.tlsPool("s1")
	r.start()
	e := &exchange{rig: r, client: r.connect("a", 0, 0)}
	get := redisRequestOf("GET", "a")
	e.client.send(get)
	r.turn()
	server := r.agree(r.servers[0])
	server.take()
	server.send([]byte("$-1\r\n"))
	r.turn()
	e.client.take()
	value := "$100\r\n" + strings.Repeat("x", 100) + "\r\n"
	e.requests, e.replies, e.want = bytes.Repeat(get, 16), []reply{{0, strings.Repeat(value, 16)}}, strings.Repeat(value, 16)
	if got := e.allocations(); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

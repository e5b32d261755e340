//go:build !race

// What a forwarded request costs in allocations: none. Not under the race detector, with which sync.Pool forgets at
// random.

package core

import (
	"bytes"
	"strings"
	"testing"

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

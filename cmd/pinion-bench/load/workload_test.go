// The bytes of both directions, written out, and cut at every place.

package load

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// specFor returns a small valid load.
func specFor(p Protocol, o Operation, addresses ...string) Spec {
	if addresses == nil {
		addresses = []string{"/nowhere"}
	}
	return Spec{
		Addresses: addresses, Protocol: p, Operation: o, Connections: 3, Pipeline: 4, Keys: 50, KeysPerRequest: 2,
		ValueBytes: 5, Threads: 1, InOrder: true,
	}
}

// Requests 0 of connection 1 name key 1, and with a second one it is the same, since keys go in order of requests.
func TestGoldenBytes(t *testing.T) {
	for _, c := range []struct {
		protocol       Protocol
		operation      Operation
		request, reply string // VALUE stands for the five bytes of key 1
	}{
		{Redis, Get, "*2\r\n$3\r\nGET\r\n$14\r\nkey:0000000001\r\n", "$5\r\nVALUE\r\n"},
		{Redis, Set, "*3\r\n$3\r\nSET\r\n$14\r\nkey:0000000001\r\n$5\r\nVALUE\r\n", "+OK\r\n"},
		{Redis, MGet, "*3\r\n$4\r\nMGET\r\n$14\r\nkey:0000000001\r\n$14\r\nkey:0000000001\r\n",
			"*2\r\n$5\r\nVALUE\r\n$5\r\nVALUE\r\n"},
		{Redis, MSet, "*5\r\n$4\r\nMSET\r\n$14\r\nkey:0000000001\r\n$5\r\nVALUE\r\n" +
			"$14\r\nkey:0000000001\r\n$5\r\nVALUE\r\n", "+OK\r\n"},
		{Redis, Multi, "*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nGET\r\n$14\r\nkey:0000000001\r\n*2\r\n$3\r\nGET\r\n$14\r\nkey:0000000001\r\n" +
			"*1\r\n$4\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$5\r\nVALUE\r\n$5\r\nVALUE\r\n"},
		{Redis, Miss, "*2\r\n$3\r\nGET\r\n$14\r\nkey:0000000001\r\n", "$-1\r\n"},
		{Memcache, Miss, "get key:0000000001\r\n", "END\r\n"},
		{Memcache, Get, "get key:0000000001\r\n", "VALUE key:0000000001 0 5\r\nVALUE\r\nEND\r\n"},
		{Memcache, Set, "set key:0000000001 0 0 5\r\nVALUE\r\n", "STORED\r\n"},
		{Memcache, MGet, "get key:0000000001 key:0000000001\r\n",
			"VALUE key:0000000001 0 5\r\nVALUE\r\nVALUE key:0000000001 0 5\r\nVALUE\r\nEND\r\n"},
	} {
		w, err := newWorkload(specFor(c.protocol, c.operation))
		if err != nil {
			t.Fatal(err)
		}
		value := string(w.noise[1:6])
		for _, side := range []struct {
			m    *message
			want string
		}{{w.requestAt(1, 0), c.request}, {w.replyAt(1, 0), c.reply}} {
			want := strings.ReplaceAll(side.want, "\nVALUE\r", "\n"+value+"\r")
			whole := w.render(make([]byte, 0, 1000), side.m, 1, 0, 0)
			if string(whole) != want || side.m.bytes != len(want) {
				t.Errorf("%s %s: %q, %d bytes; want %q", c.protocol, c.operation, whole, side.m.bytes, want)
			}
			checkCuts(t, w, side.m, whole)
		}
	}
}

// checkCuts renders every part of a message.
func checkCuts(t *testing.T, w *workload, m *message, whole []byte) {
	t.Helper()
	for from := range whole {
		for room := range len(whole) - from + 2 {
			want := whole[from:min(from+room, len(whole))]
			if part := w.render(make([]byte, 0, room), m, 1, 0, from); !bytes.Equal(part, want) {
				t.Fatalf("from %d, room for %d: %q, want %q", from, room, part, want)
			}
		}
	}
}

func TestKeysInOrderAreAllKeys(t *testing.T) {
	w, err := newWorkload(specFor(Redis, Set))
	if err != nil {
		t.Fatal(err)
	}
	var seen []uint64
	for n := range uint64(17) { // 3 connections make 51 requests
		for id := range uint64(3) {
			seen = append(seen, w.key(id, n, 0))
		}
	}
	slices.Sort(seen)
	if seen = slices.Compact(seen); len(seen) != 50 || seen[49] != 49 {
		t.Errorf("51 requests name %d keys: %d", len(seen), seen)
	}
}

func TestRandomKeysAreSpread(t *testing.T) {
	s := specFor(Redis, MGet)
	s.InOrder = false
	w, err := newWorkload(s)
	if err != nil {
		t.Fatal(err)
	}
	var counts [50]int
	for n := range uint64(10_000) {
		counts[w.key(n%3, n/3, int(n%2))]++
	}
	for key, n := range counts {
		if n < 100 || n > 300 { // 200 expected; 100 is seven standard deviations away
			t.Errorf("key %d was named %d times of 10,000", key, n)
		}
	}
}

func TestMixedWritesOneInTen(t *testing.T) {
	w, err := newWorkload(specFor(Redis, Mixed))
	if err != nil {
		t.Fatal(err)
	}
	writes := 0
	for n := range uint64(10_000) {
		request, reply := w.requestAt(1, n), w.replyAt(1, n)
		if request.hasValue == reply.hasValue {
			t.Fatalf("request %d and its reply are of different kinds", n)
		}
		if request.hasValue {
			writes++
		}
	}
	if writes < 800 || writes > 1200 {
		t.Errorf("%d of 10,000 requests write", writes)
	}
}

func TestSpecErrors(t *testing.T) {
	for _, c := range []struct {
		change func(*Spec)
		want   string
	}{
		{func(s *Spec) { s.Connections = 0 }, "connections: 0 is not between 1 and 60000"},
		{func(s *Spec) { s.Pipeline = -1 }, "pipeline: -1 is not between 1 and 100000"},
		{func(s *Spec) { s.Threads = 4 }, "threads: 4 is not between 1 and 3"},
		{func(s *Spec) { s.Addresses = []string{} }, "addresses: 0 is not between 1 and 60000"},
		{func(s *Spec) { s.Addresses = []string{"localhost:1"} },
			`address "localhost:1" is neither IP:PORT nor the path of a unix socket`},
		{func(s *Spec) { s.Protocol = "http" }, `unknown protocol "http"; it is redis or memcache`},
		{func(s *Spec) { s.Operation = "del" }, `unknown workload "del"; it is one of [get set mget mset mixed miss multi]`},
		{func(s *Spec) { s.Protocol, s.Operation = Memcache, MSet }, "the protocol has no mset"},
	} {
		s := specFor(Redis, Get)
		c.change(&s)
		if _, err := newWorkload(s); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

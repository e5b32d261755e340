// What a request costs: no allocation, and how much time.

package memcache

import (
	"strings"
	"testing"
)

// traffic is what most clients send most of the time, and how it is answered.
var traffic = []struct{ name, request, reply string }{
	{"get", "get user:1000:profile\r\n", "VALUE user:1000:profile 0 5\r\nhello\r\nEND\r\n"},
	{"miss", "get user:1000:profile\r\n", "END\r\n"},
	{"set", "set user:1000:profile 0 300 64\r\n" + strings.Repeat("v", 64) + "\r\n", "STORED\r\n"},
	{"set noreply", "set user:1000:profile 0 300 5 noreply\r\nhello\r\n", "STORED\r\n"},
	{"mg", "mg user:1000:profile v f c O12\r\n", "VA 5 f0 c9 O12\r\nhello\r\n"},
	{"ms", "ms user:1000:profile 5 q T300\r\nhello\r\n", "HD\r\n"},
	{"incr", "incr hits 1\r\n", "18446744073709551615\r\n"},
	{"delete", "delete user:1000:profile\r\n", "DELETED\r\n"},
	{"get 10", "get" + strings.Repeat(" user:1000:profile", 10) + "\r\n",
		strings.Repeat("VALUE user:1000:profile 0 5\r\nhello\r\n", 10) + "END\r\n"},
}

func TestNoAllocations(t *testing.T) {
	keys, dst := make([]Span, 0, 16), make([]byte, 0, 4096)
	for _, c := range traffic {
		request, reply := []byte(c.request), []byte(c.reply)
		got := testing.AllocsPerRun(100, func() {
			r, spans, n, err := ConsumeRequest(request, keys)
			measured, _, merr := MeasureRequest(request, Progress{})
			replied, _, rerr := ConsumeReply(reply, Progress{})
			if err != nil || merr != nil || rerr != nil || n+measured != 2*len(request) || replied != len(reply) {
				t.Fatal(err, merr, rerr, n, measured, replied)
			}
			dst = AppendForward(dst[:0], request, &r)
			keys = spans[:0]
		})
		if got != 0 {
			t.Errorf("%s: %v allocations", c.name, got)
		}
	}
	for _, in := range []string{"x\r\n", "set k x 0 5 noreply\r\n", "mg k q q\r\n"} {
		b := []byte(in)
		if got := testing.AllocsPerRun(100, func() { ConsumeRequest(b, keys) }); got != 0 {
			t.Errorf("%q: %v allocations", in, got)
		}
	}
}

// divided is a get of ten keys over two servers.
func divided(tb testing.TB) (b []byte, r Request, keys []Span, owner []int32, replies [][]byte) {
	b = []byte("get k0 k1 k2 k3 k4 k5 k6 k7 k8 k9\r\n")
	r, keys = mustParse(tb, string(b))
	var parts [2]strings.Builder
	for i, key := range keys {
		owner = append(owner, int32(i%2))
		parts[i%2].WriteString("VALUE " + string(key.Of(b)) + " 0 5\r\nhello\r\n")
	}
	return b, r, keys, owner, byteSlices([]string{parts[0].String() + "END\r\n", parts[1].String() + "END\r\n"})
}

func TestNoAllocationsWhenDivided(t *testing.T) {
	b, r, keys, owner, replies := divided(t)
	dst, used := make([]byte, 0, 4096), make([][]byte, 2)
	even, odd := partOf(owner, 0), partOf(owner, 1)
	got := testing.AllocsPerRun(100, func() {
		dst = AppendFragment(dst[:0], b, &r, keys, even)
		dst = AppendFragment(dst, b, &r, keys, odd)
		copy(used, replies)
		dst = MergeReplies(dst[:0], b, &r, keys, owner, used)
	})
	if got != 0 || !strings.HasSuffix(string(dst), "VALUE k9 0 5\r\nhello\r\nEND\r\n") {
		t.Errorf("%v allocations, %q", got, dst)
	}
}

func BenchmarkConsumeRequest(b *testing.B) {
	for _, c := range traffic {
		b.Run(c.name, func(b *testing.B) {
			request, keys := []byte(c.request), make([]Span, 0, 16)
			for b.Loop() {
				ConsumeRequest(request, keys)
			}
		})
	}
}

func BenchmarkAppendForward(b *testing.B) {
	for _, c := range traffic {
		b.Run(c.name, func(b *testing.B) {
			request, dst := []byte(c.request), make([]byte, 0, 4096)
			r, _, _, _ := ConsumeRequest(request, nil)
			for b.Loop() {
				dst = AppendForward(dst[:0], request, &r)
			}
		})
	}
}

func BenchmarkConsumeReply(b *testing.B) {
	for _, c := range traffic {
		b.Run(c.name, func(b *testing.B) {
			reply := []byte(c.reply)
			for b.Loop() {
				ConsumeReply(reply, Progress{})
			}
		})
	}
}

func BenchmarkDividedGet(bench *testing.B) {
	b, r, keys, owner, replies := divided(bench)
	dst, used := make([]byte, 0, 4096), make([][]byte, 2)
	even, odd := partOf(owner, 0), partOf(owner, 1)
	for bench.Loop() {
		dst = AppendFragment(dst[:0], b, &r, keys, even)
		dst = AppendFragment(dst, b, &r, keys, odd)
		copy(used, replies)
		dst = MergeReplies(dst[:0], b, &r, keys, owner, used)
	}
}

func BenchmarkLookup(b *testing.B) {
	name := []byte("replace")
	for b.Loop() {
		Lookup(name)
	}
}

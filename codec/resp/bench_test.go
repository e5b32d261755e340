// What the hot path costs: no allocation, and how many nanoseconds.

package resp

import (
	"bytes"
	"testing"
)

var (
	benchGet, benchGetArgs   = request("GET", "user:1000")
	benchMset, benchMsetArgs = request("MSET", "a", "1", "b", "2", "c", "3", "d", "4")
	benchSet                 = AppendBulk(benchHead("SET", "k"), bytes.Repeat([]byte("x"), 4096))
	benchEval, benchEvalArgs = request("EVAL", "return 1", "2", "a", "b")
	benchInline              = []byte("set key \"a value\"\r\n")
	benchArray               = []byte("*4\r\n$3\r\nabc\r\n$-1\r\n$10\r\n0123456789\r\n:12\r\n")
	benchOwner               = []int32{0, 1, 0, 1}
	benchPart                = []int32{1, 3}
	benchParts               = [2][]byte{[]byte("*2\r\n$1\r\na\r\n$-1\r\n"), []byte("*2\r\n$1\r\nb\r\n$1\r\nd\r\n")}
)

func benchHead(args ...string) []byte {
	b := AppendArray(nil, len(args)+1)
	for _, a := range args {
		b = AppendBulkString(b, a)
	}
	return b
}

// hotPath is every function that a forwarded request may meet. ok is false if the function did not do its work.
var hotPath = []struct {
	name string
	run  func(s *scratch) (ok bool)
}{
	{"ConsumeRequest", func(s *scratch) bool {
		n, args, err := ConsumeRequest(benchGet, s.args)
		return n > 0 && len(args) == 2 && err == nil
	}},
	{"ConsumeRequest/9", func(s *scratch) bool {
		n, args, err := ConsumeRequest(benchMset, s.args)
		return n > 0 && len(args) == 9 && err == nil
	}},
	{"MeasureRequest", func(s *scratch) bool {
		n, p, err := MeasureRequest(benchSet[:100], Progress{})
		m, _, err2 := MeasureRequest(benchSet, p)
		return n == 0 && m == len(benchSet) && err == nil && err2 == nil
	}},
	{"ConsumeInline", func(s *scratch) bool {
		n, out, err := ConsumeInline(benchInline, s.out)
		return n == len(benchInline) && len(out) > 0 && err == nil
	}},
	{"Lookup/get", func(s *scratch) bool { return Lookup(s.get) != nil }},
	{"Lookup/zremrangebyscore", func(s *scratch) bool { return Lookup(s.long) != nil }},
	{"Lookup/unknown", func(s *scratch) bool { return Lookup(s.unknown) == nil }},
	{"Resolve+CheckArity+Keys", func(s *scratch) bool {
		c := Lookup(s.get).Resolve(benchGet, benchGetArgs)
		keys, err := c.Keys(benchGet, benchGetArgs, s.keys)
		return c.CheckArity(len(benchGetArgs)) && len(keys) == 1 && err == nil
	}},
	{"Keys/eval", func(s *scratch) bool {
		keys, err := Lookup(s.eval).Keys(benchEval, benchEvalArgs, s.keys)
		return len(keys) == 2 && err == nil
	}},
	{"ConsumeReply/status", func(s *scratch) bool { return consumed(s.status) }},
	{"ConsumeReply/integer", func(s *scratch) bool { return consumed(s.integer) }},
	{"ConsumeReply/bulk", func(s *scratch) bool { return consumed(s.bulk) }},
	{"ConsumeReply/array", func(s *scratch) bool { return consumed(benchArray) }},
	{"AppendFragment", func(s *scratch) bool {
		return len(AppendFragment(s.out, benchMset, benchMsetArgs, s.mset, benchPart)) > 0
	}},
	{"MergeReplies/array", func(s *scratch) bool {
		s.replies = benchParts
		out := MergeReplies(s.out, s.mget, benchOwner, s.replies[:], false)
		return len(out) > 0 && out[0] == '*'
	}},
	{"MergeReplies/sum", func(s *scratch) bool {
		s.replies = [2][]byte{s.integer, s.integer}
		return string(MergeReplies(s.out, s.del, benchOwner, s.replies[:], false)) == ":24690\r\n"
	}},
}

// scratch is what a caller owns: buffers with capacity, and inputs that the compiler cannot see through.
type scratch struct {
	args                     []Span
	keys                     []int32
	out                      []byte
	get, long, unknown, eval []byte
	status, integer, bulk    []byte
	mget, mset, del          *Command
	replies                  [2][]byte
}

func newScratch() *scratch {
	return &scratch{
		args: make([]Span, 0, 16), keys: make([]int32, 0, 16), out: make([]byte, 0, 1024),
		get: []byte("GET"), long: []byte("ZREMRANGEBYSCORE"), unknown: []byte("NOSUCHCOMMAND"), eval: []byte("eval"),
		status: []byte("+OK\r\n"), integer: []byte(":12345\r\n"), bulk: []byte("$12\r\nhello, world\r\n"),
		mget: Lookup([]byte("mget")), mset: Lookup([]byte("mset")), del: Lookup([]byte("del")),
	}
}

func consumed(reply []byte) bool {
	n, _, err := ConsumeReply(reply, Progress{})
	return n == len(reply) && err == nil
}

func TestHotPathAllocatesNothing(t *testing.T) {
	s := newScratch()
	for _, h := range hotPath {
		if !h.run(s) {
			t.Errorf("%s failed", h.name)
		}
		if allocs := testing.AllocsPerRun(100, func() { h.run(s) }); allocs != 0 {
			t.Errorf("%s: %v allocations", h.name, allocs)
		}
	}
}

func BenchmarkHotPath(b *testing.B) {
	s := newScratch()
	for _, h := range hotPath {
		b.Run(h.name, func(b *testing.B) {
			for b.Loop() {
				h.run(s)
			}
		})
	}
}

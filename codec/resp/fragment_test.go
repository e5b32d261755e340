// Divided requests: the parts, and what becomes of the replies to them.

package resp

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// partOf returns the numbers of the keys of one fragment.
func partOf(owner []int32, fragment int) (part []int32) {
	for i, o := range owner {
		if int(o) == fragment {
			part = append(part, int32(i))
		}
	}
	return part
}

func TestAppendFragment(t *testing.T) {
	for _, e := range []struct {
		request string
		owner   []int32
		parts   []string
	}{
		{"MGET a b c", []int32{0, 1, 0}, []string{"mget a c", "mget b"}},
		{"mset a 1 b 2 c 3", []int32{1, 0, 1}, []string{"mset b 2", "mset a 1 c 3"}},
		{"Del a a", []int32{0, 0}, []string{"del a a"}},
		{"exists a b", []int32{2, 0}, []string{"exists b", "exists", "exists a"}},
	} {
		b, args := request(strings.Fields(e.request)...)
		c := Lookup(args[0].Of(b))
		for f, want := range e.parts {
			part := AppendFragment([]byte("before"), b, args, c, partOf(e.owner, f))
			n, got, err := consumeStrings(string(part[6:]))
			if n != len(part)-6 || err != nil || !slices.Equal(got, strings.Fields(want)) {
				t.Errorf("%s: fragment %d: got %d %q %v, want %s", e.request, f, n, got, err, want)
			}
		}
	}
}

func TestMergeReplies(t *testing.T) {
	const down = "-ERR Connection refused\r\n"
	for _, e := range []struct {
		name    string
		owner   []int32
		replies []string
		perKey  bool
		want    string
	}{
		{"mget", []int32{0, 1, 0}, []string{"*2\r\n$1\r\na\r\n$-1\r\n", "*1\r\n$1\r\nb\r\n"}, false,
			"*3\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n"},
		{"mget", []int32{1, 0}, []string{"*1\r\n$1\r\nb\r\n", "*1\r\n_\r\n"}, false, "*2\r\n_\r\n$1\r\nb\r\n"},
		{"mget", []int32{1, 0}, []string{"|1\r\n+ttl\r\n:3\r\n*1\r\n_\r\n", "*1\r\n$1\r\nb\r\n"}, false, "*2\r\n$1\r\nb\r\n_\r\n"},
		{"mget", []int32{1, 0}, []string{"|0\r\n|1\r\n+a\r\n%1\r\n:1\r\n_\r\n" + down, "*1\r\n_\r\n"}, true, "*2\r\n_\r\n" + down},
		{"mget", []int32{0, 1}, []string{"*1\r\n$1\r\na\r\n", down}, false, down},
		{"mget", []int32{1, 0, 1}, []string{"*1\r\n$1\r\na\r\n", down}, true, "*3\r\n" + down + "$1\r\na\r\n" + down},
		{"mget", []int32{0, 1}, []string{down, down}, true, "*2\r\n" + down + down},
		{"mget", []int32{0, 1}, []string{"*0\r\n", "*1\r\n$1\r\nb\r\n"}, false, "unexpected"},
		{"mget", []int32{0, 1}, []string{"*2\r\n$1\r\na\r\n:1\r\n", "*1\r\n$1\r\nb\r\n"}, false, "unexpected"},
		{"mget", []int32{0, 1}, []string{"*-1\r\n", "*1\r\n$1\r\nb\r\n"}, false, "unexpected"},
		{"mget", []int32{0, 1}, []string{":1\r\n", "*1\r\n$1\r\nb\r\n"}, true, "unexpected"},
		{"mget", []int32{0, 1}, []string{"", "*1\r\n$1\r\nb\r\n"}, true, "unexpected"},
		{"mget", []int32{0, 0}, []string{"*2\r\n-ERR x\r\n$1\r\nb\r\n"}, true, "unexpected"},
		{"mget", []int32{0, 0}, []string{"*2\r\n$1\r\nb\r\n-ERR x\r\n"}, true, "unexpected"},

		{"del", []int32{0, 1, 2}, []string{":1\r\n", ":0\r\n", ":41\r\n"}, false, ":42\r\n"},
		{"del", []int32{0, 1}, []string{"|1\r\n+a\r\n+b\r\n:1\r\n", ":1\r\n"}, false, ":2\r\n"},
		{"exists", []int32{0, 1}, []string{":1\r\n", down}, true, down},
		{"touch", []int32{0, 1}, []string{":1\r\n", "+OK\r\n"}, false, "unexpected"},
		{"unlink", []int32{0}, []string{":7\r\n"}, false, ":7\r\n"},

		{"mset", []int32{0, 1}, []string{"+OK\r\n", "+OK\r\n"}, false, "+OK\r\n"},
		{"mset", []int32{0, 1}, []string{"+OK\r\n", "-OOM not allowed\r\n"}, true, "-OOM not allowed\r\n"},
		{"mset", []int32{0, 1}, []string{"+OK\r\n", ":1\r\n"}, false, "unexpected"},
	} {
		if e.want == "unexpected" {
			e.want = "-ERR unexpected reply of a server to its part of '" + e.name + "'\r\n"
		}
		var replies [][]byte
		for _, r := range e.replies {
			replies = append(replies, []byte(r))
		}
		got := MergeReplies([]byte("+before\r\n"), Lookup([]byte(e.name)), e.owner, replies, e.perKey)
		if string(got) != "+before\r\n"+e.want {
			t.Errorf("%s %q: got %q", e.name, e.replies, got)
		}
	}
}

// mergeOneByOne is MergeReplies for those who take one element after the other.
func mergeOneByOne(c *Command, owner []int32, replies [][]byte, perKey bool) []byte {
	counts := make([]int32, len(replies))
	for _, f := range owner {
		counts[f]++
	}
	if failure := OpenArrays(c, counts, replies, perKey); failure != nil {
		return failure
	}
	dst := AppendArray(nil, len(owner))
	for _, f := range owner {
		if counts[f] == FailedFragment {
			dst = append(dst, replies[f]...)
			continue
		}
		n := FrontElement(replies[f])
		if n == 0 {
			return appendUnexpected(nil, c)
		}
		dst = append(dst, replies[f][:n]...)
		replies[f] = replies[f][n:]
	}
	return dst
}

// FuzzMergeReplies: whatever servers answer, a client gets exactly one reply.
func FuzzMergeReplies(f *testing.F) {
	f.Add("mget", "*1\r\n$1\r\na\r\n", "*1\r\n$-1\r\n", true)
	f.Add("mget", "*2\r\n*1\r\n:1\r\n:2\r\n", "-ERR x\r\n", true)
	f.Add("mget", "*1\r\n-ERR x\r\n", "*2\r\n:1\r\n:2\r\n", true)
	f.Add("mget", "*1\r\n:1\r\n", "*2\r\n:1\r\n-ERR x\r\n", false)
	f.Add("mget", "|1\r\n+a\r\n:1\r\n*1\r\n_\r\n", "|0\r\n|1\r\n_\r\n#t\r\n-ERR x\r\n", true)
	f.Add("del", ":1\r\n", ":9223372036854775807\r\n", false)
	f.Add("mset", "+OK\r\n", "+OK\r\n", false)
	f.Fuzz(func(t *testing.T, name, x, y string, perKey bool) {
		c := Lookup([]byte(name))
		for _, r := range []string{x, y} {
			if n, _, err := ConsumeReply([]byte(r), Progress{}); n == 0 || n != len(r) || err != nil {
				return
			}
		}
		if c == nil || c.Route != Fragment {
			return
		}
		got := MergeReplies(nil, c, []int32{1, 0, 1}, [][]byte{[]byte(x), []byte(y)}, perKey)
		if n, _, err := ConsumeReply(got, Progress{}); n != len(got) || err != nil {
			t.Fatalf("%s %q %q: got %q: %d %v", name, x, y, got, n, err)
		}
		if c.Merge != MergeArray {
			return
		}
		if twin := mergeOneByOne(c, []int32{1, 0, 1}, [][]byte{[]byte(x), []byte(y)}, perKey); !bytes.Equal(twin, got) {
			t.Fatalf("%s %q %q: got %q, one by one %q", name, x, y, got, twin)
		}
	})
}

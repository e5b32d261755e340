// Division of requests, and what becomes of the replies to their parts.

package memcache

import (
	"strings"
	"testing"
)

func mustParse(t testing.TB, in string) (Request, []Span) {
	t.Helper()
	r, keys, n, err := ConsumeRequest([]byte(in), nil)
	if err != nil || n != len(in) {
		t.Fatalf("%q: n = %d, %v", in, n, err)
	}
	return r, keys
}

func byteSlices(texts []string) [][]byte {
	out := make([][]byte, len(texts))
	for i, s := range texts {
		out[i] = []byte(s)
	}
	return out
}

const noMemory = "SERVER_ERROR out of memory writing get response\r\n"

// dividedGets are requests, the servers of their keys, and what one server each gets and answers.
var dividedGets = []struct {
	in        string
	owner     []int32
	fragments []string
	replies   []string
	want      string
}{
	{
		in: "get a b c\r\n", owner: []int32{0, 1, 0},
		fragments: []string{"get a c\r\n", "get b\r\n"},
		replies:   []string{"VALUE a 0 1\r\n1\r\nVALUE c 0 1\r\n3\r\nEND\r\n", "VALUE b 0 1\r\n2\r\nEND\r\n"},
		want:      "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nVALUE c 0 1\r\n3\r\nEND\r\n",
	},
	{
		in: " gets  a b\tx c \n", owner: []int32{1, 0, 1},
		fragments: []string{"gets b\tx\r\n", "gets a c\r\n"},
		replies:   []string{"END\r\n", "VALUE c 7 5 99\r\nEND\r\n\r\nEND\r\n"},
		want:      "VALUE c 7 5 99\r\nEND\r\n\r\nEND\r\n",
	},
	{
		in: "gat  -1  a b\r\n", owner: []int32{0, 1},
		fragments: []string{"gat -1 a\r\n", "gat -1 b\r\n"},
		replies:   []string{"END\r\n", "END\r\n"},
		want:      "END\r\n",
	},
	{ // the server answers twice
		in: "get a b a\r\n", owner: []int32{0, 1, 0},
		fragments: []string{"get a a\r\n", "get b\r\n"},
		replies:   []string{"VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n1\r\nEND\r\n", "END\r\n"},
		want:      "VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n1\r\nEND\r\n",
	},
	{ // a appeared between its two lookups
		in: "get a b a\r\n", owner: []int32{0, 1, 0},
		fragments: []string{"get a a\r\n", "get b\r\n"},
		replies:   []string{"VALUE a 0 1\r\n1\r\nEND\r\n", "VALUE b 0 0\r\n\r\nEND\r\n"},
		want:      "VALUE a 0 1\r\n1\r\nVALUE b 0 0\r\n\r\nEND\r\n",
	},
	{
		in: "get a b\r\n", owner: []int32{0, 1},
		fragments: []string{"get a\r\n", "get b\r\n"},
		replies:   []string{"VALUE a 0 1\r\n1\r\nEND\r\n", ConnectionTimedOut},
		want:      ConnectionTimedOut,
	},
	{
		in: "get a b\r\n", owner: []int32{0, 1},
		fragments: []string{"get a\r\n", "get b\r\n"},
		replies:   []string{"VALUE a 0 1\r\n1\r\n" + noMemory, "ERROR\r\n"},
		want:      noMemory,
	},
	{ // a value that looks like the end of its reply
		in: "get a b\r\n", owner: []int32{0, 1},
		fragments: []string{"get a\r\n", "get b\r\n"},
		replies:   []string{"VALUE a 0 7\r\n\r\nEND\r\n\r\n" + noMemory, "END\r\n"},
		want:      noMemory,
	},
	{ // a key that nobody asked for
		in: "get a b\r\n", owner: []int32{0, 1},
		fragments: []string{"get a\r\n", "get b\r\n"},
		replies:   []string{"VALUE a 0 1\r\n1\r\nEND\r\n", "VALUE x 0 1\r\n1\r\nEND\r\n"},
		want:      InvalidArgument,
	},
	{ // a reply to something else
		in: "get a b\r\n", owner: []int32{0, 1},
		fragments: []string{"get a\r\n", "get b\r\n"},
		replies:   []string{"VALUE a 0 1\r\n1\r\nEND\r\n", "STORED\r\n"},
		want:      InvalidArgument,
	},
}

// partOf returns the numbers of the keys of one fragment.
func partOf(owner []int32, fragment int) (part []int32) {
	for i, o := range owner {
		if int(o) == fragment {
			part = append(part, int32(i))
		}
	}
	return part
}

func TestDividedGet(t *testing.T) {
	for _, c := range dividedGets {
		r, keys := mustParse(t, c.in)
		for i, want := range c.fragments {
			if got := string(AppendFragment(nil, []byte(c.in), &r, keys, partOf(c.owner, i))); got != want {
				t.Errorf("%q: fragment %d is %q, want %q", c.in, i, got, want)
			}
		}
		got := string(MergeReplies([]byte("+"), []byte(c.in), &r, keys, c.owner, byteSlices(c.replies)))
		if got != "+"+c.want {
			t.Errorf("%q: merged %q, want %q", c.in, got, c.want)
		}
	}
}

func TestMergeStatus(t *testing.T) {
	r, _ := mustParse(t, "flush_all\r\n")
	for _, c := range []struct {
		replies []string
		want    string
	}{
		{[]string{"OK\r\n"}, "OK\r\n"},
		{[]string{"OK\r\n", "OK\r\n", "OK\r\n"}, "OK\r\n"},
		{[]string{"OK\r\n", "ERROR\r\n", ConnectionRefused}, "ERROR\r\n"},
		{[]string{"OK\r\n", "STORED\r\n"}, InvalidArgument},
		{nil, InvalidArgument},
	} {
		if got := string(MergeReplies(nil, nil, &r, nil, nil, byteSlices(c.replies))); got != c.want {
			t.Errorf("%q: %q, want %q", c.replies, got, c.want)
		}
	}
}

func TestMergeLists(t *testing.T) {
	r, _ := mustParse(t, "stats items\r\n")
	for _, c := range []struct {
		replies []string
		want    string
	}{
		{[]string{"STAT a 1\r\nSTAT b 2\r\nEND\r\n", "END\r\n", "STAT a 3\r\nEND\r\n"}, "STAT a 1\r\nSTAT b 2\r\nSTAT a 3\r\nEND\r\n"},
		{[]string{"ITEM END [1 b; 0 s]\r\nEND\r\n", "END\r\n"}, "ITEM END [1 b; 0 s]\r\nEND\r\n"},
		{[]string{"OK\r\n", "OK\r\n"}, "OK\r\n"},
		{[]string{"END\r\n", "OK\r\n"}, InvalidArgument},
		{[]string{"STAT a 1\r\nEND\r\n", "ERROR\r\n"}, "ERROR\r\n"},
	} {
		if got := string(MergeReplies(nil, nil, &r, nil, nil, byteSlices(c.replies))); got != c.want {
			t.Errorf("%q: %q, want %q", c.replies, got, c.want)
		}
	}
}

func TestMergeStats(t *testing.T) {
	r, _ := mustParse(t, "stats\r\n")
	stats := func(lines ...string) string { return "STAT " + strings.Join(lines, "\r\nSTAT ") + "\r\nEND\r\n" }
	for _, c := range []struct {
		name    string
		replies []string
		want    string
	}{
		{
			"of each kind",
			[]string{
				stats("pid 1", "uptime 9", "version 1.6.18", "rusage_user 0.25", "cmd_get 3", "accepting_conns 1"),
				stats("pid 2", "uptime 5", "version 1.5.0", "rusage_user 1.25", "cmd_get 4", "accepting_conns 0"),
				stats("pid 3", "uptime 7", "version 1.6.0", "rusage_user 2.25", "cmd_get 5", "accepting_conns 1"),
			},
			stats("pid 1", "uptime 5", "version 1.6.18", "rusage_user 0.25", "cmd_get 12", "accepting_conns 0"),
		},
		{
			"versions that differ in order and in what they count",
			[]string{stats("cmd_get 1", "cmd_meta 2", "novel 3"), stats("cmd_touch 5", "cmd_get 7", "novel 9")},
			stats("cmd_get 8", "cmd_meta 2", "novel 3"),
		},
		{"an error", []string{stats("cmd_get 1"), ConnectionRefused}, ConnectionRefused},
		{"no numbers", []string{stats("cmd_get x"), stats("cmd_get 1")}, stats("cmd_get 1")},
		{"other lines", []string{"ITEM a b\r\nEND\r\n"}, InvalidArgument},
		{"nothing", nil, InvalidArgument},
	} {
		if got := string(MergeReplies(nil, nil, &r, nil, nil, byteSlices(c.replies))); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestStatNames(t *testing.T) {
	if want := len(summed) + len(lowest); len(statColumn) != want {
		t.Errorf("%d columns of %d names: one stands there twice", len(statColumn), want)
	}
}

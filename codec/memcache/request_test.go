// Requests: every prefix of a whole one is incomplete, and what is rejected takes as many bytes along as it should.

package memcache

import (
	"errors"
	"strings"
	"testing"
)

// requests are whole, well-formed requests and what a server gets of them.
var requests = []struct {
	in      string
	keys    string // joined by spaces
	forward string // "" stands for the same as in
	noreply bool
	data    string
}{
	{in: "get a\r\n", keys: "a"},
	{in: "get a\n", keys: "a", forward: "get a\r\n"},
	{in: " get a\r\n", keys: "a", forward: "get a\r\n"},
	{in: "get  a   bb \r\n", keys: "a bb", forward: "get a bb\r\n"},
	{in: "get a bb a\r\n", keys: "a bb a"},
	{in: "get noreply\r\n", keys: "noreply"},
	{in: "gets a bb\r\n", keys: "a bb"},
	{in: "get a b c d e f g h i j\r\n", keys: "a b c d e f g h i j"},
	{in: "gat 0 a\r\n", keys: "a"},
	{in: "gat  -1 a  b\n", keys: "a b", forward: "gat -1 a b\r\n"},
	{in: "gats 99999999999 a b\r\n", keys: "a b"},
	{in: "set k 0 0 5\r\nabcde\r\n", keys: "k", data: "abcde"},
	{in: "set k 4294967295 2147483647 0\r\n\r\n", keys: "k"},
	{in: "add k 0 -2147483648 2\n\r\n\r\n", keys: "k", data: "\r\n", forward: "add k 0 -2147483648 2\r\n\r\n\r\n"},
	{in: "replace k 0 0 1 noreply\r\nx\r\n", keys: "k", data: "x", noreply: true, forward: "replace k 0 0 1\r\nx\r\n"},
	{in: "append k 0 0 1 junk\r\nx\r\n", keys: "k", data: "x", forward: "append k 0 0 1\r\nx\r\n"},
	{in: "prepend  k  0  0  1 \r\nx\r\n", keys: "k", data: "x", forward: "prepend k 0 0 1\r\nx\r\n"},
	{in: "cas k 0 0 1 18446744073709551615\r\nx\r\n", keys: "k", data: "x"},
	{in: "cas k 1 2 1 7 noreply\r\nx\r\n", keys: "k", data: "x", noreply: true, forward: "cas k 1 2 1 7\r\nx\r\n"},
	{in: "incr k 1\r\n", keys: "k"},
	{in: "decr k 4294967296 noreply\r\n", keys: "k", noreply: true, forward: "decr k 4294967296\r\n"},
	{in: "delete k\r\n", keys: "k"},
	{in: "delete k 0\r\n", keys: "k", forward: "delete k\r\n"},
	{in: "delete noreply\r\n", keys: "noreply"},
	{in: "delete noreply noreply\r\n", keys: "noreply", noreply: true, forward: "delete noreply\r\n"},
	{in: "delete k 0 noreply\r\n", keys: "k", noreply: true, forward: "delete k\r\n"},
	{in: "touch k -1\r\n", keys: "k"},
	{in: "touch k 0 noreply\r\n", keys: "k", noreply: true, forward: "touch k 0\r\n"},
	{in: "flush_all\r\n"},
	{in: "flush_all 10\r\n"},
	{in: "flush_all noreply\r\n", noreply: true, forward: "flush_all\r\n"},
	{in: "flush_all 10 noreply\r\n", noreply: true, forward: "flush_all 10\r\n"},
	{in: "flush_all 10 junk\r\n", forward: "flush_all 10\r\n"},
	{in: "version\r\n"},
	{in: "version x\r\n", forward: "version\r\n"},
	{in: "verbosity 1\r\n"},
	{in: "verbosity 1 noreply\r\n", noreply: true, forward: "verbosity 1\r\n"},
	{in: "stats\r\n"},
	{in: "stats reset\r\n"},
	{in: "stats reset now\r\n", forward: "stats reset\r\n"},
	{in: "stats  cachedump 1 1\r\n", forward: "stats cachedump 1 1\r\n"},
	{in: "mn\r\n"},
	{in: "mn x\r\n", forward: "mn\r\n"},
	{in: "mg k\r\n", keys: "k"},
	{in: "mg k v f c t O123 N30 R10 T60\r\n", keys: "k"},
	{in: "mg  k  v\n", keys: "k", forward: "mg k v\r\n"},
	{in: "mg k q v\r\n", keys: "k", forward: "mg k v\r\n"},
	{in: "mg q v\r\n", keys: "q"},
	{in: "mg Zm9v b v\r\n", keys: "Zm9v"},
	{in: "mg k v v\r\n", keys: "k"}, // memcached's answer is one error
	{in: "ms k 5 T0 F7\r\nabcde\r\n", keys: "k", data: "abcde"},
	{in: "ms k 2 I q c\r\n\r\n\r\n", keys: "k", data: "\r\n", forward: "ms k 2 I c\r\n\r\n\r\n"},
	{in: "md k q I T30\r\n", keys: "k", forward: "md k I T30\r\n"},
	{in: "ma k N0 J13 D2 MD v\r\n", keys: "k"},
	{in: "me k\r\n", keys: "k"},
	{in: "me k q\r\n", keys: "k"},
	{in: "quit\r\n"},
	{in: "quit now\r\n", forward: "quit\r\n"},
}

func TestConsumeRequest(t *testing.T) {
	for _, c := range requests {
		t.Run(c.in, func(t *testing.T) {
			// What follows a request must not matter, nor where it ends up in the caller's memory.
			b := []byte(c.in + "\r\nget x\r\n")
			r, spans, n, err := ConsumeRequest(b, nil)
			if err != nil || n != len(c.in) {
				t.Fatalf("n = %d of %d, %v", n, len(c.in), err)
			}
			var keys []string
			for _, s := range spans {
				keys = append(keys, string(s.Of(b)))
			}
			if got := strings.Join(keys, " "); got != c.keys {
				t.Errorf("keys %q, want %q", got, c.keys)
			}
			if r.NoReply != c.noreply || string(r.Data.Of(b)) != c.data {
				t.Errorf("NoReply %v, Data %q", r.NoReply, r.Data.Of(b))
			}
			want := c.forward
			if want == "" {
				want = c.in
			}
			if got := string(AppendForward([]byte("+"), b, &r)); got != "+"+want {
				t.Errorf("forward %q, want %q", got, want)
			}
			if c.in == want != r.plain && r.Cmd.shape != shapeStats {
				t.Errorf("plain is %v", r.plain)
			}
			checkPrefixes(t, c.in)
		})
	}
}

// checkPrefixes makes sure that no prefix of a request is one, and that it is measured alike wherever it is
// interrupted.
func checkPrefixes(t *testing.T, in string) {
	b := []byte(in)
	var p Progress
	for i := range b {
		if _, keys, n, err := ConsumeRequest(b[:i:i], nil); n != 0 || err != nil || len(keys) != 0 {
			t.Errorf("%q: n = %d, %v", b[:i], n, err)
		}
		n, next, err := MeasureRequest(b[:i:i], p)
		if n != 0 || err != nil || next.Pos > len(b) || next.Scan > i {
			t.Errorf("%q: measured n = %d, %+v, %v", b[:i], n, next, err)
		}
		p = next
		if n, _, err := MeasureRequest(b, p); n != len(b) || err != nil {
			t.Errorf("%q, interrupted after %d: measured n = %d, %v", in, i, n, err)
		}
	}
}

func TestProgressTellsTheEnd(t *testing.T) {
	head := "set k 0 0 1000\r\n"
	n, p, err := MeasureRequest([]byte(head), Progress{})
	if want := len(head) + 1000 + len(crlf); n != 0 || err != nil || p.Pos != want {
		t.Errorf("n = %d, %+v, %v; want Pos %d", n, p, err, want)
	}
}

func TestRejectedRequests(t *testing.T) {
	const badFormat = "CLIENT_ERROR bad command line format\r\n"
	key := strings.Repeat("k", MaxKeyBytes)
	for _, c := range []struct {
		in, reply string
		n         int // bytes to skip; 0 stands for all of in
	}{
		{in: "\r\n", reply: "ERROR\r\n"},
		{in: "\n", reply: "ERROR\r\n"},
		{in: "x\r\n", reply: "ERROR\r\n"},
		{in: "GET k\r\n", reply: "ERROR\r\n"},
		{in: "get\r\n", reply: "ERROR\r\n"},
		{in: "get " + key + "k\r\n", reply: badFormat},
		{in: "get a b\x00\r\n", reply: badFormat},
		{in: "stats a\rb\r\n", reply: "ERROR\r\n"},
		{in: "set k x 0 1\r\nget a\r\n", reply: badFormat, n: len("set k x 0 1\r\nget")},
		{in: "set k x 0 5\r\nget a\r\n", reply: badFormat},
		{in: "set k 0 0 5 a b c d e f\r\nget a\r\n", reply: "ERROR\r\n"},
		{in: "set k x 0 5 noreply\r\nget a\r\n"},
		{in: "cas k 0 0 5\r\nget a\r\n", reply: "ERROR\r\n"},
		{in: "set k 0 0 x\r\nget a\r\n", reply: badFormat, n: len("set k 0 0 x\r\n")},
		{in: "set k 0 0 -5\r\nget a\r\n", reply: badFormat, n: len("set k 0 0 -5\r\n")},
		{in: "set k 0 0\r\nget a\r\n", reply: "ERROR\r\n", n: len("set k 0 0\r\n")},
		{in: "set k 0 0 1\r\nget a\r\n", reply: "CLIENT_ERROR bad data chunk\r\n", n: len("set k 0 0 1\r\nget")},
		{in: "set k 0 0 1 noreply\r\nget a\r\n", n: len("set k 0 0 1 noreply\r\nget")},
		{in: "set k 0 0 1073741825\r\n", reply: "SERVER_ERROR object too large for cache\r\n", n: 22 + 1<<30 + 1 + 2},
		{in: "set k 0 0 1073741825 noreply\r\n", n: 30 + 1<<30 + 1 + 2},
		{in: "set k 0 0 4294967296\r\n", reply: badFormat, n: 22 + 1<<32 + 2},
		{in: "set k 0 0 18446744073709551615\r\n", reply: badFormat},
		{in: "mg\r\n", reply: "ERROR\r\n"},
		{in: "me\r\n", reply: badFormat},
		{in: "mg k q q\r\n", reply: "CLIENT_ERROR duplicate flag\r\n"},
		{in: "md k q v q\r\n", reply: "CLIENT_ERROR invalid or duplicate flag\r\n"},
		{in: "mg a!b b\r\n", reply: "CLIENT_ERROR error decoding key\r\n"},
		{in: "me a!b b\r\n", reply: badFormat},
		{in: "mg k v\x00\r\n", reply: badFormat},
		{in: "mg k" + strings.Repeat(" v", 18) + "\r\n", reply: "CLIENT_ERROR options flags are too long\r\n"},
		{in: "ma k" + strings.Repeat(" v", 18) + "\r\n", reply: "CLIENT_ERROR options flags too long\r\n"},
		{in: "ms k 5 q q\r\nget a\r\n", reply: "CLIENT_ERROR duplicate flag\r\n"},
		{in: "ms " + key + "k 5\r\nget a\r\n", reply: badFormat},
		{in: "ms k 1\r\nget a\r\n", reply: "CLIENT_ERROR bad data chunk\r\n", n: len("ms k 1\r\nget")},
		{in: "ms k 1073741825\r\n", reply: "SERVER_ERROR object too large for cache\r\n", n: 17 + 1<<30 + 1 + 2},
		{in: "ms k x\r\nget a\r\n", reply: badFormat, n: len("ms k x\r\n")},
		{in: "ms k\r\n", reply: badFormat},
		{in: "ms\r\n", reply: "ERROR\r\n"},
		{in: "cache_memlimit 64 noreply\r\n"},
	} {
		_, keys, n, err := ConsumeRequest([]byte(c.in+"get x\r\n"), nil)
		var e *RequestError
		if !errors.As(err, &e) || e.Reply != c.reply || e.Close || len(keys) != 0 {
			t.Errorf("%q: %v, want %q", c.in, err, c.reply)
		}
		if c.n == 0 {
			c.n = len(c.in)
		}
		if n != c.n {
			t.Errorf("%q: skips %d bytes, want %d", c.in, n, c.n)
		}
		line := c.in[:strings.IndexByte(c.in, '\n')]
		checkNoDecision(t, line)
	}
}

// checkNoDecision makes sure that nothing is decided before the line is complete.
func checkNoDecision(t *testing.T, line string) {
	for i := range len(line) + 1 {
		_, _, n, err := ConsumeRequest([]byte(line[:i]), nil)
		measured, p, merr := MeasureRequest([]byte(line[:i]), Progress{})
		if n != 0 || err != nil || measured != 0 || merr != nil || p.Pos != 0 {
			t.Errorf("%q: n = %d, %v; measured %d, %+v, %v", line[:i], n, err, measured, p, merr)
		}
	}
}

func TestLineLimits(t *testing.T) {
	keys := " " + strings.Repeat("k ", MaxKeysLineBytes/2)
	for _, c := range []struct {
		name, line string
		tooLong    bool
	}{
		{"delete at the limit", "delete " + strings.Repeat(" ", MaxLineBytes-8) + "k", false},
		{"delete beyond", "delete " + strings.Repeat(" ", MaxLineBytes-7) + "k", true},
		{"gat beyond", "gat 0" + keys[:MaxLineBytes], true},
		{"get late", strings.Repeat(" ", MaxLineBytes) + "get k", true},
		{"get at its limit", "get" + keys[:MaxKeysLineBytes-3], false},
		{"gets at its limit", "gets" + keys[:MaxKeysLineBytes-4], false},
		{"get beyond", "get" + keys[:MaxKeysLineBytes-2], true},
		{"getx beyond", "getx" + keys[:MaxLineBytes], true},
	} {
		whole := []byte(c.line + "\n")
		for _, b := range [][]byte{whole, whole[:len(c.line)]} {
			_, _, n, err := ConsumeRequest(b, nil)
			_, _, merr := MeasureRequest(b, Progress{})
			if c.tooLong != (err == errLineTooLong) || c.tooLong != (merr == errLineTooLong) {
				t.Errorf("%s, %d bytes: n = %d, %v; measured %v", c.name, len(b), n, err, merr)
			}
			if !c.tooLong && (n == len(whole)) != (len(b) == len(whole)) {
				t.Errorf("%s, %d bytes: n = %d", c.name, len(b), n)
			}
		}
	}
}

func TestBinaryProtocol(t *testing.T) {
	b := []byte{BinaryMagic}
	_, _, n, err := ConsumeRequest(b, nil)
	_, _, merr := MeasureRequest(b, Progress{})
	if err != errBinary || merr != errBinary || n != 1 || !errBinary.Close {
		t.Errorf("n = %d, %v; measured %v", n, err, merr)
	}
}

func TestRequestErrorText(t *testing.T) {
	if got := errDelta.Error(); got != "CLIENT_ERROR invalid numeric delta argument" {
		t.Errorf("got %q", got)
	}
	if got := errSilent.Error(); got == "" {
		t.Error("the error of a noreply request has no text for the log")
	}
}

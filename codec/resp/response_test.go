// Replies against examples, against a recursive twin, and in pieces.

package resp

import (
	"strconv"
	"strings"
	"testing"
)

var replyExamples = []string{
	"+OK\r\n",
	"+\r\n",
	"+" + strings.Repeat("long", 100) + "\r\n",
	"-ERR no such key\r\n",
	":1\r\n", ":-42\r\n", ":9223372036854775807\r\n",
	"$-1\r\n", "$0\r\n\r\n", "$5\r\nhello\r\n", "$2\r\n\r\n\r\n", "$10\r\n0123456789\r\n",
	"*-1\r\n", "*0\r\n", "*2\r\n$1\r\na\r\n$-1\r\n", "*1\r\n*1\r\n*1\r\n*0\r\n",
	"*3\r\n:1\r\n*2\r\n+a\r\n-b\r\n$3\r\nend\r\n",
	"_\r\n", "#t\r\n", "#f\r\n", ",3.14\r\n", ",inf\r\n", "(3492890328409238509324850943850943825024385\r\n",
	"!21\r\nSYNTAX invalid syntax\r\n", "=15\r\ntxt:Some string\r\n",
	"%0\r\n", "%2\r\n+first\r\n:1\r\n+second\r\n*1\r\n:2\r\n", "~3\r\n+a\r\n#t\r\n_\r\n",
	">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
	"*3\r\n+OK\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n:1\r\n$1\r\n1\r\n", // EXEC of a client that publishes to itself
	"|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n", "|0\r\n+OK\r\n", "|1\r\n+a\r\n+b\r\n|1\r\n+c\r\n+d\r\n:1\r\n",
	"*3\r\n:1\r\n|1\r\n+ttl\r\n:3600\r\n:2\r\n:3\r\n", "%1\r\n|1\r\n+x\r\n_\r\n+k\r\n%1\r\n+k\r\n~1\r\n(1\r\n",
}

var replyErrors = []struct{ in, err string }{
	{"\r\n", `unknown kind '\r'`},
	{"hello\r\n", "unknown kind 'h'"},
	{"*1\r\nx", "unknown kind 'x'"},
	{"$?\r\n", "invalid length"},
	{"*?\r\n", "invalid length"},
	{"$-2\r\n", "invalid length"},
	{"$01\r\n", "invalid length"},
	{"$+1\r\n", "invalid length"},
	{"$\r\n", "invalid length"},
	{"%-1\r\n", "invalid length"},
	{"!-1\r\n", "invalid length"},
	{"$140737488355329\r\n", "invalid length"},
	{"*2147483648\r\n", "invalid length"},
	{"*18446744073709551617\r\n", "invalid length"},
	{"*2147483647\r\n*2147483647\r\n", "too many values"},
	{"%2147483647\r\n", "too many values"},
	{"$3\r\nabcd\r\n", "bulk not terminated by CRLF"},
	{"$1\r\na\r\r\n", "bulk not terminated by CRLF"},
	{"$1\rx", "line not terminated by CRLF"},
	{"+a\rb\r\n", "line not terminated by CRLF"},
	{"$" + strings.Repeat("1", 64<<10), "invalid length"},
}

func TestConsumeReply(t *testing.T) {
	for _, in := range replyExamples {
		for _, tail := range []string{"", "+OK\r\n", "\x00"} {
			n, _, err := ConsumeReply([]byte(in+tail), Progress{})
			if n != len(in) || err != nil {
				t.Errorf("%q: got %d %v, want %d", clip(in+tail), n, err, len(in))
			}
		}
		for i := range len(in) {
			if n, _, err := ConsumeReply([]byte(in[:i]), Progress{}); n != 0 || err != nil {
				t.Errorf("%q: got %d %v, want incomplete", clip(in[:i]), n, err)
			}
		}
		for step := range 9 {
			n, err := replyInPieces(t, []byte(in), func(int) int { return 1 + step })
			if n != len(in) || err != nil {
				t.Errorf("%q by %d: got %d %v", clip(in), 1+step, n, err)
			}
		}
	}
}

func TestConsumeReplyErrors(t *testing.T) {
	for _, e := range replyErrors {
		n, _, err := ConsumeReply([]byte(e.in), Progress{})
		if n != 0 || errorText(err) != "reading reply: "+e.err {
			t.Errorf("%q: got %d %v, want %q", clip(e.in), n, err, e.err)
		}
	}
}

func TestConsumeReplyDoesNotRecurse(t *testing.T) {
	deep := strings.Repeat("*1\r\n", 1<<20) + "+OK\r\n"
	if n, _, err := ConsumeReply([]byte(deep), Progress{}); n != len(deep) || err != nil {
		t.Errorf("got %d %v", n, err)
	}
}

func TestConsumeReplyTellsHowFarABulkReaches(t *testing.T) {
	n, next, err := ConsumeReply([]byte("*2\r\n$1000000\r\nabc"), Progress{})
	if n != 0 || err != nil || next != (Progress{Pos: 14 + 1000000 + 2, Left: 1}) {
		t.Errorf("got %d %+v %v", n, next, err)
	}
}

func TestReplyValues(t *testing.T) {
	for _, e := range []struct {
		in      string
		isError bool
		count   int
		off     int
		array   bool
		v       int64
		integer bool
		s       string
		bulk    bool
	}{
		{in: ""},
		{in: "+OK\r\n"},
		{in: "-ERR x\r\n", isError: true},
		{in: "!1\r\nx\r\n", isError: true},
		{in: "*0\r\n", array: true, off: 4},
		{in: "*-1\r\n", array: true, count: -1, off: 5},
		{in: "*12\r\n", array: true, count: 12, off: 5},
		{in: "*1\r"},
		{in: "*x\r\n"},
		{in: ":7\r\n", v: 7, integer: true},
		{in: ":-7\r\n", v: -7, integer: true},
		{in: ":\r\n"},
		{in: ":7\r\r"},
		{in: ":7x\r\n"},
		{in: "$-1\r\n", bulk: true, s: "null"},
		{in: "$0\r\n\r\n", bulk: true},
		{in: "$3\r\nabc\r\n", bulk: true, s: "abc"},
		{in: "$3\r\nabc\r"},
		{in: "$-1\r\n\r\n"},
	} {
		b := []byte(e.in)
		if IsError(b) != e.isError {
			t.Errorf("IsError(%q)", e.in)
		}
		if count, off, ok := ArrayLen(b); count != e.count || off != e.off || ok != e.array {
			t.Errorf("ArrayLen(%q): got %d %d %v", e.in, count, off, ok)
		}
		if v, ok := Integer(b); v != e.v || ok != e.integer {
			t.Errorf("Integer(%q): got %d %v", e.in, v, ok)
		}
		s, ok := Bulk(b)
		if s == nil && ok {
			s = []byte("null")
		}
		if string(s) != e.s || ok != e.bulk {
			t.Errorf("Bulk(%q): got %q %v", e.in, s, ok)
		}
	}
}

func FuzzConsumeReply(f *testing.F) {
	for _, in := range replyExamples {
		f.Add([]byte(in), uint64(1))
	}
	for _, e := range replyErrors {
		f.Add([]byte(e.in[:min(len(e.in), 100)]), uint64(0x0503))
	}
	f.Fuzz(func(t *testing.T, b []byte, cuts uint64) {
		n, _, err := ConsumeReply(b, Progress{})
		wantN, wantErr := naiveReply(string(b))
		if n != wantN || (err != nil) != wantErr {
			t.Fatalf("%q: got %d %v, twin %d %v", b, n, err, wantN, wantErr)
		}
		m, merr := replyInPieces(t, b, func(i int) int { return 1 + int(cuts>>(i%8*8)&0xff) })
		if m != n || errorText(merr) != errorText(err) {
			t.Fatalf("%q in pieces: got %d %v, whole %d %v", b, m, merr, n, err)
		}
	})
}

type outcome int

const (
	incomplete outcome = iota
	malformed
)

// naiveReply is the slow twin of ConsumeReply: it recurses into aggregates, and panics out of them with an outcome.
func naiveReply(s string) (n int, bad bool) {
	defer func() {
		switch recover() {
		case incomplete:
			n, bad = 0, false
		case malformed:
			n, bad = 0, true
		}
	}()
	left := int64(1)
	return len(s) - len(naiveValue(s, &left)), false
}

// naiveValue returns what follows the value at the front of s; left counts the values still to come.
func naiveValue(s string, left *int64) (rest string) {
	if s == "" {
		panic(incomplete)
	}
	kind := s[0]
	if !strings.ContainsRune("+-:_#,($!=*~>%|", rune(kind)) {
		panic(malformed)
	}
	line, rest, _ := strings.Cut(s, "\r")
	longest := 64<<10 + 1
	if strings.ContainsRune("+-:_#,(", rune(kind)) {
		longest = 512 << 20
	}
	if len(line) >= longest {
		panic(malformed)
	}
	if rest == "" {
		panic(incomplete)
	}
	if rest[0] != '\n' {
		panic(malformed)
	}
	*left--
	if longest == 512<<20 {
		return rest[1:]
	}
	return naiveContent(kind, line[1:], rest[1:], left)
}

func naiveContent(kind byte, number, rest string, left *int64) string {
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil || strconv.FormatInt(v, 10) != number || v < -1 || v == -1 && kind != '$' && kind != '*' {
		panic(malformed)
	}
	if strings.ContainsRune("$!=", rune(kind)) {
		return naiveBulk(v, rest)
	}
	if v >= 1<<31 {
		panic(malformed)
	}
	if kind == '%' || kind == '|' {
		v *= 2
	}
	if kind == '|' {
		v++
	}
	if *left += max(v, 0); *left >= 1<<31 {
		panic(malformed)
	}
	for v > 0 {
		if strings.HasPrefix(rest, ">") {
			*left++
		} else {
			v--
		}
		rest = naiveValue(rest, left)
	}
	return rest
}

func naiveBulk(size int64, rest string) string {
	switch {
	case size < 0:
		return rest
	case size > 1<<47:
		panic(malformed)
	case int64(len(rest)) < size+2:
		panic(incomplete)
	case rest[size:size+2] != "\r\n":
		panic(malformed)
	}
	return rest[size+2:]
}

func replyInPieces(t *testing.T, b []byte, step func(i int) int) (n int, err error) {
	return inPieces(t, b, step, ConsumeReply)
}

// A status may be as long as any string, as scripts send them, and is looked through once however it arrives.
func TestLongStatus(t *testing.T) {
	whole := []byte("+" + strings.Repeat("x", 3<<20) + "\r\n:1\r\n")
	p := Progress{}
	for size := 1; ; size += 100_000 {
		n, next, err := ConsumeReply(whole[:min(size, len(whole))], p)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			if n != len(whole)-len(":1\r\n") {
				t.Errorf("it ends after %d bytes of %d", n, len(whole))
			}
			return
		}
		if next.Pos != 0 || size > 1 && next.Scan != size-1 {
			t.Fatalf("after %d bytes %+v", size, next)
		}
		p = next
	}
}

// The end of a line that is torn between its two bytes is found.
func TestTornLineEnd(t *testing.T) {
	for _, in := range []string{"+OK\r\n", "+a long status\r\n", "*2\r\n-an error of some length\r\n+OK\r\n"} {
		p := Progress{}
		for i := range len(in) + 1 {
			n, next, err := ConsumeReply([]byte(in[:i]), p)
			if err != nil || (n > 0) != (i == len(in)) {
				t.Errorf("%q: %d %v", in[:i], n, err)
			}
			p = next
		}
	}
}

// Requests against examples, against a slow twin, and in pieces.

package resp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// requestExamples were sent to Redis 7.0.15, except those marked.
var requestExamples = []struct {
	in   string
	args []string
	err  string
}{
	{in: "*1\r\n$4\r\nPING\r\n", args: []string{"PING"}},
	{in: "*2\r\n$3\r\nGET\r\n$0\r\n\r\n", args: []string{"GET", ""}},
	{in: "*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n", args: []string{"GET", "a\r\nb"}},
	{in: "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n*1\r\n$4\r\nPING\r\n", args: []string{"SET", "k", "*1\r\n$4\r\nPING"}},
	{in: "*10\r\n" + strings.Repeat("$1\r\nx\r\n", 10), args: slices.Repeat([]string{"x"}, 10)},
	{in: "*0\r\n"},
	{in: "*-1\r\n"},
	{in: "*-5\r\n"},
	{in: "*-9223372036854775808\r\n"},

	{in: "*+1\r\n", err: "invalid multibulk length"},
	{in: "*01\r\n", err: "invalid multibulk length"},
	{in: "*-0\r\n", err: "invalid multibulk length"},
	{in: "*- 1\r\n", err: "invalid multibulk length"},
	{in: "* 1\r\n", err: "invalid multibulk length"},
	{in: "*1 \r\n", err: "invalid multibulk length"},
	{in: "*\r\n", err: "invalid multibulk length"},
	{in: "*-\r\n", err: "invalid multibulk length"},
	{in: "*x\r\n", err: "invalid multibulk length"},
	{in: "*2147483648\r\n", err: "invalid multibulk length"},
	{in: "*9223372036854775808\r\n", err: "invalid multibulk length"},
	{in: "*-9223372036854775809\r\n", err: "invalid multibulk length"},
	{in: "*99999999999999999999\r\n", err: "invalid multibulk length"},
	{in: "*1\r\n$-1\r\n", err: "invalid bulk length"},
	{in: "*1\r\n$-0\r\n", err: "invalid bulk length"},
	{in: "*1\r\n$04\r\n", err: "invalid bulk length"},
	{in: "*1\r\n$+4\r\n", err: "invalid bulk length"},
	{in: "*1\r\n$\r\n", err: "invalid bulk length"},
	{in: "*1\r\n$x\r\n", err: "invalid bulk length"},
	{in: "*1\r\n$2147483648\r\n", err: "invalid bulk length"},
	{in: "*1\r\n+PING\r\n", err: "expected '$', got '+'"},
	{in: "*1\r\n*1\r\n", err: "expected '$', got '*'"},
	{in: "*1\r\n\r\n", err: "expected '$', got ' '"},
	{in: "*1\r\n\n\r\n", err: "expected '$', got ' '"},
	{in: "*1\r\n\xa4\r\n", err: "expected '$', got '\xa4'"},
	{in: "*" + strings.Repeat("1", 64<<10), err: "too big mbulk count string"},
	{in: "*1\r\n$" + strings.Repeat("1", 64<<10), err: "too big bulk count string"},

	// Redis takes 2,147,483,647 arguments since 7.0 and took these before, skips what stands in place of a line end,
	// and waits for more after a NUL.
	{in: "*2147483648\r\n", err: "invalid multibulk length"},
	{in: "*1\rX", err: "invalid multibulk length"},
	{in: "*1\x00\r\n", err: "invalid multibulk length"},
	{in: "*1\r\n$4\rX", err: "invalid bulk length"},
	{in: "*1\r\n$4\r\nPINGXX", err: "bulk not terminated by CRLF"},
	{in: "*1\r\n$4\r\nPING\rX", err: "bulk not terminated by CRLF"},
}

func TestConsumeRequest(t *testing.T) {
	for _, e := range requestExamples {
		for _, tail := range []string{"", "*", "*1\r\n$4\r\nPING\r\n", "\x00"} {
			n, args, err := consumeStrings(e.in + tail)
			if e.err != "" {
				wantProtocolError(t, e.in, n, err, e.err)
				continue
			}
			if n != len(e.in) || err != nil || !slices.Equal(args, e.args) {
				t.Errorf("%q + %q: got %d %q %v", clip(e.in), tail, n, args, err)
			}
		}
	}
}

func TestEveryPrefixOfARequestIsIncomplete(t *testing.T) {
	for _, e := range requestExamples {
		if len(e.in) > 1000 {
			continue
		}
		for i := range len(e.in) {
			prefix := []byte(e.in[:i])
			if i > 0 {
				n, args, err := ConsumeRequest(prefix, nil)
				wantIncomplete(t, e.in[:i], n, err, e.err)
				if len(args) != 0 {
					t.Errorf("%q: incomplete with %d arguments", prefix, len(args))
				}
			}
			n, _, err := MeasureRequest(prefix, Progress{})
			wantIncomplete(t, e.in[:i], n, err, e.err)
		}
	}
}

func TestBareNewlinesAreNoLineEnds(t *testing.T) {
	if n, _, err := ConsumeRequest([]byte("*1\n$4\nPING\n"), nil); n != 0 || err != nil {
		t.Errorf("got %d %v, want incomplete as in Redis", n, err)
	}
}

// Only its length bounds a request: Redis takes as many arguments.
func TestManyArguments(t *testing.T) {
	const count = 1<<20 + 1
	in := []byte(fmt.Sprintf("*%d\r\n", count) + strings.Repeat("$0\r\n\r\n", count))
	if n, args, err := ConsumeRequest(in, nil); n != len(in) || len(args) != count || err != nil {
		t.Errorf("got %d bytes, %d arguments, %v", n, len(args), err)
	}
}

func TestLengthAtItsLimitIsIncomplete(t *testing.T) {
	for _, in := range []string{"*2147483647\r\n", "*1\r\n$2147483000\r\n", "*" + strings.Repeat("1", 64<<10-1)} {
		if n, _, err := ConsumeRequest([]byte(in), nil); n != 0 || err != nil {
			t.Errorf("%q: got %d %v", clip(in), n, err)
		}
	}
}

// strangerExamples were sent to Redis 7.0.15 with a password.
var strangerExamples = []struct{ in, err string }{
	{in: "*10\r\n" + strings.Repeat("$1\r\nx\r\n", 10)},
	{in: "*11\r\n", err: "unauthenticated multibulk length"},
	{in: "*2147483647\r\n", err: "unauthenticated multibulk length"},
	{in: "*2\r\n$4\r\nAUTH\r\n$16384\r\n" + strings.Repeat("x", 16384) + "\r\n"},
	{in: "*2\r\n$4\r\nAUTH\r\n$16385\r\n", err: "unauthenticated bulk length"},
	{in: "*1\r\n$2147483647\r\n", err: "unauthenticated bulk length"},
	{in: "AUTH " + strings.Repeat("x", 20000) + "\r\n"},
	{in: "*1\r\n$2147483648\r\n"}, // and what else is malformed is said to be that
	{in: "*2147483648\r\n"},
	{in: "*2\r\n$1\r\nx\r\n:1\r\n"},
}

// What is too much is so from the byte on that says so, whatever follows; every shorter prefix is not.
func TestCheckUnauthenticated(t *testing.T) {
	for _, e := range strangerExamples {
		for n := range min(len(e.in), 1000) {
			if err := CheckUnauthenticated([]byte(e.in[:n])); err != nil {
				t.Errorf("%q, %d bytes of it: %v", clip(e.in), n, err)
			}
		}
		for _, tail := range []string{"", "x", "\r\n*11\r\n"} {
			err := CheckUnauthenticated([]byte(e.in + tail))
			if e.err == "" && err != nil || e.err != "" && errorText(err) != "Protocol error: "+e.err {
				t.Errorf("%q + %q: %v, want %q", clip(e.in), tail, err, e.err)
			}
		}
	}
}

func TestRequestSizeIsBounded(t *testing.T) {
	if checkSize(MaxRequestBytes) != nil || checkSize(MaxRequestBytes+1) != errBigRequest {
		t.Error("MaxRequestBytes is not the limit")
	}
}

func TestMeasureRequestTellsHowFarABulkReaches(t *testing.T) {
	n, next, err := MeasureRequest([]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc"), Progress{})
	if n != 0 || err != nil || next != (Progress{Pos: 30 + 1000000 + 2, Left: 0}) {
		t.Errorf("got %d %+v %v", n, next, err)
	}
}

func TestMeasureRequestInPieces(t *testing.T) {
	for _, e := range requestExamples {
		for _, step := range []int{1, 2, 3, 7, 1 << 20} {
			if step < 7 && len(e.in) > 1000 {
				continue
			}
			n, err := measureInPieces(t, []byte(e.in), func(int) int { return step })
			if e.err != "" {
				wantProtocolError(t, e.in, n, err, e.err)
			} else if n != len(e.in) || err != nil {
				t.Errorf("%q by %d: got %d %v", clip(e.in), step, n, err)
			}
		}
	}
}

func FuzzConsumeRequest(f *testing.F) {
	for _, e := range requestExamples {
		f.Add([]byte(e.in), uint64(3))
		f.Add([]byte(e.in+"*2\r\n$1\r\na\r\n$0\r\n\r\n"), uint64(0x010203))
	}
	f.Fuzz(func(t *testing.T, b []byte, cuts uint64) {
		if len(b) == 0 || b[0] != '*' {
			return
		}
		n, args, err := consumeStrings(string(b))
		wantN, wantArgs, wantErr := naiveRequest(string(b))
		if n != wantN || !slices.Equal(args, wantArgs) || errorText(err) != wantErr {
			t.Fatalf("%q: got %d %q %v, twin %d %q %q", b, n, args, err, wantN, wantArgs, wantErr)
		}
		m, merr := measureInPieces(t, b, func(i int) int { return 1 + int(cuts>>(i%8*8)&0xff) })
		if m != n || errorText(merr) != wantErr {
			t.Fatalf("%q in pieces: got %d %v, whole %d %v", b, m, merr, n, err)
		}
		if n > 0 {
			checkHead(t, b[:n], args)
		}
	})
}

// checkHead: the first arguments of a complete request are found without looking at the others.
func checkHead(t *testing.T, b []byte, want []string) {
	t.Helper()
	for most := range len(want) + 1 {
		count, args := RequestHead(b, nil, most)
		if count != len(want) || len(args) != most {
			t.Fatalf("%q: got %d arguments and %d of them, want %d and %d", b, count, len(args), len(want), most)
		}
		for i, arg := range args {
			if got := string(arg.Of(b)); got != want[i] {
				t.Fatalf("%q: argument %d is %q, want %q", b, i, got, want[i])
			}
		}
		if most == count && count > 0 && args[count-1].End() != len(b) {
			t.Fatalf("%q: the last argument ends at %d", b, args[count-1].End())
		}
	}
}

func FuzzAppendConsume(f *testing.F) {
	f.Add("SET", "k", "v\r\n")
	f.Add("", "$1\r\n", strings.Repeat("x", 100))
	f.Fuzz(func(t *testing.T, x, y, z string) {
		b := AppendArray(nil, 3)
		b = AppendBulkString(b, x)
		b = AppendBulk(b, []byte(y))
		b = AppendBulkString(b, z)
		n, args, err := consumeStrings(string(b))
		if n != len(b) || err != nil || !slices.Equal(args, []string{x, y, z}) {
			t.Fatalf("%q: got %d %q %v", b, n, args, err)
		}
	})
}

// naiveRequest is the slow twin of ConsumeRequest: it cuts strings.
func naiveRequest(s string) (n int, args []string, errText string) {
	rest := s
	count, rest, errText := naiveHeader(rest, "*", -1<<63, MaxArgs, "multibulk length", "mbulk count")
	if rest == "" && errText == "" {
		if count <= 0 && strings.HasSuffix(s, "\r\n") {
			return len(s), nil, ""
		}
		return 0, nil, ""
	}
	for ; count > 0 && errText == ""; count-- {
		var size int64
		size, rest, errText = naiveHeader(rest, "$", 0, MaxRequestBytes, "bulk length", "bulk count")
		if errText != "" || int64(len(rest)) < size+2 {
			return 0, nil, errText
		}
		if rest[size:size+2] != "\r\n" {
			return 0, nil, "Protocol error: bulk not terminated by CRLF"
		}
		args = append(args, rest[:size])
		rest = rest[size+2:]
	}
	if errText != "" {
		return 0, nil, errText
	}
	return len(s) - len(rest), args, ""
}

// naiveHeader reads a line of kind and a number from the front of s; rest is "" if there is none or nothing after it.
func naiveHeader(s, kind string, low, high int64, what, size string) (v int64, rest, errText string) {
	line, rest, found := strings.Cut(s, "\r")
	if len(line) > 64<<10 {
		return 0, "", "Protocol error: too big " + size + " string"
	}
	if !found || rest == "" {
		return 1, "", ""
	}
	if rest[0] != '\n' {
		return 0, "", "Protocol error: invalid " + what
	}
	if number, ok := strings.CutPrefix(line, kind); ok {
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil || strconv.FormatInt(v, 10) != number || v < low || v > high {
			return 0, "", "Protocol error: invalid " + what
		}
		return v, rest[1:], ""
	}
	got := strings.NewReplacer("\r", " ", "\n", " ").Replace(s[:1])
	return 0, "", "Protocol error: expected '$', got '" + got + "'"
}

func consumeStrings(s string) (n int, args []string, err error) {
	n, spans, err := ConsumeRequest([]byte(s), nil)
	for _, a := range spans {
		args = append(args, string(a.Of([]byte(s))))
	}
	return n, args, err
}

// inPieces gives b to consume as it would arrive, the i-th piece step(i) bytes long.
func inPieces(t *testing.T, b []byte, step func(i int) int, consume func([]byte, Progress) (int, Progress, error)) (n int, err error) {
	var p Progress
	far := 0
	for i, have := 0, 0; have < len(b); i++ {
		have = min(len(b), have+step(i))
		n, p, err = consume(b[:have], p)
		if n > 0 && (n < far || n > have) {
			t.Fatalf("%q: %d bytes long, but Pos had been %d", clip(string(b)), n, far)
		}
		if n > 0 || err != nil {
			return n, err
		}
		far = p.Pos
	}
	return 0, nil
}

func measureInPieces(t *testing.T, b []byte, step func(i int) int) (n int, err error) {
	return inPieces(t, b, step, MeasureRequest)
}

func wantIncomplete(t *testing.T, prefix string, n int, err error, finally string) {
	t.Helper()
	if n != 0 || err != nil && err.Error() != "Protocol error: "+finally {
		t.Errorf("%q: got %d %v, want incomplete", clip(prefix), n, err)
	}
}

func wantProtocolError(t *testing.T, in string, n int, err error, text string) {
	t.Helper()
	if e, ok := err.(*ProtocolError); n != 0 || !ok || e.text != text {
		t.Errorf("%q: got %d %v, want %q", clip(in), n, err, text)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func clip(s string) string { return s[:min(len(s), 60)] }

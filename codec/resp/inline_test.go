// Inline requests against examples and against a slow twin.

package resp

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// inlineExamples were sent to Redis 7.0.15, except those marked.
var inlineExamples = []struct {
	in   string
	args []string
	err  string
}{
	{in: "PING\r\n", args: []string{"PING"}},
	{in: "PING\n", args: []string{"PING"}},
	{in: "  echo\t\"\" \r\n", args: []string{"echo", ""}},
	{in: "set k \"a b\"\r\n", args: []string{"set", "k", "a b"}},
	{in: `echo "\x41\n\r\t\b\a\\\"\q\xZZ\x4"` + "\r\n", args: []string{"echo", "A\n\r\t\b\a\\\"qxZZx4"}},
	{in: `echo "\xfF\x00"` + "\r\n", args: []string{"echo", "\xff\x00"}},
	{in: `echo 'it\'s \n "'` + "\r\n", args: []string{"echo", `it's \n "`}},
	{in: `echo a"b c"` + "\r\n", args: []string{"echo", "ab c"}},
	{in: `ec"ho" b` + "\r\n", args: []string{"echo", "b"}},
	{in: "echo a\x0bb\r\n", args: []string{"echo", "a\x0bb"}},
	{in: "echo \"a\"\x0b\x0c\r\n", args: []string{"echo", "a"}},
	{in: "a\rb\r\n", args: []string{"a", "b"}},
	{in: "echo x\r\r\n", args: []string{"echo", "x"}},
	{in: `a\b` + "\r\n", args: []string{`a\b`}},
	{in: "\r\n"},
	{in: "\n"},
	{in: " \t\r\n"},
	{in: strings.Repeat("a", 64<<10) + "\n", args: []string{strings.Repeat("a", 64<<10)}},

	{in: "echo \"a\r\n", err: "unbalanced quotes in request"},
	{in: "echo 'a\r\n", err: "unbalanced quotes in request"},
	{in: "echo \"a\"b\r\n", err: "unbalanced quotes in request"},
	{in: "echo 'a'b\r\n", err: "unbalanced quotes in request"},
	{in: "echo \"a\"\"b\"\r\n", err: "unbalanced quotes in request"},
	{in: "echo \"a\\\"\r\n", err: "unbalanced quotes in request"},
	{in: "echo \"a\\\r\n", err: "unbalanced quotes in request"},
	{in: "echo \"a\n", err: "unbalanced quotes in request"},
	{in: strings.Repeat("a", 64<<10+1), err: "too big inline request"},

	// Redis waits for more after a NUL.
	{in: "echo a\x00b\r\n", args: []string{"echo", "a\x00b"}},
}

func TestConsumeInline(t *testing.T) {
	for _, e := range inlineExamples {
		n, out, err := ConsumeInline([]byte(e.in+"GET x\r\n"), []byte("before"))
		if e.err != "" {
			wantProtocolError(t, e.in, n, err, e.err)
			if string(out) != "before" {
				t.Errorf("%q: appended %q to an error", clip(e.in), out)
			}
			continue
		}
		array, found := strings.CutPrefix(string(out), "before")
		if n != len(e.in) || err != nil || !found {
			t.Errorf("%q: got %d %v", clip(e.in), n, err)
		}
		if len(e.args) == 0 && array != "" {
			t.Errorf("%q: empty, but appended %q", clip(e.in), array)
		}
		if len(e.args) > 0 {
			m, args, err := consumeStrings(array)
			if m != len(array) || err != nil || !slices.Equal(args, e.args) {
				t.Errorf("%q: array %q: got %d %q %v", clip(e.in), clip(array), m, args, err)
			}
		}
	}
}

func TestEveryPrefixOfAnInlineRequestIsIncomplete(t *testing.T) {
	for _, e := range inlineExamples {
		if len(e.in) > 1000 {
			continue
		}
		for i := range len(e.in) {
			n, out, err := ConsumeInline([]byte(e.in[:i]), nil)
			if n != 0 || err != nil || len(out) != 0 {
				t.Errorf("%q: got %d %q %v", e.in[:i], n, out, err)
			}
		}
	}
}

func TestMeasureInlineInPieces(t *testing.T) {
	for _, e := range inlineExamples {
		n, err := measureInPieces(t, []byte(e.in), func(i int) int { return 1 + i })
		switch {
		case strings.HasPrefix(e.err, "too big"):
			wantProtocolError(t, e.in, n, err, e.err)
		case n != len(e.in) || err != nil:
			t.Errorf("%q: got %d %v", clip(e.in), n, err)
		}
	}
}

func FuzzConsumeInline(f *testing.F) {
	for _, e := range inlineExamples {
		f.Add([]byte(e.in[max(0, len(e.in)-1000):])) // the twin is quadratic
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		line, _, found := strings.Cut(string(b), "\n")
		n, out, err := ConsumeInline(b, nil)
		if !found || len(line) > 64<<10 {
			if n != 0 || (err != nil) != (len(line) > 64<<10) {
				t.Fatalf("%q: got %d %v without a line", b, n, err)
			}
			return
		}
		args, ok := naiveInline(strings.TrimSuffix(line, "\r"))
		if (err == nil) != ok || ok && n != len(line)+1 {
			t.Fatalf("%q: got %d %v, twin %v", b, n, err, ok)
		}
		if len(out) == 0 && len(args) == 0 {
			return
		}
		if _, got, _ := consumeStrings(string(out)); !slices.Equal(got, args) {
			t.Fatalf("%q: got %q, twin %q", b, got, args)
		}
	})
}

// naiveInline is the slow twin of ConsumeInline: it takes one character after another and knows what it is in.
func naiveInline(line string) (args []string, ok bool) {
	const between, word, single, double, closed = 0, 1, 2, 3, 4
	state, arg := between, ""
	for line != "" {
		c := line[:1]
		rest := line[1:]
		space := strings.Contains(" \t\r\n\v\f", c)
		wordEnd := strings.Contains(" \t\r\n", c)
		switch {
		case state == between && space:
		case state == closed && !space:
			return nil, false
		case state == closed:
			state = between
		case (state == between || state == word) && c == `"`:
			state = double
		case (state == between || state == word) && c == `'`:
			state = single
		case state == word && wordEnd:
			args, arg, state = append(args, arg), "", between
		case state == between || state == word:
			state, arg = word, arg+c
		case state == double && c == `"` || state == single && c == `'`:
			args, arg, state = append(args, arg), "", closed
		case state == single && strings.HasPrefix(line, `\'`):
			arg, rest = arg+"'", line[2:]
		case state == double && c == `\` && rest != "":
			arg, rest = naiveEscape(arg, line)
		default:
			arg += c
		}
		line = rest
	}
	switch state {
	case single, double:
		return nil, false
	case word:
		args = append(args, arg)
	}
	return args, true
}

func naiveEscape(arg, line string) (out, rest string) {
	if len(line) >= 4 && line[1] == 'x' {
		if v, err := strconv.ParseUint(line[2:4], 16, 8); err == nil {
			return arg + string([]byte{byte(v)}), line[4:]
		}
	}
	special := map[string]string{"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}
	if s, ok := special[line[1:2]]; ok {
		return arg + s, line[2:]
	}
	return arg + line[1:2], line[2:]
}

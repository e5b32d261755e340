// Reading the tables in testdata/e2e: blocks of requests, one a line, with marks that say how replies compare.

package main_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// block is a part of a table, played on servers that are empty at its start.
type block struct {
	name  string
	steps []step
}

// step is one request.
type step struct {
	at   string // file:line
	mark byte   // ' ' or one of marks
	text string // as in the table
	raw  string // as sent
	want [2]string
}

// marks that may stand before a request, followed by a space.
const marks = "~%!-="

// readTable reads a table whose requests encode makes ready to send.
func readTable(t *testing.T, name string, encode func(line string) (string, error)) (blocks []block) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata/e2e", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	in := bufio.NewScanner(file)
	for n := 1; in.Scan(); n++ {
		line, at := in.Text(), fmt.Sprintf("%s:%d", name, n)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			blocks = append(blocks, block{name: strings.Trim(line, "[]")})
		default:
			b := &blocks[len(blocks)-1]
			if err := b.add(at, line, encode); err != nil {
				t.Fatalf("%s: %v", at, err)
			}
		}
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return blocks
}

// add takes a line of the table: a request, or what one of the proxies replies to the last one.
func (b *block) add(at, line string, encode func(string) (string, error)) (err error) {
	mark, rest := line[0], strings.TrimPrefix(line[1:], " ")
	if who := strings.IndexByte("<>", mark); who >= 0 {
		last := &b.steps[len(b.steps)-1]
		last.want[who], err = unquote(rest)
		return err
	}
	s := step{at: at, mark: ' ', text: line}
	if strings.IndexByte(marks, mark) >= 0 && strings.HasPrefix(line[1:], " ") {
		s.mark, s.text = mark, rest
	}
	if s.mark == '=' {
		encode = unquote
	}
	s.raw, err = encode(s.text)
	b.steps = append(b.steps, s)
	return err
}

// pipeline returns the whole block as it is sent in one go.
func (b *block) pipeline() string {
	var all strings.Builder
	for _, s := range b.steps {
		all.WriteString(s.raw)
	}
	return all.String()
}

// unquote resolves the escapes of a Go string literal.
func unquote(s string) (string, error) {
	return strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
}

// encodeRedis makes a line a request. An argument @N stands for N bytes.
func encodeRedis(line string) (string, error) {
	args, err := splitLine(line)
	if err != nil {
		return "", err
	}
	for i, arg := range args {
		if size, err := strconv.Atoi(strings.TrimPrefix(arg, "@")); err == nil && arg[0] == '@' {
			args[i] = filler(size)
		}
	}
	return request(args...), nil
}

// encodeConversation makes a line several requests, between semicolons.
func encodeConversation(line string) (string, error) {
	var all strings.Builder
	for part := range strings.SplitSeq(line, " ; ") {
		raw, err := encodeRedis(part)
		if err != nil {
			return "", err
		}
		all.WriteString(raw)
	}
	return all.String(), nil
}

// splitLine splits a line at spaces outside of double quotes and resolves the escapes within them.
func splitLine(line string) (args []string, err error) {
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		if line[0] != '"' {
			arg, rest, _ := strings.Cut(line, " ")
			args, line = append(args, arg), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		arg, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", quoted, err)
		}
		args, line = append(args, arg), line[len(quoted):]
	}
	return args, nil
}

// filler returns size bytes in which every byte value occurs and no short part repeats.
func filler(size int) string {
	b := make([]byte, size)
	state := uint32(size)
	for i := range b {
		state = state*1664525 + 1013904223
		b[i] = byte(state >> 24)
	}
	return string(b)
}

// atoi is for numbers that are in a table.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// alike compares the replies to a step as its mark says.
func (s *step) alike(t *testing.T, a, b string) bool {
	t.Helper()
	switch {
	case a == closed || b == closed:
		return false
	case s.mark == '~':
		return a[0] == b[0] && a[0] != '-' && (a[0] != '*' || len(elements(t, a)) == len(elements(t, b)))
	case s.mark == '%':
		one, other := elements(t, a), elements(t, b)
		slices.Sort(one)
		slices.Sort(other)
		return slices.Equal(one, other)
	}
	return a == b
}

// commandName returns the name of the command of a step, in upper case.
func (s *step) commandName() string {
	name, _, _ := strings.Cut(s.text, " ")
	return strings.ToUpper(name)
}

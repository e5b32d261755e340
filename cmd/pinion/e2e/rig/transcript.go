// Reading the tables in testdata: blocks of requests, one a line, with marks that say how replies compare.

package rig

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

// Block is a part of a table, played on servers that are empty at its start.
type Block struct {
	Name  string
	Steps []Step
}

// Step is one request.
type Step struct {
	At   string // file:line
	Mark byte   // ' ' or one of marks
	Text string // as in the table
	Raw  string // as sent
	Want [2]string
}

// marks that may stand before a request, followed by a space.
const marks = "~%!-="

// ReadTable reads a table whose requests encode makes ready to send.
func ReadTable(t *testing.T, name string, encode func(line string) (string, error)) (blocks []Block) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
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
			blocks = append(blocks, Block{Name: strings.Trim(line, "[]")})
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
func (b *Block) add(at, line string, encode func(string) (string, error)) (err error) {
	mark, rest := line[0], strings.TrimPrefix(line[1:], " ")
	if who := strings.IndexByte("<>", mark); who >= 0 {
		last := &b.Steps[len(b.Steps)-1]
		last.Want[who], err = Unquote(rest)
		return err
	}
	s := Step{At: at, Mark: ' ', Text: line}
	if strings.IndexByte(marks, mark) >= 0 && strings.HasPrefix(line[1:], " ") {
		s.Mark, s.Text = mark, rest
	}
	if s.Mark == '=' {
		encode = Unquote
	}
	s.Raw, err = encode(s.Text)
	b.Steps = append(b.Steps, s)
	return err
}

// Pipeline returns the whole block as it is sent in one go.
func (b *Block) Pipeline() string {
	var all strings.Builder
	for _, s := range b.Steps {
		all.WriteString(s.Raw)
	}
	return all.String()
}

// Unquote resolves the escapes of a Go string literal.
func Unquote(s string) (string, error) {
	return strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
}

// EncodeRedis makes a line a request. An argument @N stands for N bytes.
func EncodeRedis(line string) (string, error) {
	args, err := splitLine(line)
	if err != nil {
		return "", err
	}
	for i, arg := range args {
		if size, err := strconv.Atoi(strings.TrimPrefix(arg, "@")); err == nil && arg[0] == '@' {
			args[i] = Filler(size)
		}
	}
	return Request(args...), nil
}

// EncodeConversation makes a line several requests, between semicolons.
func EncodeConversation(line string) (string, error) {
	var all strings.Builder
	for part := range strings.SplitSeq(line, " ; ") {
		raw, err := EncodeRedis(part)
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

// Filler returns size bytes in which every byte value occurs and no short part repeats.
func Filler(size int) string {
	b := make([]byte, size)
	state := uint32(size)
	for i := range b {
		state = state*1664525 + 1013904223
		b[i] = byte(state >> 24)
	}
	return string(b)
}

// Atoi is for numbers that are in a table.
func Atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// Alike compares the replies to a step as its mark says.
func (s *Step) Alike(t *testing.T, a, b string) bool {
	t.Helper()
	switch {
	case a == Closed || b == Closed:
		return false
	case s.Mark == '~':
		return a[0] == b[0] && a[0] != '-' && (a[0] != '*' || len(Elements(t, a)) == len(Elements(t, b)))
	case s.Mark == '%':
		one, other := Elements(t, a), Elements(t, b)
		slices.Sort(one)
		slices.Sort(other)
		return slices.Equal(one, other)
	}
	return a == b
}

// CommandName returns the name of the command of a step, in upper case.
func (s *Step) CommandName() string {
	name, _, _ := strings.Cut(s.Text, " ")
	return strings.ToUpper(name)
}

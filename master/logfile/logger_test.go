package logfile

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var epoch = time.Date(2026, 11, 22, 13, 2, 18, 0, time.UTC)

// shelf is an output with room for some lines.
type shelf struct {
	room  int
	lines []string
}

func (s *shelf) Offer(line []byte) bool {
	if s.room == 0 {
		return false
	}
	s.room--
	s.lines = append(s.lines, string(line))
	return true
}

func (s *shelf) Reopen(func(error)) {}

func TestLogLines(t *testing.T) {
	at := epoch.Add(123 * time.Millisecond)
	for _, c := range []struct {
		verbosity int
		log       func(*Logger)
		want      string
	}{
		{5, func(l *Logger) { l.Printf(Notice, "on %s", "port") }, "master on port"},
		{5, func(l *Logger) { l.Printf(Info, "too much") }, ""},
		{0, func(l *Logger) { l.Printf(Emergency, "always") }, "master always"},
		{11, func(l *Logger) { l.Forward(11, 12, "deep") }, "worker/12 deep"},
		{10, func(l *Logger) { l.Forward(11, 12, "deeper") }, ""},
		{5, func(l *Logger) { l.Forward(5, 0, "a\nb\r\x00\x1b[2J\x7f") }, `worker/0 a\x0ab\x0d\x00\x1b[2J\x7f`},
		{5, func(l *Logger) { l.Forward(5, 0, "tab\té") }, "worker/0 tab\té"},
		{5, func(l *Logger) { l.Printf(Notice, "%s", "") }, "master "},
	} {
		out := &shelf{room: 1}
		l := NewLogger(out, func() time.Time { return at }, c.verbosity)
		c.log(l)
		var want []string
		if c.want != "" {
			want = []string{"[2026-11-22 13:02:18.123] " + c.want + "\n"}
		}
		if !slices.Equal(out.lines, want) {
			t.Errorf("got %q, want %q", out.lines, want)
		}
	}
}

// Lines that found no room are counted, and the count is the first line that finds some.
func TestLogCountsLostLines(t *testing.T) {
	out := &shelf{room: 1}
	l := NewLogger(out, func() time.Time { return epoch }, 5)
	for _, text := range []string{"one", "two", "three"} {
		l.Printf(Notice, "%s", text)
	}
	out.room = 3
	l.Printf(Notice, "four")
	l.Printf(Notice, "five")
	var got []string
	for _, line := range out.lines {
		_, text, _ := strings.Cut(line, "] master ")
		got = append(got, text)
	}
	want := []string{"one\n", "2 log lines lost: the log took no more\n", "four\n", "five\n"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

package logfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

var epoch = time.Date(2026, 11, 22, 13, 2, 18, 0, time.UTC)

// shelf is an output with room for some lines.
type shelf struct {
	room  int
	lines []string
	fell  int // lines that could not be kept
}

func (s *shelf) Lost() int {
	n := s.fell
	s.fell = 0
	return n
}

func (s *shelf) Offer(line []byte, _ int) bool {
	if s.room == 0 {
		return false
	}
	s.room--
	s.lines = append(s.lines, string(line))
	return true
}

func (s *shelf) Reopen(func(error))         {}
func (s *shelf) Direct(string, func(error)) {}

// forTests is the table of events that only tests have.
var forTests logevent.Table

// said is an event of any words at a level.
func said(level logevent.Level) *logevent.Event { return forTests.Add(level, "said", "%s", "cause") }

func TestLogLines(t *testing.T) {
	at := epoch.Add(123 * time.Millisecond)
	for _, c := range []struct {
		verbosity int
		log       func(*Logger)
		want      string
	}{
		{5, func(l *Logger) { l.Event(HTTPOpen, "port") }, "master HTTP is answered on port"},
		{5, func(l *Logger) { l.Event(said(logevent.Info), "too much") }, ""},
		{5, func(l *Logger) { l.EventAt(logevent.Info, HTTPOpen, "too much") }, ""},
		{0, func(l *Logger) { l.Event(said(logevent.Emergency), "always") }, "master always"},
		{11, func(l *Logger) { l.Forward(12, said(11).Line("deep")) }, "worker/12 deep"},
		{10, func(l *Logger) { l.Forward(12, said(11).Line("deeper")) }, ""},
		{5, func(l *Logger) { l.Forward(0, said(5).Line("a\nb\r\x00\x1b[2J\x7f")) }, `worker/0 a\x0ab\x0d\x00\x1b[2J\x7f`},
		{5, func(l *Logger) { l.Forward(0, said(5).Line("tab\té")) }, "worker/0 tab\té"},
		{5, func(l *Logger) { l.Event(said(5), "") }, "master "},
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

// A line in JSON is one object on one line, whatever is in it, and has no key twice.
func TestJSONLines(t *testing.T) {
	out := &shelf{room: 10}
	l := NewLogger(out, func() time.Time { return epoch.Add(time.Millisecond) }, 11)
	l.Format = JSON
	l.Event(Started, "1.2.3", 17)
	l.Event(WorkerStartFailed, 3, errors.New("a\nb\x00\xff"), 1500*time.Millisecond)
	l.Forward(2, logevent.ServerFailed.Line("alpha", "s 1", "127.0.0.1:1", errors.New("gone")))
	l.Forward(2, logevent.Line{Level: logevent.Debug, Text: "of an early version"})
	want := []string{
		`{"time":"2026-11-22T13:02:18.001Z","level":"notice","msg":"pinion 1.2.3 started on pid 17","event":"started","from":"master","build":"1.2.3","pid":17}`,
		`{"time":"2026-11-22T13:02:18.001Z","level":"error","msg":"starting worker 3: a\nb\u0000\ufffd; trying again in 1.5s","event":"worker_start_failed","from":"master","worker":3,` +
			`"cause":"a\nb\u0000\ufffd","retry_seconds":1.5}`,
		`{"time":"2026-11-22T13:02:18.001Z","level":"warning","msg":"pool \"alpha\": server \"s 1\" at 127.0.0.1:1: gone","event":"server_failed","from":"worker","worker":2,` +
			`"pool":"alpha","server":"s 1","address":"127.0.0.1:1","cause":"gone"}`,
		`{"time":"2026-11-22T13:02:18.001Z","level":"debug","msg":"of an early version","from":"worker","worker":2}`,
	}
	for i := range max(len(want), len(out.lines)) {
		if i >= len(want) || i >= len(out.lines) || out.lines[i] != want[i]+"\n" || !json.Valid([]byte(out.lines[i])) {
			t.Errorf("got %q, want %q", out.lines, want)
		}
	}
}

// A master's trouble that repeats has few lines, and then one that says how many there were.
func TestRepeatedLines(t *testing.T) {
	now := epoch
	out := &shelf{room: 100}
	l := NewLogger(out, func() time.Time { return now }, 5)
	for range 100 {
		l.Event(HTTPTrouble, "nobody reads")
	}
	l.Event(HTTPTrouble, "another cause")
	if len(out.lines) != 5 {
		t.Fatalf("%d lines at once: %q", len(out.lines), out.lines)
	}
	if at := l.Next(); !at.Equal(now.Add(logevent.Pause)) {
		t.Errorf("the next line is due at %v", at)
	}
	now = now.Add(logevent.Pause)
	l.Tick()
	if got := out.lines[len(out.lines)-1]; len(out.lines) != 6 || !strings.HasSuffix(got, "master answering HTTP: nobody reads (95 more such lines suppressed)\n") {
		t.Errorf("at the end of the period %d lines, the last %q", len(out.lines), got)
	}
	now = now.Add(3 * logevent.Pause)
	l.Tick()
	if at := l.Next(); len(out.lines) != 6 || !at.IsZero() {
		t.Errorf("afterwards %d lines, and the next is due at %v", len(out.lines), at)
	}
}

// Lines that found no room are counted, and the count is the first line that finds some.
func TestLogCountsLostLines(t *testing.T) {
	out := &shelf{room: 1}
	l := NewLogger(out, func() time.Time { return epoch }, 5)
	for _, text := range []string{"one", "two", "three"} {
		l.Event(said(5), text)
	}
	out.room = 3
	l.Event(said(5), "four")
	l.Event(said(5), "five")
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

// Each event has a name of its own, and a key for each of its values.
func TestEvents(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Events() {
		if seen[e.Name] || strings.ToLower(e.Name) != e.Name || strings.ContainsAny(e.Name, " -") {
			t.Errorf("%q is there twice, or no name", e.Name)
		}
		seen[e.Name] = true
		values := make([]any, len(e.Keys))
		for i := range values {
			values[i] = 1
		}
		line := e.Line(values...)
		if strings.Contains(line.Text, "MISSING") || strings.Contains(line.Text, "EXTRA") {
			t.Errorf("%s: %s", e.Name, line.Text)
		}
		keys := map[string]bool{"time": true, "level": true, "msg": true, "event": true, "from": true, logevent.SuppressedKey: true}
		for _, key := range e.ForMachines() {
			if keys[key] {
				t.Errorf("%s has two keys %q", e.Name, key)
			}
			keys[key] = true
		}
	}
	for _, e := range logevent.Worker {
		if slices.Contains(e.Keys, "worker") {
			t.Errorf("%s of a worker has the key that says which one", e.Name)
		}
	}
	if len(seen) < 100 {
		t.Errorf("only %d events: %s", len(seen), fmt.Sprint(seen))
	}
}

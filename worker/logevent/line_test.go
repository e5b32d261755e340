package logevent

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

var events Table

var (
	fallen = events.AddRepeating(Warn, "fallen", "pool %q: server %q fell %d m in %v%s", "pool server metres after_seconds - cause")
	quiet  = events.AddRepeating(Debug, "quiet", "%d%% quiet", "percent")
)

// What a worker says arrives as it was said, also what is long, odd, or of another version.
func TestLinesTravel(t *testing.T) {
	line := fallen.Line("al\x00pha", "s\n1", 7, 1500*time.Millisecond, "; help", errors.New("it slipped"))
	line.Suppress(3)
	sent := line.Append(nil)
	const text = `pool "al\x00pha": server "s\n1" fell 7 m in 1.5s; help (3 more such lines suppressed)`
	const array = `["fallen","pool","al\u0000pha","server","s\n1","metres",7,"after_seconds",1.5,"cause","it slipped","suppressed",3]`
	if want := "\x04" + text + "\x00" + array; string(sent) != want {
		t.Errorf("the worker sends %q, want %q", sent, want)
	}
	got := Parse(sent)
	if fmt.Sprint(got.Event, got.Level, got.Attrs) != fmt.Sprint(line.Event, line.Level, line.Attrs) || got.Text != line.Text {
		t.Errorf("the master reads %+v, want %+v", got, line)
	}
	long := fallen.Line(strings.Repeat("x", 1<<20), "s", 1, time.Second, "", "")
	if sent := long.Append(nil); len(sent) > 8000 || Parse(sent).Event != "fallen" {
		t.Errorf("a long line takes %d bytes", len(sent))
	}
	if l := quiet.Line(5); l.Text != "5% quiet" || Parse(l.Append(nil)).Level != Debug {
		t.Errorf("a line has the text %q", l.Text)
	}
	endless := quiet.Line(math.Inf(1))
	if got := Parse(endless.Append(nil)); got.Event != "" || got.Text == "" {
		t.Errorf("an infinite number becomes %+v", got)
	}
}

func TestForeignLines(t *testing.T) {
	for body, want := range map[string]Line{
		"":                               {},
		"\x05":                           {Level: Notice},
		"\x05early":                      {Level: Notice, Text: "early"},
		"\x05a\x00b":                     {Level: Notice, Text: "a\x00b"},
		"\x05a\x00[]":                    {Level: Notice, Text: "a\x00[]"},
		"\x05a\x00[1]":                   {Level: Notice, Text: "a\x00[1]"},
		"\x05a\x00[\"e\",1,2]":           {Level: Notice, Text: "a\x00[\"e\",1,2]"},
		"\x05a\x00[\"e\"]":               {Level: Notice, Text: "a", Event: "e"},
		"\x05a\x00[\"e\",\"k\"]":         {Level: Notice, Text: "a", Event: "e"},
		"\x05a\x00[\"e\",\"k\",null]":    {Level: Notice, Text: "a", Event: "e"},
		"\x05a\x00[\"e\",\"k\",{\"\":":   {Level: Notice, Text: "a\x00[\"e\",\"k\",{\"\":"},
		"\x05a\x00[\"e\",\"k\",[1e999]]": {Level: Notice, Text: "a", Event: "e"},
	} {
		got := Parse([]byte(body))
		if got.Level != want.Level || got.Text != want.Text || got.Event != want.Event {
			t.Errorf("%q is %+v, want %+v", body, got, want)
		}
	}
}

// Of lines of one kind few are written in a period, and the last of the others at its end, with how many they were.
func TestLimiter(t *testing.T) {
	var m Limiter
	at := func(s float64) int64 { return int64(time.Hour) + int64(s*1e9) }
	admitted := func(server string, cause any, now int64) bool {
		l := fallen.Line("alpha", server, int(now), time.Second, "", cause)
		return m.Admit(&l, now)
	}
	for i := range 100 {
		if got := admitted("s1", "ice", at(float64(i)/100)); got != (i < maxLines) {
			t.Errorf("line %d is written: %v", i, got)
		}
	}
	if !admitted("s2", "ice", at(1)) || !admitted("s1", "snow", at(1)) {
		t.Error("lines of other kinds are left out")
	}
	l := quiet.Line(1)
	for range 100 {
		if !m.Admit(&l, at(1)) {
			t.Fatal("a line for debugging is left out")
		}
	}
	if lines := m.Due(m.Next() - 1); len(lines) > 0 || m.Next() != at(10) {
		t.Errorf("too early there are %v; the next at %d", lines, m.Next())
	}
	lines := m.Due(at(10.99))
	if len(lines) != 1 || !strings.HasSuffix(lines[0].Text, " (95 more such lines suppressed)") || lines[0].Attrs[len(lines[0].Attrs)-1].Value.Int64() != 95 {
		t.Errorf("at the end of the period there are %v", lines)
	}
	if admitted("s1", "ice", at(11)) { // it goes on
		t.Error("the next period has more lines than one")
	}
	if lines := m.Due(at(22)); len(lines) != 1 || strings.Contains(lines[0].Text, "suppressed") {
		t.Errorf("of a period with one line there are %v", lines)
	}
	if lines := m.Due(at(40)); len(lines) > 0 || m.Next() != 0 || len(m.kinds) > 0 {
		t.Errorf("in the end there are %v, and %d kinds are kept", lines, len(m.kinds))
	}
	if !admitted("s1", "ice", at(100)) {
		t.Error("a line long after is left out")
	}
}

// However many causes there are, neither memory nor the log grows with them.
func TestManyKinds(t *testing.T) {
	var m Limiter
	written := 0
	for i := range 10_000 {
		l := fallen.Line("alpha", "s1", i, time.Second, "", fmt.Sprint("cause ", i))
		if m.Admit(&l, int64(time.Hour)) {
			written++
		}
	}
	if written != maxKinds+maxLines || len(m.kinds) != maxKinds+1 {
		t.Errorf("%d lines of %d kinds", written, len(m.kinds))
	}
}

func TestForMachines(t *testing.T) {
	if keys := fallen.ForMachines(); !slices.Equal(keys, []string{"pool", "server", "metres", "after_seconds", "cause"}) {
		t.Errorf("the keys are %q", keys)
	}
	for level, want := range map[Level]string{0: "notice", 1: "error", 3: "error", 4: "warning", 5: "notice", 6: "info", 7: "debug", 11: "debug"} {
		if level.String() != want {
			t.Errorf("level %d is %s, want %s", level, level, want)
		}
	}
}

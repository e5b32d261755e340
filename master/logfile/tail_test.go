package logfile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

func TestLast(t *testing.T) {
	l := NewLogger(&shelf{}, func() time.Time { return epoch }, 5)
	if lines, count := l.Last(); len(lines) != 0 || count != 0 {
		t.Errorf("before the first line: %q, %d", lines, count)
	}
	for i := range tailLines + 3 {
		l.Event(said(logevent.Notice), fmt.Sprintf("line %d %s", i, strings.Repeat("x", i*10)))
	}
	l.Event(said(logevent.Info), "too much")
	lines, count := l.Last()
	if len(lines) != tailLines || count != tailLines+3 {
		t.Fatalf("%d lines of %d", len(lines), count)
	}
	if !strings.HasPrefix(lines[0], "[2026-11-22 13:02:18.000] master line 3 xxx") || !strings.Contains(lines[tailLines-1], "line 202 ") {
		t.Errorf("from %q to %q", lines[0], lines[tailLines-1])
	}
	if n := len(lines[tailLines-1]); n > tailLineBytes+10 {
		t.Errorf("a line of %d bytes", n)
	}
}

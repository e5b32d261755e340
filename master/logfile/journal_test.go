package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestPriorities(t *testing.T) {
	out := &shelf{room: 10}
	l := NewLogger(out, func() time.Time { return epoch }, 11)
	l.Priorities = true
	for _, lv := range []Level{Emergency, Error, Warn, Notice, Info, Debug, 11} {
		l.Printf(lv, "level %d", lv)
	}
	l.Forward(Warn, 3, "of a worker")
	var want []string
	for _, line := range []string{"<5>%smaster level 0", "<3>%smaster level 3", "<4>%smaster level 4", "<5>%smaster level 5", "<6>%smaster level 6", "<7>%smaster level 7",
		"<7>%smaster level 11", "<4>%sworker/3 of a worker"} {
		want = append(want, fmt.Sprintf(line+"\n", "[2026-11-22 13:02:18.000] "))
	}
	if !slices.Equal(out.lines, want) {
		t.Errorf("got %q", out.lines)
	}
}

func TestJournalIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{fmt.Sprintf("%d:%d", stat.Dev, stat.Ino): true, fmt.Sprintf("%d:%d", stat.Dev, stat.Ino+1): false, "": false, "x": false} {
		if isFile(f, name) != want {
			t.Errorf("%q is it: %v", name, !want)
		}
	}
	if s := (&Sink{path: path}); s.Journal(fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)) {
		t.Error("a log file is taken for the journal")
	}
}

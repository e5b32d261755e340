package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

func TestPriorities(t *testing.T) {
	out := &shelf{room: 10}
	l := NewLogger(out, func() time.Time { return epoch }, 11)
	l.Journal = true
	for _, lv := range []logevent.Level{logevent.Emergency, logevent.Error, logevent.Warn, logevent.Notice, logevent.Info, logevent.Debug, 11} {
		l.Event(said(lv), fmt.Sprintf("level %d", lv))
	}
	l.Forward(3, said(logevent.Warn).Line("of a worker"))
	want := []string{"<5>master level 0\n", "<3>master level 3\n", "<4>master level 4\n", "<5>master level 5\n", "<6>master level 6\n", "<7>master level 7\n",
		"<7>master level 11\n", "<4>worker/3 of a worker\n"} // the journal has a clock
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
}

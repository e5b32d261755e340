package master

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
)

// Who asks for another log file is told that there is none, and the log says so, too.
func TestReopenFails(t *testing.T) {
	f := &machine{logFails: os.ErrPermission}
	m := &master{world: &world{aside: func(work func() func()) { work()() }}, log: logfile.NewLogger(f, time.Now, 5)}
	reply := make(chan admin.Outcome, 1)
	m.reopenLog(reply)
	if o := <-reply; !strings.Contains(o.Error, "permission denied") {
		t.Errorf("the answer is %+v", o)
	}
	if !strings.Contains(f.log.String(), "log: master opening the log file anew: permission denied; lines go on") {
		t.Errorf("the log says %q", f.log.String())
	}
}

func TestSinkCannotOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "log")
	var started error
	err := Run(Options{Output: path, Started: func(err error) { started = err }})
	want := "opening log file: open " + path + ": no such file or directory"
	if err == nil || err.Error() != want || started != err {
		t.Errorf("Run returned %v and reported %v; want %s", err, started, want)
	}
}

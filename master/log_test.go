package master

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shelf is an output with room for some lines.
type shelf struct {
	room  int
	lines []string
}

func (s *shelf) offer(line []byte) bool {
	if s.room == 0 {
		return false
	}
	s.room--
	s.lines = append(s.lines, string(line))
	return true
}

func (s *shelf) reopen(func(error)) {}

func TestLogLines(t *testing.T) {
	at := epoch.Add(123 * time.Millisecond)
	for _, c := range []struct {
		verbosity int
		log       func(*logger)
		want      string
	}{
		{5, func(l *logger) { l.printf(levelNotice, "on %s", "port") }, "master on port"},
		{5, func(l *logger) { l.printf(levelInfo, "too much") }, ""},
		{0, func(l *logger) { l.printf(levelEmergency, "always") }, "master always"},
		{11, func(l *logger) { l.forward(11, 12, "deep") }, "worker/12 deep"},
		{10, func(l *logger) { l.forward(11, 12, "deeper") }, ""},
		{5, func(l *logger) { l.forward(5, 0, "a\nb\r\x00\x1b[2J\x7f") }, `worker/0 a\x0ab\x0d\x00\x1b[2J\x7f`},
		{5, func(l *logger) { l.forward(5, 0, "tab\té") }, "worker/0 tab\té"},
		{5, func(l *logger) { l.printf(levelNotice, "%s", "") }, "master "},
	} {
		out := &shelf{room: 1}
		l := &logger{now: func() time.Time { return at }, verbosity: c.verbosity, out: out}
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
	l := &logger{now: func() time.Time { return epoch }, verbosity: 5, out: out}
	for _, text := range []string{"one", "two", "three"} {
		l.printf(levelNotice, "%s", text)
	}
	out.room = 3
	l.printf(levelNotice, "four")
	l.printf(levelNotice, "five")
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

func TestSinkReopens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s, err := openSink(path)
	if err != nil {
		t.Fatal(err)
	}
	s.offer([]byte("before\n"))
	eventually(t, "the first line", func() bool { return content(t, path) == "before\n" })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	s.reopen(func(err error) { told <- err })
	if err := <-told; err != nil {
		t.Error(err)
	}
	eventually(t, "the new file", func() bool { _, err := os.Stat(path); return err == nil })
	s.offer([]byte("after\n"))
	s.close()
	if old, now := content(t, path+".1"), content(t, path); old != "before\n" || now != "after\n" {
		t.Errorf("the old file holds %q, the new one %q", old, now)
	}
}

// Where no new file can be opened, the old one goes on, and who asked is told.
func TestSinkCannotReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := openSink(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+".1"); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	s.reopen(func(err error) { told <- err })
	if err := <-told; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("who asked was told %v", err)
	}
	s.offer([]byte("after\n"))
	s.close()
	if old := content(t, filepath.Join(dir+".1", "log")); old != "after\n" {
		t.Errorf("the old file holds %q", old)
	}
}

// Who asks for another log file is told that there is none, and the log says so, too.
func TestReopenFails(t *testing.T) {
	f := &machine{logFails: os.ErrPermission}
	m := &master{world: &world{aside: func(work func() func()) { work()() }}, log: &logger{now: time.Now, verbosity: 5, out: f}}
	reply := make(chan outcome, 1)
	m.reopenLog(reply)
	if o := <-reply; !strings.Contains(o.Error, "permission denied") {
		t.Errorf("the answer is %+v", o)
	}
	if !strings.Contains(f.log.String(), "log: master opening the log file anew: permission denied; lines go on") {
		t.Errorf("the log says %q", f.log.String())
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A full disk is reported once on stderr, and does not end anything.
func TestSinkFullDisk(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer func(stderr *os.File) { os.Stderr = stderr }(os.Stderr)
	os.Stderr = w
	s, err := openSink("/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.offer([]byte("line\n"))
	}
	s.close()
	w.Close()
	got, err := io.ReadAll(r)
	want := "pinion: writing log file: write /dev/full: no space left on device\n"
	if err != nil || string(got) != want {
		t.Errorf("stderr got %q, %v; want %q", got, err, want)
	}
}

// A log that nobody reads fills its queue and no more; what is offered beyond is refused at once.
func TestSinkThatStandsStill(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{lines: make(chan []byte, 2), reopens: make(chan struct{}, 1), done: make(chan struct{}), file: w}
	go s.write()
	long := make([]byte, 1<<20) // more than a pipe holds
	taken := 0
	eventually(t, "a refusal", func() bool {
		if s.offer(long) {
			taken++
			return false
		}
		return true
	})
	if taken > 3 { // one in the write, two in the queue
		t.Errorf("%d lines were taken", taken)
	}
	r.Close() // the writes fail from here on
	s.close()
	w.Close()
	select {
	case <-s.done:
	default:
		t.Error("close returned before the queue was empty")
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

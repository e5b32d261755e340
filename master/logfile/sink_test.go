package logfile

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/testkit"
)

func TestSinkReopens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	s.Offer([]byte("before\n"), 1)
	testkit.Eventually(t, "the first line", func() bool { return content(t, path) == "before\n" })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	s.Reopen(func(err error) { told <- err })
	if err := <-told; err != nil {
		t.Error(err)
	}
	testkit.Eventually(t, "the new file", func() bool { _, err := os.Stat(path); return err == nil })
	s.Offer([]byte("after\n"), 1)
	s.Close()
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
	s, err := Open(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+".1"); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	s.Reopen(func(err error) { told <- err })
	if err := <-told; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("who asked was told %v", err)
	}
	s.Offer([]byte("after\n"), 1)
	s.Close()
	if old := content(t, filepath.Join(dir+".1", "log")); old != "after\n" {
		t.Errorf("the old file holds %q", old)
	}
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
	s, err := Open("/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.Offer([]byte("line\n"), 1)
	}
	s.Close()
	w.Close()
	got, err := io.ReadAll(r)
	want := "pinion: writing log file: write /dev/full: no space left on device\n"
	if err != nil || string(got) != want {
		t.Errorf("stderr got %q, %v; want %q", got, err, want)
	}
}

// limitFiles has writes beyond a size be cut short, as on a full disk; the test returns to the limit of before with restore.
func limitFiles(t *testing.T, bytes uint64) (restore func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	})
}

// Of a line that the disk has no room for, nothing is left; when there is room again, the first line says how many were lost.
func TestLinesOnFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	l := NewLogger(s, func() time.Time { return epoch }, 5)
	l.Format = JSON
	say := func() { // and wait until the line is written or lost
		l.Event(said(5), "a line of some length")
		testkit.Eventually(t, "the queue", func() bool { return len(s.lines) == 0 })
	}
	say()
	testkit.Eventually(t, "the first line", func() bool { return strings.HasSuffix(content(t, path), "\n") })
	first := content(t, path)
	restore := limitFiles(t, uint64(len(first)+20))
	defer restore()
	for want := int64(1); want <= 3; want++ {
		say()
		testkit.Eventually(t, "the loss", func() bool { return s.lost.Load() == want })
		if got := content(t, path); got != first {
			t.Errorf("after %d lost lines the file holds %q", want, got)
		}
	}
	restore()
	say()
	say()
	s.Close()
	lines := strings.Split(strings.TrimSuffix(content(t, path), "\n"), "\n")
	if len(lines) != 4 || !strings.Contains(lines[1], `"event":"lines_lost","from":"master","lines":3`) {
		t.Errorf("the file holds %q", lines)
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("%q is no object", line)
		}
	}
}

// What cannot be cut off a file ends where the next line begins.
func TestTornLineEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	other, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	f.WriteString("half a l")
	other.WriteString("another master's line\n")
	if cutBack(f, 8) {
		t.Error("another's line was cut off")
	}
	s := &Sink{path: path, file: f, torn: true}
	s.writeLine(offered{[]byte("next\n"), 1})
	s.writeLine(offered{[]byte("last\n"), 1})
	if got := content(t, path); got != "half a lanother master's line\n\nnext\nlast\n" {
		t.Errorf("the file holds %q", got)
	}
}

// A log that nobody reads fills its queue and no more; what is offered beyond is refused at once.
func TestSinkThatStandsStill(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &Sink{lines: make(chan offered, 2), reopens: make(chan struct{}, 1), done: make(chan struct{}), file: w}
	go s.write()
	long := make([]byte, 1<<20) // more than a pipe holds
	taken := 0
	testkit.Eventually(t, "a refusal", func() bool {
		if s.Offer(long, 1) {
			taken++
			return false
		}
		return true
	})
	if taken > 3 { // one in the write, two in the queue
		t.Errorf("%d lines were taken", taken)
	}
	r.Close() // the writes fail from here on
	s.Close()
	w.Close()
	select {
	case <-s.done:
	default:
		t.Error("close returned before the queue was empty")
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

// In a container stdout may be what nobody can open by its name, as a socket is.
func TestSinkOnStdout(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := syscall.Dup(syscall.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Dup3(pair[1], syscall.Stdout, 0); err != nil {
		t.Fatal(err)
	}
	s, errOpen := Open(stdout)
	if errOpen == nil {
		reopened := make(chan error, 1)
		s.Reopen(func(err error) { reopened <- err })
		errOpen = <-reopened
		s.Offer([]byte("a line\n"), 1)
		s.Close()
	}
	syscall.Dup3(saved, syscall.Stdout, 0)
	syscall.Close(saved)
	syscall.Close(pair[1])
	if errOpen != nil {
		t.Fatal(errOpen)
	}
	text, err := io.ReadAll(os.NewFile(uintptr(pair[0]), "pair"))
	if string(text) != "a line\n" || err != nil {
		t.Errorf("stdout has got %q, %v", text, err)
	}
}

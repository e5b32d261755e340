package listen

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Whoever binds in the same directory waits for the other, but not for ever, and a lock leaves no file behind.
func TestBindInLockedDirectory(t *testing.T) {
	dir := t.TempDir()
	l := config.Listen{Network: "unix", Address: filepath.Join(dir, "s"), Perm: 0o640}
	unlock, err := sock.LockDirectory(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bindPath(l, nil, time.Millisecond); err == nil || !strings.Contains(err.Error(), "has locked the directory "+dir) {
		t.Errorf("with the directory locked: %v", err)
	}
	unlock()
	s, err := bindPath(l, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("in the directory are %v, %v", entries, err)
	}
	if _, err := bindPath(l, nil, 0); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("bound before it listens: %v", err)
	}
	sock.Close(s.FD)
	again, err := bindPath(l, nil, 0)
	if err != nil {
		t.Fatalf("left behind: %v", err)
	}
	defer sock.Close(again.FD)
	again.Unlink()
	if _, err := os.Lstat(l.Address); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after its end: %v", err)
	}
	if _, err := bindPath(config.Listen{Network: "unix", Address: filepath.Join(dir, "missing", "s")}, nil, 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a directory that is not there: %v", err)
	}
}

// A name is had by one at a time.
func TestAlone(t *testing.T) {
	inside := 0
	err := Alone(func() error {
		inside++
		if unlock, err := sock.LockName("pinion/start/test", 0); err != nil {
			t.Error(err)
		} else {
			defer unlock()
		}
		if _, err := sock.LockName("pinion/start/test", time.Millisecond); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second time: %v", err)
		}
		return syscall.EPERM
	})
	if err != syscall.EPERM || inside != 1 {
		t.Errorf("got %v, %d calls", err, inside)
	}
}

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Who may not open a file is told as whom it goes, by a command that can be typed.
func TestPermissionHint(t *testing.T) {
	before := os.Args
	defer func() { os.Args = before }()
	os.Args = []string{"/usr/bin/pinion", "status", "--control", "my file"}
	file := filepath.Join(t.TempDir(), "some", "file")
	if err := os.Mkdir(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	me := userName(os.Geteuid())
	want := fmt.Sprintf("opening log file: open %s: permission denied; this is user %s, and %s belongs to %s (mode 0750): %s",
		file, me, filepath.Dir(file), me, asUser(me))
	err := fmt.Errorf("opening log file: %w", &fs.PathError{Op: "open", Path: file, Err: syscall.EACCES})
	if got := withPermissionHint(err); got.Error() != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := asUser("pinion"); got != "sudo -u pinion pinion status --control 'my file'" {
		t.Errorf("got %s", got)
	}
	if got := (&noConnection{file, syscall.EACCES}).Error(); !strings.HasPrefix(got, fmt.Sprintf("connecting to %q: permission denied; this is user ", file)) {
		t.Errorf("got %s", got)
	}
	other := &fs.PathError{Op: "open", Path: file, Err: syscall.ENOENT}
	if got := withPermissionHint(other); got != error(other) {
		t.Errorf("of a file that is not there: %v", got)
	}
}

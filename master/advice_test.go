// What operators are told about a binary that cannot be started, and about descriptors that are missing.

package master

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAdvice(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"script": {"#!/nonexistent/sh -e\nexit\n", `is there, but not the interpreter "/nonexistent/sh", by which it is to be run; install pinion again`},
		"text":   {"pinion\n", "is no program for this machine"},
		"none":   {"", "is not there; install it again"},
	} {
		path := filepath.Join(dir, name)
		if c.text != "" {
			if err := os.WriteFile(path, []byte(c.text), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		err := adviseOn(path, exec.Command(path).Start())
		if want := path + " " + c.want; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

func TestRemedy(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{syscall.EACCES, "permission denied"},
		{fmt.Errorf("starting worker 0: %w", syscall.EMFILE), "starting worker 0: too many open files; raise LimitNOFILE= (ulimit -n)"},
		{errors.New("can't dup fd using fcntl: too many open files"), "can't dup fd using fcntl: too many open files; raise LimitNOFILE= (ulimit -n)"},
		{errors.New("too many open files: raise LimitNOFILE= (ulimit -n)"), "too many open files: raise LimitNOFILE= (ulimit -n)"},
		{syscall.ENFILE, "too many open files in system; raise sysctl fs.file-max"},
	} {
		got := withHint(c.err)
		if c.err == nil && got != nil || c.err != nil && (got.Error() != c.want || !errors.Is(got, c.err)) {
			t.Errorf("got %v, want %s", got, c.want)
		}
	}
}

func TestInShort(t *testing.T) {
	var lines []string
	for i := range mostChanges {
		lines = append(lines, fmt.Sprint("change ", i))
	}
	if got := shorten(lines); len(got) != mostChanges {
		t.Errorf("of %d lines: %q", len(lines), got)
	}
	got := shorten(append(lines, "one more"))
	if len(got) != mostChanges || got[0] != "change 0" || got[mostChanges-1] != "2 other changes" {
		t.Errorf("of %d lines: %q", len(lines)+1, got)
	}
}

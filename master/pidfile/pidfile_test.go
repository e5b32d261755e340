package pidfile

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	if err := Write(path, 123); err != nil || content(t, path) != "123\n" {
		t.Errorf("%v, %q", err, content(t, path))
	}
	for _, pid := range []int{4567, 123} { // longer and shorter than what is there
		if err := Write(path, pid); err != nil || content(t, path) != strconv.Itoa(pid)+"\n" {
			t.Errorf("over another: %v, %q", err, content(t, path))
		}
	}
	Remove(path, 12)
	if content(t, path) != "123\n" {
		t.Error("another process's pid file was touched")
	}
	Remove(path, 123)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("own pid file: %v", err)
	}
	want := "writing pid file: open /nonexistent/pid: no such file or directory"
	if err := Write("/nonexistent/pid", 1); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
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

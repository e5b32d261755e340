package pidfile

import (
	"fmt"
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

func TestClaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	runs := func(pid int) string { return map[int]string{77: "pinion", 78: "nutcracker", 123: "pinion"}[pid] }
	for _, before := range []string{"", "76\n", "garbage", "-77", "123\n"} { // nobody's, or its own: a pid in a container is soon the same again
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Claim(path, 123, runs); err != nil || content(t, path) != "123\n" {
			t.Errorf("over %q: %v, %q", before, err, content(t, path))
		}
	}
	if err := os.WriteFile(path, []byte("77\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("pid file %q is in use by pinion with pid 77, which runs: give this one another -p", path)
	if err := Claim(path, 123, runs); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if content(t, path) != "77\n" {
		t.Errorf("it says %q", content(t, path))
	}
	if err := os.WriteFile(path, []byte("78\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want = fmt.Sprintf("pid file %q is in use by nutcracker with pid 78, which runs: give this one another -p, or remove the file if it is not that one's", path)
	if err := Claim(path, 123, runs); err == nil || err.Error() != want || content(t, path) != "78\n" {
		t.Errorf("got %v, want %s; it says %q", err, want, content(t, path))
	}
	if err := Claim("", 123, runs); err != nil {
		t.Error(err)
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

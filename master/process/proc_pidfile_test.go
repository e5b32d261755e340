// Whose pid file a file is.

package process

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// This test is its own other master: run again, as that, it waits until its standard input ends.
func TestKeepsPIDFile(t *testing.T) {
	if os.Getenv("PINION_TEST_PIDFILE") != "" {
		os.Stdout.WriteString("begun\n") // before that the kernel may not know its arguments
		io.Copy(io.Discard, os.Stdin)
		return
	}
	dir := t.TempDir()
	for _, name := range []string{"pid", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"-p", filepath.Join(dir, "pid")}, {"-p", "pid"}, {"-p./pid"}, {"--pid-file=pid"}} {
		cmd := exec.Command("/proc/self/exe", append([]string{"-test.run=^TestKeepsPIDFile$", "--"}, args...)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PINION_TEST_PIDFILE=1")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, len("begun\n"))); err != nil {
			t.Fatal(err)
		}
		pid := cmd.Process.Pid
		if got := HolderOfPIDFile(pid, filepath.Join(dir, "pid")); got != "pinion" {
			t.Errorf("%q: the holder is %q", args, got)
		}
		if !KeepsPIDFile(pid, filepath.Join(dir, "pid")) {
			t.Errorf("%q: it is not known", args)
		}
		if KeepsPIDFile(pid, filepath.Join(dir, "other")) || KeepsPIDFile(pid, filepath.Join(dir, "none")) {
			t.Errorf("%q: it has another file", args)
		}
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if KeepsPIDFile(pid, filepath.Join(dir, "pid")) {
			t.Errorf("%q: it has ended", args)
		}
	}
	if KeepsPIDFile(os.Getppid(), filepath.Join(dir, "pid")) {
		t.Error("the parent has started this process")
	}
}

// Any process may have a pid file, but not one that is older than it.
func TestHolderOfPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if got := HolderOfPIDFile(cmd.Process.Pid, path); got != "sleep" {
		t.Errorf("got %q", got)
	}
	before := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, before, before); err != nil {
		t.Fatal(err)
	}
	if got := HolderOfPIDFile(cmd.Process.Pid, path); got != "" {
		t.Errorf("of a file that is older: %q", got)
	}
}

// What the kernel tells of processes.

package rig

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Children returns the pids of the processes whose parent is pid. They are asked for their parent: the kernel's lists of
// children leave some out while threads and other children come and go.
func Children(t testing.TB, pid int) (children []int) {
	t.Helper()
	for _, other := range processes(t) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", other))
		if err != nil { // it has ended
			continue
		}
		_, fields, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')'):]), " ") // behind its name, which may be anything
		var state string
		var parent int
		if _, err := fmt.Sscan(fields, &state, &parent); err != nil {
			t.Fatalf("process %d: %v in %q", other, err, stat)
		}
		if parent == pid {
			children = append(children, other)
		}
	}
	return children
}

// processes returns the pids of all processes, in rising order.
func processes(t testing.TB) (pids []int) {
	names, err := os.ReadDir("/proc") // a pattern would have what is in each of them read, too
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if pid, err := strconv.Atoi(name.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// ProcessesIn returns pids and command lines of the processes that work in a directory.
func ProcessesIn(t testing.TB, dir string) map[int]string {
	found := map[int]string{}
	for _, pid := range processes(t) {
		process := fmt.Sprint("/proc/", pid)
		cwd, err := os.Readlink(filepath.Join(process, "cwd"))
		if err != nil || cwd != dir && !strings.HasPrefix(cwd, dir+"/") {
			continue
		}
		command, err := os.ReadFile(filepath.Join(process, "cmdline"))
		if err != nil || len(command) == 0 { // a zombie has no command line
			continue
		}
		found[pid] = strings.ReplaceAll(string(command), "\x00", " ")
	}
	return found
}

// Exists reports whether a process runs. What is left of one whose parent has died is up to whoever inherited it.
func Exists(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// Descriptors returns how many descriptors a process has open.
func Descriptors(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries)
}

// ProcessStatus returns a field of /proc/<pid>/status.
func ProcessStatus(t *testing.T, pid int, field string) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %s in the status of process %d", field, pid)
	return ""
}

// Suspend stops a process and waits until it has stopped.
func Suspend(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "stopping the worker", func() error {
		if state := ProcessStatus(t, pid, "State"); state[0] != 'T' {
			return fmt.Errorf("state %s", state)
		}
		return nil
	})
}

// What the kernel tells of processes.

package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Children returns the pids of the processes whose parent is pid.
func Children(t testing.TB, pid int) (pids []int) {
	t.Helper()
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread may end meanwhile
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, child)
		}
	}
	return pids
}

// ProcessesIn returns pids and command lines of the processes that work in a directory.
func ProcessesIn(t testing.TB, dir string) map[int]string {
	names, err := os.ReadDir("/proc") // a pattern would have what is in each of them read, too
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, name := range names {
		pid, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		process := filepath.Join("/proc", name.Name())
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

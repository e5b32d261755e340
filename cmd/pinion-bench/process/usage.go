// What a process and its descendants use: CPU time and memory, read from /proc.

package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Tree returns pid and the processes that descend from it.
func Tree(pid int) (pids []int, err error) {
	pids = []int{pid}
	for i := 0; i < len(pids); i++ {
		lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i]))
		if err != nil {
			return nil, err
		}
		if i == 0 && len(lists) == 0 {
			return nil, fmt.Errorf("there is no process %d", pid)
		}
		for _, list := range lists {
			text, err := os.ReadFile(list)
			if err != nil {
				continue // the thread has ended
			}
			for _, field := range strings.Fields(string(text)) {
				child, err := strconv.Atoi(field)
				if err != nil {
					return nil, fmt.Errorf("reading %s: %w", list, err)
				}
				pids = append(pids, child)
			}
		}
	}
	return pids, nil
}

// CPU returns the CPU time, user and system, that the living threads of pid and its descendants have used.
func CPU(pid int) (time.Duration, error) {
	pids, err := Tree(pid)
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, pid := range pids {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil {
			return 0, err
		}
		for _, thread := range threads {
			text, err := os.ReadFile(thread)
			if err != nil {
				continue // the thread has ended
			}
			used, err := parseSchedstat(text)
			if err != nil {
				return 0, fmt.Errorf("reading %s: %w", thread, err)
			}
			total += used
		}
	}
	return total, nil
}

// parseSchedstat returns the first of three numbers, the time on a CPU; see
// https://docs.kernel.org/scheduler/sched-stats.html.
func parseSchedstat(text []byte) (time.Duration, error) {
	fields := bytes.Fields(text)
	if len(fields) != 3 {
		return 0, fmt.Errorf("%q has not three fields", text)
	}
	ns, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return time.Duration(ns), err
}

// Memory returns the resident memory of pid and its descendants, in bytes. A page that several of them share counts
// as a part of one for each (the kernel's proportional set size).
func Memory(pid int) (bytes int64, err error) {
	pids, err := Tree(pid)
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		n, err := parseRollup(text)
		if err != nil {
			return 0, fmt.Errorf("reading %s: %w", path, err)
		}
		bytes += n
	}
	return bytes, nil
}

// parseRollup returns the Pss line of a smaps_rollup, in bytes.
func parseRollup(text []byte) (int64, error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		rest, found := strings.CutPrefix(lines.Text(), "Pss:")
		if !found {
			continue
		}
		number, found := strings.CutSuffix(strings.TrimSpace(rest), " kB")
		if !found {
			return 0, fmt.Errorf("%q is not in kB", rest)
		}
		kilobytes, err := strconv.ParseInt(number, 10, 64)
		return kilobytes << 10, err
	}
	return 0, fmt.Errorf("no Pss in %d bytes", len(text))
}

// Whose a pid file is that names a process: that of a process which was there when the file was written. A pid in a file that is older than
// the process was another one's.

package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	ticksPerSecond = 100             // of times in /proc, whatever the kernel's own clock
	startBlur      = 2 * time.Second // by how much the start of a process and the time of a file may differ though they are one
)

// HolderOfPIDFile returns the name of a process if the pid file of that path, which names it, is its own; empty: it is not.
func HolderOfPIDFile(pid int, path string) string {
	if KeepsPIDFile(pid, path) {
		return "pinion"
	}
	p, ok := Read(pid)
	if !ok || p.State == 'Z' || pid == os.Getppid() || Dying(pid) {
		return ""
	}
	info, err := os.Stat(path)
	began, known := startOf(pid)
	if err != nil || !known || began.After(info.ModTime().Add(startBlur)) {
		return ""
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}

// startOf returns when a process has begun, see starttime in proc_pid_stat(5).
func startOf(pid int) (time.Time, bool) {
	const afterName = 19 // fields between the name and starttime
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return time.Time{}, false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) <= afterName {
		return time.Time{}, false
	}
	ticks, err := strconv.ParseInt(fields[afterName], 10, 64)
	age := sock.SinceBoot() - time.Duration(ticks)*time.Second/ticksPerSecond
	return time.Now().Add(-age), err == nil
}

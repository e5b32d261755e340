// What a process uses of the machine, as /proc tells.

package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Usage is what a process has used and uses.
type Usage struct {
	CPU           time.Duration // since it was started, of all its threads, in user and kernel mode
	ResidentBytes int64
	Descriptors   int64 // open; 0: the kernel does not tell, being older than 6.2
}

// Fields of proc_pid_stat(5), counted from the one behind the name.
const (
	fieldUserTime   = 11
	fieldSystemTime = 12
	fieldResident   = 21

	clockTick = time.Second / 100 // USER_HZ, which Linux never changes
)

// UsageOf returns what a process uses; false: there is none, or not any more.
func UsageOf(pid int) (u Usage, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the name before it can be anything
	if len(fields) <= fieldResident {
		return u, false
	}
	number := func(field int) int64 {
		n, _ := strconv.ParseInt(string(fields[field]), 10, 64)
		return n
	}
	u.CPU = time.Duration(number(fieldUserTime)+number(fieldSystemTime)) * clockTick
	u.ResidentBytes = number(fieldResident) * int64(os.Getpagesize())
	if info, err := os.Stat(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
		u.Descriptors = info.Size()
	}
	return u, true
}

// WorkOf returns the time of CPUs that a process has had, and whether one of its threads runs or would if it got one.
func WorkOf(pid int) (cpu time.Duration, wants bool) {
	u, _ := UsageOf(pid)
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, task.Name()))
		_, state, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
		wants = wants || bytes.HasPrefix(state, []byte("R"))
	}
	return u.CPU, wants
}

// How many more processes and threads there may be. Go's runtime ends a process that cannot have a thread.

package limits

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// Shortage is a limit of tasks, which are processes and threads, and what is left of it.
type Shortage struct {
	Room int    // tasks that can still be begun
	By   string // what limits it, and what to do
}

// Threads that a worker needs at its start, about, and what the master itself may still need.
const (
	workerTasks = 8
	spareTasks  = 6
)

// Check returns an error if there is no room for so many workers and others.
func (s *Shortage) Check(workers, others int) error {
	need := workers*workerTasks + others + spareTasks
	if s == nil || s.Room >= need {
		return nil
	}
	return fmt.Errorf("%d workers need room for about %d more processes and threads, and there is room for %d: %s", workers, need, s.Room, s.By)
}

// Tasks returns the tightest limit; nil: none is known.
func Tasks() *Shortage {
	tightest := groupTasks(os.DirFS("/"))
	if os.Getuid() == 0 { // a user's limit does not apply to root
		return tightest
	}
	most, limited := sock.MaxTasks()
	if !limited {
		return tightest
	}
	return tighter(tightest, &Shortage{Room: most - tasksOf(os.Getuid()), By: "raise LimitNPROC= (ulimit -u)"})
}

// tasksOf returns how many tasks of a user there are.
func tasksOf(uid int) (n int) {
	processes, _ := fs.Glob(os.DirFS("/proc"), "[0-9]*")
	for _, pid := range processes {
		info, err := os.Stat("/proc/" + pid)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(uid) {
			continue
		}
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%s/task", pid))
		n += max(len(threads), 1)
	}
	return n
}

func tighter(a, b *Shortage) *Shortage {
	if a == nil || b != nil && b.Room < a.Room {
		return b
	}
	return a
}

// groupTasks returns what is left of the limits of the control groups.
func groupTasks(root fs.FS) (tightest *Shortage) {
	for group := range groups(root, "pids") {
		most, err := readNumber(root, path.Join(group, "pids.max")) // not "max", not missing
		now, errNow := readNumber(root, path.Join(group, "pids.current"))
		if err == nil && errNow == nil {
			tightest = tighter(tightest, &Shortage{Room: int(most - now), By: "raise TasksMax= (pids.max of the control group)"})
		}
	}
	return tightest
}

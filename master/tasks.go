// Tasks: where the system lets a user or a control group have only so many processes and threads, a generation that does not
// fit must be refused before it is begun. Go's runtime ends a process that cannot have a thread, even the master.

package master

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// What processes need at their start, about, and what the master itself may still want.
const (
	workerTasks = 8
	masterTasks = 16
	spareTasks  = 6
)

// shortage is a limit that is too tight.
type shortage struct {
	room int
	by   string // what limits it, and what to do
}

// checkTasks finds out beside the loop whether that many workers, and others, fit, and goes on; an error says why not.
func (m *master) checkTasks(workers, others int, then func(error)) {
	need := workers*workerTasks + others + spareTasks
	m.world.aside(func() func() {
		err := error(nil)
		if s := m.world.tasks(); s != nil && s.room < need {
			err = fmt.Errorf("%d workers need room for about %d more processes and threads, and there is room for %d: %s",
				workers, need, s.room, s.by)
		}
		return func() { then(err) }
	})
}

// workersOf returns how many workers a configuration makes on this machine.
func (m *master) workersOf(cfg *config.Config) int {
	allowed, _ := m.world.affinity()
	for _, n := range [...]int{m.opts.Workers, cfg.Global.Workers, len(allowed)} {
		if n > 0 {
			return n
		}
	}
	return runtime.NumCPU()
}

// roomForTasks returns the tightest limit; nil: none is known.
func roomForTasks() *shortage {
	tightest := groupTasks(os.DirFS("/"))
	if os.Getuid() == 0 { // whom the limit of a user does not concern
		return tightest
	}
	room, limited := sock.MaxTasks()
	if !limited {
		return tightest
	}
	for _, p := range processesOf(os.Getuid()) {
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.pid))
		room -= max(len(threads), 1)
	}
	return tighter(tightest, &shortage{room, "raise LimitNPROC= (ulimit -u)"})
}

func tighter(a, b *shortage) *shortage {
	if a == nil || b != nil && b.room < a.room {
		return b
	}
	return a
}

// groupTasks returns what is left of the limits of the control group that this process is in, and of those above it.
func groupTasks(root fs.FS) (tightest *shortage) {
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		hierarchy := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(hierarchy) != 3 {
			continue
		}
		mount := "sys/fs/cgroup" // of version 2, which has no list of controllers
		switch controllers := strings.Split(hierarchy[1], ","); {
		case slices.Contains(controllers, "pids"):
			mount = "sys/fs/cgroup/pids"
		case hierarchy[1] != "":
			continue
		}
		for group := path.Clean("/" + hierarchy[2]); ; group = path.Dir(group) {
			most, err := readNumber(root, path.Join(mount, group, "pids.max")) // not "max", not missing
			now, errNow := readNumber(root, path.Join(mount, group, "pids.current"))
			if err == nil && errNow == nil {
				tightest = tighter(tightest, &shortage{most - now, "raise TasksMax= (pids.max of the control group)"})
			}
			if group == "/" {
				break
			}
		}
	}
	return tightest
}

func readNumber(root fs.FS, file string) (int, error) {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(bytes.TrimSpace(text)))
}

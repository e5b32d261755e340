// What a configuration needs of the machine: workers for which there is no room are refused before they are spawned, and too
// few descriptors are logged.

package master

import (
	"fmt"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
)

// Threads that a worker and a master need at their start, about, and what this master itself may still need.
const (
	workerTasks = 8
	masterTasks = 16
	spareTasks  = 6
)

// workersOf returns how many workers a configuration makes on this machine.
func (m *master) workersOf(cfg *config.Config) int {
	allowed, _ := m.world.affinity()
	return cfg.WorkerCount(m.opts.Workers, len(allowed))
}

// checkTasks finds out beside the loop whether there is room for the threads of that many workers and for others, and then
// calls then, with an error if not.
func (m *master) checkTasks(workers, others int, then func(error)) {
	need := workers*workerTasks + others + spareTasks
	m.world.aside(func() func() {
		err := error(nil)
		if s := m.world.tasks(); s != nil && s.Room < need {
			err = fmt.Errorf("%d workers need room for about %d more processes and threads, and there is room for %d: %s",
				workers, need, s.Room, s.By)
		}
		return func() { then(err) }
	})
}

// memoryShare returns what "memory_limit: auto" means for each of n workers: half of the memory in all. The other half is
// for the kernel, the runtime and other processes.
func (m *master) memoryShare(cfg *config.Config, n int) int64 {
	if cfg.Global.MemoryLimit != config.AutoMemory {
		return 0
	}
	memory, err := m.world.memory()
	if err != nil {
		m.log.Printf(logfile.Warn, "workers run without memory_limit: reading the size of the memory: %v", err)
		return 0
	}
	share := memory / 2 / int64(n)
	m.log.Printf(logfile.Debug, "memory_limit of each worker is %d MiB, of %d in all", share>>20, memory>>20)
	return share
}

// checkDescriptors logs for what a configuration the workers have too few descriptors.
func (m *master) checkDescriptors(cfg *config.Config) {
	for _, p := range cfg.DescriptorWarnings(m.workersOf(cfg), m.world.descriptors()) {
		pool := ""
		if p.Pool != "" {
			pool = fmt.Sprintf("pool %q: ", p.Pool)
		}
		m.log.Printf(logfile.Warn, "%s%s; %s", pool, p.Message, p.Hint)
	}
}

// withHint adds what to do to an error that means that descriptors are too few. It compares text, since the error may come
// from another process or a library.
func withHint(err error) error {
	switch {
	case err == nil, strings.Contains(err.Error(), "LimitNOFILE"):
		return err
	case strings.Contains(err.Error(), syscall.ENFILE.Error()):
		return fmt.Errorf("%w; raise sysctl fs.file-max", err)
	case strings.Contains(err.Error(), syscall.EMFILE.Error()):
		return fmt.Errorf("%w; raise LimitNOFILE= (ulimit -n)", err)
	}
	return err
}

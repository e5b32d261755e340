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

// masterTasks is how many threads a master needs at its start, about.
const masterTasks = 16

// checkTasks finds out beside the loop whether there is room for the threads of that many workers and for others, and then
// calls then, with an error if not.
func (m *master) checkTasks(workers, others int, then func(error)) {
	m.world.aside(func() func() {
		err := m.world.tasks().Check(workers, others)
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
		m.log.Event(logfile.MemoryUnknown, err)
		return 0
	}
	share := memory / 2 / int64(n)
	m.log.Event(logfile.MemoryShare, share>>20, memory>>20)
	return share
}

// checkRoom logs what the workers of a configuration have too little room for.
func (m *master) checkRoom(cfg *config.Config) {
	cpus, _ := m.world.cpus()
	room := config.Room{CPUs: cpus.Allowed}
	if cpus.Limited() {
		room.Quota = cpus.Quota
	}
	if cfg.Global.MemoryLimit > 0 { // otherwise memoryShare reads it
		room.Memory, _ = m.world.memory()
	}
	for _, p := range cfg.RoomWarnings(m.workersOf(cfg), room) {
		m.log.Event(logfile.LimitLow, p.Message, p.Hint)
	}
}

// checkDescriptors logs for what a configuration the workers have too few descriptors.
func (m *master) checkDescriptors(cfg *config.Config) {
	for _, p := range cfg.DescriptorWarnings(m.workersOf(cfg), m.world.descriptors()) {
		pool := ""
		if p.Pool != "" {
			pool = fmt.Sprintf("pool %q: ", p.Pool)
		}
		m.log.Event(logfile.DescriptorsShort, pool, p.Message, p.Hint, p.Pool)
	}
}

// withHint adds what to do to an error that means that descriptors or processes are too few. It compares text, since the error may come
// from another process or a library.
func withHint(err error) error {
	switch {
	case err == nil, strings.Contains(err.Error(), "LimitNOFILE"):
		return err
	case strings.Contains(err.Error(), syscall.ENFILE.Error()):
		return fmt.Errorf("%w; raise sysctl fs.file-max", err)
	case strings.Contains(err.Error(), syscall.EMFILE.Error()):
		return fmt.Errorf("%w; raise LimitNOFILE= (ulimit -n)", err)
	case strings.Contains(err.Error(), "executing /proc/self/exe: "+syscall.EAGAIN.Error()):
		return fmt.Errorf("%w; raise TasksMax= (pids.max of the cgroup) or LimitNPROC= (ulimit -u)", err)
	}
	return err
}

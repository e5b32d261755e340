// How much memory there is for the workers: what the machine has, or the cgroup that the process is in if that is less.

package master

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
)

// cgroupLimits says where each version of cgroups keeps the limit of memory, see cgroups(7).
var cgroupLimits = [...]struct{ controllers, mount, file string }{
	{"", "sys/fs/cgroup", "memory.max"}, // version 2 has no list of controllers in /proc/self/cgroup
	{"memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes"},
}

// memoryShare returns what "memory_limit: auto" comes to for each of n workers. The other half is for what the kernel
// and the runtime need beside the bytes that are counted, and for those who live on the same machine.
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

// machineMemory returns the bytes that the process may use of the machine with this file system.
func machineMemory(root fs.FS) (int64, error) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	memory, err := totalMemory(text)
	if err != nil {
		return 0, err
	}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup") // a kernel without cgroups has no such file
	for line := range strings.Lines(string(groups)) {
		memory = groupMemory(root, strings.TrimSuffix(line, "\n"), memory)
	}
	return memory, nil
}

// totalMemory finds the line "MemTotal:       24684084 kB".
func totalMemory(meminfo []byte) (int64, error) {
	for line := range bytes.Lines(meminfo) {
		words := bytes.Fields(line)
		if len(words) < 2 || string(words[0]) != "MemTotal:" {
			continue
		}
		kibibytes, err := strconv.ParseInt(string(words[1]), 10, 53) // the bytes have ten bits more, and a sign
		return kibibytes << 10, err
	}
	return 0, fmt.Errorf("/proc/meminfo has no MemTotal")
}

// groupMemory lowers limit to that of a group in /proc/self/cgroup, "hierarchy:controllers:path", and of those above it.
// In a container the path may be that of the host: then the group itself is not there, and the top of the mount is the
// container's group.
func groupMemory(root fs.FS, line string, limit int64) int64 {
	hierarchy := strings.SplitN(line, ":", 3)
	if len(hierarchy) != 3 {
		return limit
	}
	for _, where := range cgroupLimits {
		if !slices.Contains(strings.Split(hierarchy[1], ","), where.controllers) {
			continue
		}
		for group := path.Clean("/" + hierarchy[2]); ; group = path.Dir(group) {
			text, _ := fs.ReadFile(root, path.Join(where.mount, group, where.file))
			if n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil { // not "max", not missing
				limit = min(limit, n)
			}
			if group == "/" {
				break
			}
		}
	}
	return limit
}

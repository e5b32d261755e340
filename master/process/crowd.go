// Which CPUs the workers of other Pinions on this machine are pinned to.

package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// Crowd returns how many workers of other configuration files are pinned to each CPU, as far as this process sees them: those in
// other containers it does not, and those of earlier builds do not say which file they are of.
func Crowd(file string) map[int]int {
	crowd := map[int]int{}
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || !isProxy(pid) {
			continue
		}
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		args := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
		if len(args) <= argFile || args[argWorker] != workerCommand || args[argFile] == file {
			continue
		}
		if cpus, err := sock.AffinityOf(pid); err == nil && len(cpus) == 1 {
			crowd[cpus[0]]++
		}
	}
	return crowd
}

// isProxy reports whether a process has the name of masters and workers.
func isProxy(pid int) bool {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return string(name) == sock.ProxyName+"\n"
}

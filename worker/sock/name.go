// The name of the process, as ps, top, ss and the kernel's own messages show it.

package sock

import (
	"os"
	"path/filepath"
)

// ProxyName is that of masters and workers. The kernel names a process by the file that it executes, and one that is to run
// this very binary, whatever has become of its file, executes /proc/self/exe.
const ProxyName = "pinion"

// SetName names this process: all its threads, so that those which the runtime starts from them are called like that, too.
// Where it fails, the name is another one.
func SetName(name string) {
	for range 2 { // a thread may be started by another that is still to be renamed
		threads, _ := filepath.Glob("/proc/self/task/*/comm")
		for _, comm := range threads {
			os.WriteFile(comm, []byte(name), 0)
		}
	}
}

// The size of the memory, read from file systems as the kernel shows them.

package limits

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"
)

const gibibyte = 1 << 30

// machineFiles is a file system of a machine with 4 GiB and these files.
func machineFiles(files map[string]string) fstest.MapFS {
	const meminfo = "MemFree:  7 kB\nMemTotal:        4194304 kB\nMemAvailable:  9 kB\n"
	root := fstest.MapFS{"proc/meminfo": {Data: []byte(meminfo)}}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func TestMemory(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"no cgroups", nil, 4 * gibibyte},
		{"version 2, no limit", map[string]string{
			"proc/self/cgroup":                      "0::/system.slice/pinion.service\n",
			"sys/fs/cgroup/system.slice/memory.max": "max\n",
		}, 4 * gibibyte},
		{"version 2, MemoryMax= of the service", map[string]string{
			"proc/self/cgroup": "0::/system.slice/pinion.service\n",
			"sys/fs/cgroup/system.slice/pinion.service/memory.max": "1073741824\n",
			"sys/fs/cgroup/system.slice/memory.max":                "max\n",
		}, gibibyte},
		{"version 2, a lower limit above", map[string]string{
			"proc/self/cgroup":                "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max":    "2147483648\n",
			"sys/fs/cgroup/a/memory.max":      "1073741824\n",
			"sys/fs/cgroup/a/c/memory.max":    "1\n",
			"sys/fs/cgroup/memory/memory.max": "1\n",
		}, gibibyte},
		{"more than the machine has", map[string]string{
			"proc/self/cgroup":           "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "8589934592\n",
		}, 4 * gibibyte},
		{"version 1", map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/b\n4:memory:/a:b\n1:name=systemd:/b\n",
			"sys/fs/cgroup/memory/a:b/memory.limit_in_bytes": "1073741824\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
			"sys/fs/cgroup/memory/b/memory.limit_in_bytes":   "1\n",
		}, gibibyte},
		{"version 1, one hierarchy of several controllers", map[string]string{
			"proc/self/cgroup": "4:cpu,memory:/a\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1073741824\n",
		}, gibibyte},
		{"a container that sees the path of its host", map[string]string{
			"proc/self/cgroup":         "0::/docker/0123\n",
			"sys/fs/cgroup/memory.max": "1073741824\n",
		}, gibibyte},
		{"a container below another root", map[string]string{
			"proc/self/cgroup":         "0::/../pod\n",
			"sys/fs/cgroup/memory.max": "1073741824\n",
		}, gibibyte},
		{"lines of a kernel to come", map[string]string{
			"proc/self/cgroup":         "\n0:\nx\n0::/\n",
			"sys/fs/cgroup/memory.max": "1073741824",
		}, gibibyte},
	} {
		if got, err := memoryOf(machineFiles(test.files)); err != nil || got != test.want {
			t.Errorf("%s: got %d, %v; want %d", test.name, got, err, test.want)
		}
	}
}

func TestMemoryUnknown(t *testing.T) {
	if got, err := memoryOf(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without /proc: got %d, %v", got, err)
	}
	for _, text := range []string{"", "MemTotal:", "MemTotal: x kB", "MemTotal: 99999999999999999999 kB", "MemFree: 4\n"} {
		root := fstest.MapFS{"proc/meminfo": {Data: []byte(text)}}
		if got, err := memoryOf(root); err == nil {
			t.Errorf("%q: got %d", text, got)
		}
	}
}

// This machine has some memory, and files that are like the ones above.
func TestMemoryHere(t *testing.T) {
	if got, err := memoryOf(os.DirFS("/")); err != nil || got < 1<<24 {
		t.Errorf("got %d, %v", got, err)
	}
}

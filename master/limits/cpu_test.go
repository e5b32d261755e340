// Quotas, read from file systems as the kernel shows them.

package limits

import (
	"math"
	"runtime"
	"testing"
	"testing/fstest"
)

func TestQuota(t *testing.T) {
	const v1 = "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	for _, test := range []struct {
		name  string
		files map[string]string
		want  float64
	}{
		{"no cgroups", nil, 0},
		{"version 2, no quota", map[string]string{
			"proc/self/cgroup":        "0::/a\n",
			"sys/fs/cgroup/a/cpu.max": "max 100000\n",
		}, 0},
		{"version 2, CPUQuota=150%", map[string]string{
			"proc/self/cgroup":                                  "0::/system.slice/pinion.service\n",
			"sys/fs/cgroup/system.slice/cpu.max":                "max 100000\n",
			"sys/fs/cgroup/system.slice/x/cpu.max":              "1000 100000\n",
			"sys/fs/cgroup/system.slice/pinion.service/cpu.max": "150000 100000\n",
		}, 1.5},
		{"version 2, a smaller one above", map[string]string{
			"proc/self/cgroup":                 "0::/pod/pinion\n",
			"sys/fs/cgroup/pod/cpu.max":        "100000 50000\n",
			"sys/fs/cgroup/pod/pinion/cpu.max": "800000 100000\n",
		}, 2},
		{"a namespace of groups", map[string]string{
			"proc/self/cgroup":      "0::/\n",
			"sys/fs/cgroup/cpu.max": "50000 100000\n",
		}, 0.5},
		{"a container that sees the path of its host", map[string]string{
			"proc/self/cgroup":      "0::/docker/0123\n",
			"sys/fs/cgroup/cpu.max": "250000 100000\n",
		}, 2.5},
		{"a group below the mount of a container that shares the groups of its host", map[string]string{
			"proc/self/cgroup":            "0::/docker/0123/inner\n",
			"proc/self/mountinfo":         "41 30 0:27 /docker/0123 /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
			"sys/fs/cgroup/inner/cpu.max": "70000 100000\n",
			"sys/fs/cgroup/cpu.max":       "200000 100000\n",
		}, 0.7},
		{"another place, with a space in it", map[string]string{
			"proc/self/cgroup":        "0::/a\n",
			"proc/self/mountinfo":     "broken\n41 30 0:27 / /mnt/my\\040groups rw - cgroup2 none rw\n",
			"mnt/my groups/a/cpu.max": "300000 100000\n",
		}, 3},
		{"version 1", map[string]string{
			"proc/self/cgroup":                                "4:cpu,cpuacct:/pod\n1:name=systemd:/pod\n",
			"proc/self/mountinfo":                             v1,
			"sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us":  "150000\n",
			"sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":      "-1\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":     "100000\n",
		}, 1.5},
		{"version 1 with version 2 beside it", map[string]string{
			"proc/self/cgroup":                            "4:cpu,cpuacct:/\n0::/\n",
			"proc/self/mountinfo":                         v1 + "38 31 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":  "400000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
		}, 4},
		{"version 1 without a list of mounts", map[string]string{
			"proc/self/cgroup":                    "4:cpu:/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":  "25000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, 0.25},
	} {
		if got := quotaOf(machineFiles(test.files)); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestCountOfCPUs(t *testing.T) {
	for _, test := range []struct {
		cpus    CPUs
		want    int
		limited bool
	}{
		{CPUs{}, 0, false},
		{CPUs{Allowed: []int{0, 1, 2}}, 3, false},
		{CPUs{Allowed: []int{0, 1, 2}, Quota: 0.1}, 1, true},
		{CPUs{Allowed: []int{0, 1, 2}, Quota: 1}, 1, true},
		{CPUs{Allowed: []int{0, 1, 2}, Quota: 1.5}, 2, true},
		{CPUs{Allowed: []int{0, 1, 2}, Quota: 2.5}, 3, true},
		{CPUs{Allowed: []int{0, 1, 2}, Quota: 3}, 3, false},
		{CPUs{Allowed: []int{0, 1, 2}, Quota: 1e9}, 3, false},
		{CPUs{Quota: 0.5}, 1, true},
		{CPUs{Quota: 1e18}, runtime.NumCPU(), true},
	} {
		if got, limited := test.cpus.Count(), test.cpus.Limited(); got != test.want || limited != test.limited {
			t.Errorf("%+v: got %d, %t", test.cpus, got, limited)
		}
	}
}

// Whatever the files say, a quota is a number of CPUs that can be counted with.
func FuzzQuota(f *testing.F) {
	f.Add("0::/a\n4:cpu:/b\n", "41 30 0:27 /b /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "150000 100000\n")
	f.Add("0::/../a\n", "1 1 1 /\\04 / - cgroup2 a b", "max 100000")
	f.Add(":::\n", " - ", "9223372036854775807 1")
	f.Fuzz(func(t *testing.T, cgroup, mountinfo, quota string) {
		root := fstest.MapFS{}
		for name, text := range map[string]string{
			"proc/self/cgroup": cgroup, "proc/self/mountinfo": mountinfo, "sys/fs/cgroup/cpu.max": quota, "sys/fs/cgroup/a/cpu.max": quota,
			"sys/fs/cgroup/pids.max": quota, "sys/fs/cgroup/pids.current": quota, "proc/meminfo": "MemTotal: 7 kB",
		} {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		got := quotaOf(root)
		if got < 0 || math.IsNaN(got) || math.IsInf(got, 0) {
			t.Errorf("quota %v", got)
		}
		groupTasks(root)
		memoryOf(root)
		if n := (CPUs{Allowed: []int{0, 1}, Quota: got}).Count(); n < 1 || n > 2 {
			t.Errorf("%d of two CPUs", n)
		}
	})
}

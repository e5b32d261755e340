package limits

import (
	"testing"
	"testing/fstest"
)

func TestGroupTasks(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, c := range map[string]struct {
		root fstest.MapFS
		want int // -1: no limit is known
	}{
		"none":      {fstest.MapFS{}, -1},
		"unlimited": {fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/pids.max": file("max\n"), "sys/fs/cgroup/a/pids.current": file("7\n")}, -1},
		"above": {fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/pids.max": file("20\n"), "sys/fs/cgroup/a/pids.current": file("7\n"),
			"sys/fs/cgroup/a/b/pids.max": file("30\n"), "sys/fs/cgroup/a/b/pids.current": file("5\n")}, 13},
		"version 1": {fstest.MapFS{"proc/self/cgroup": file("8:pids:/x\n4:memory:/y\n"),
			"sys/fs/cgroup/pids/pids.max": file("9\n"), "sys/fs/cgroup/pids/pids.current": file("4\n")}, 5},
	} {
		got := groupTasks(c.root)
		if got == nil && c.want >= 0 || got != nil && got.Room != c.want {
			t.Errorf("%s: %+v, want %d", name, got, c.want)
		}
	}
}

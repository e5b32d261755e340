package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseCPUs(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "2-5": "2-5", "8,2-5": "2-5,8", "0-1,2": "0-2", "007": "7", "3-3": "3", "8191": "8191", "1,3,5": "1,3,5",
	} {
		got, err := parseCPUs(text)
		if err != "" || FormatCPUs(got) != want {
			t.Errorf("%q: %v, %s; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "is no list", "all": "is no list", "-1": "is no list", "1-": "is no list", "1,": "is no list", "1 2": "is no list", "1-2-3": "is no list",
		"1.5": "is no list", "8192": "above 8191", "0-99999999999": "is no list", "5-2": "ends before it begins", "1,1": "CPU 1 twice", "0-3,2-5": "CPU 2 twice",
	} {
		if got, err := parseCPUs(text); !strings.Contains(err, want) {
			t.Errorf("%q: %v, %q; want %q", text, got, err, want)
		}
	}
}

// What is accepted is what is meant, and means the same when it is written back.
func FuzzCPUs(f *testing.F) {
	f.Add("2-5,8")
	f.Add("0-8191,0-8191")
	f.Fuzz(func(t *testing.T, text string) {
		got, wrong := parseCPUs(text)
		if wrong != "" {
			return
		}
		again, err := parseCPUs(FormatCPUs(got))
		if err != "" || !slices.Equal(got, again) || !slices.IsSorted(got) || len(got) == 0 {
			t.Errorf("%q is %v, and written back %v: %s", text, got, again, err)
		}
	})
}

func TestRoomWarnings(t *testing.T) {
	for _, test := range []struct {
		global  string
		workers int
		room    Room
		want    string // empty: nothing
	}{
		{"", 4, Room{}, ""},
		{"workers: 4", 4, Room{CPUs: []int{0, 1, 2, 3}, Quota: 3.5, Memory: 1 << 30}, ""},
		{"workers: 5", 5, Room{CPUs: []int{0, 1, 2, 3}, Quota: 3.5}, "w:2:3: warning: 5 workers have the time of 3.5 CPUs together: all stand still " +
			"when it is used up; write workers: auto, or raise the quota of the cgroup (CPUQuota=, cpu.max)"},
		{"cpus: 2-3", 2, Room{CPUs: []int{0, 1, 2, 3}}, ""},
		{"cpus: 2-3", 2, Room{}, ""},
		{"cpus: 2-5", 2, Room{CPUs: []int{0, 1, 2, 3}}, "w:2:3: warning: cpus: Pinion may not run on 4-5, only on 0-3; list others, or write auto"},
		{"cpus: 4,6", 2, Room{CPUs: []int{0, 1, 2, 3}}, "w:2:3: warning: cpus: Pinion may run on none of 4,6, only on 0-3; list others, or write auto"},
		{"memory_limit: 512m", 2, Room{Memory: 1 << 30}, ""},
		{"memory_limit: 0", 2, Room{Memory: 1}, ""},
		{"memory_limit: auto", 2, Room{Memory: 1}, ""},
		{"memory_limit: 513m", 2, Room{Memory: 1 << 30}, "w:2:3: warning: 2 workers may hold memory_limit of 513m each, and have 1024 MiB together: " +
			"the kernel kills one that takes more; lower memory_limit, write auto, or raise MemoryMax= (memory.max of the cgroup)"},
	} {
		text := poolAlpha + oneServer
		if test.global != "" {
			text = "global:\n  " + test.global + "\n" + text
		}
		if got := parseTest(t, "w", text).RoomWarnings(test.workers, test.room).Error(); got != test.want {
			t.Errorf("%s of %+v:\n%s\nwant\n%s", test.global, test.room, got, test.want)
		}
	}
}

// A list of which nothing is there is an error where the configuration is to run; one of which something is missing is not.
func TestCPUProblem(t *testing.T) {
	c := parseTest(t, "w", "global:\n  cpus: 2-3\n"+poolAlpha+oneServer)
	for allowed, want := range map[string]string{"": "<nil>", "0-3": "<nil>", "3": "warning", "0-1": "error"} {
		cpus, _ := parseCPUs(allowed)
		got := "<nil>"
		if p := c.CPUProblem(cpus); p != nil {
			got = map[bool]string{true: "warning", false: "error"}[p.Warning]
		}
		if got != want {
			t.Errorf("on %q: %s, want %s", allowed, got, want)
		}
	}
	if got := fmt.Sprint(c.Global.CPUs.Of([]int{1, 3, 5})); got != "[3]" {
		t.Errorf("of 1, 3 and 5 workers may use %s", got)
	}
}

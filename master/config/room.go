// What a configuration asks of a machine that has less: it runs, and surprises its operator under load.

package config

import "fmt"

// Room is what a process and those that it starts may use together.
type Room struct {
	CPUs   []int   // ascending; empty: not known
	Quota  float64 // whole CPUs in terms of time, less than CPUs have; 0: none
	Memory int64   // bytes; 0: not known
}

// RoomWarnings returns what so many workers have too little room for.
func (c *Config) RoomWarnings(workers int, r Room) (warnings Problems) {
	warn := func(key, message, hint string) {
		at := c.Global.given[key]
		warnings = append(warnings, Problem{File: c.File, Line: at.line, Column: at.column, Message: message, Hint: hint, Warning: true})
	}
	if p := c.CPUProblem(r.CPUs); p != nil {
		p.Warning = true // of this machine, which need not be the one that is to run it
		warnings = append(warnings, *p)
	}
	if r.Quota > 0 && float64(workers) >= r.Quota+1 {
		warn("workers", fmt.Sprintf("%d workers have the time of %.3g CPUs together: all stand still when it is used up", workers, r.Quota),
			"write workers: auto, or raise the quota of the cgroup (CPUQuota=, cpu.max)")
	}
	if limit := c.Global.MemoryLimit; limit > 0 && r.Memory > 0 && limit > r.Memory/int64(workers) {
		warn("memory_limit", fmt.Sprintf("%d workers may hold memory_limit of %s each, and have %s MiB together: the kernel kills one that takes more",
			workers, formatSize(limit), fmt.Sprint(r.Memory>>20)),
			"lower memory_limit, write auto, or raise MemoryMax= (memory.max of the cgroup)")
	}
	return warnings
}

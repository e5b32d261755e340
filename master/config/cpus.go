// The CPUs that workers are pinned to.

package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxCPU is the highest number of a CPU that the kernel knows (NR_CPUS).
const maxCPU = 8191

// CPUs says where workers run.
type CPUs struct {
	Listed   []int // ascending: on these; nil: the file lists none
	Unpinned bool  // wherever the kernel likes
}

// Of returns which of the CPUs that a process may run on its workers may; those CPUs themselves if there is no list.
func (c CPUs) Of(allowed []int) []int {
	if c.Listed == nil {
		return allowed
	}
	return slices.DeleteFunc(slices.Clone(c.Listed), func(cpu int) bool { return !slices.Contains(allowed, cpu) })
}

const cpusNone = "none"

const cpusHint = "write auto, none, or CPUs such as 2-5,8"

func setCPUs(d *draft, _ *Key, w word) *flaw {
	d.global.CPUs = CPUs{}
	switch w.text {
	case auto:
		return nil
	case cpusNone:
		d.global.CPUs.Unpinned = true
		return nil
	}
	listed, err := parseCPUs(w.text)
	if err != "" {
		return &flaw{message: err, hint: cpusHint}
	}
	d.global.CPUs.Listed = listed
	return nil
}

func getCPUs(d *draft) []string {
	switch c := d.global.CPUs; {
	case c.Unpinned:
		return []string{cpusNone}
	case c.Listed != nil:
		return []string{FormatCPUs(c.Listed)}
	}
	return []string{auto}
}

// parseCPUs reads "2-5,8", as taskset(1) and systemd write it; err says what is wrong.
func parseCPUs(text string) (listed []int, err string) {
	for _, part := range strings.Split(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		low, ok := decimal(first)
		high := low
		if isRange && ok {
			high, ok = decimal(last)
		}
		switch {
		case !ok:
			return nil, "is no list of CPUs"
		case high > maxCPU:
			return nil, fmt.Sprintf("has a CPU above %d, which no machine has", maxCPU)
		case high < low:
			return nil, fmt.Sprintf("has the range %s, which ends before it begins", part)
		}
		for cpu := low; cpu <= high; cpu++ {
			if slices.Contains(listed, cpu) {
				return nil, fmt.Sprintf("names CPU %d twice", cpu)
			}
			listed = append(listed, cpu)
		}
	}
	slices.Sort(listed)
	return listed, ""
}

// FormatCPUs writes CPUs in ascending order as "2-5,8".
func FormatCPUs(cpus []int) string {
	var parts []string
	for i := 0; i < len(cpus); {
		last := i
		for last+1 < len(cpus) && cpus[last+1] == cpus[last]+1 {
			last++
		}
		part := strconv.Itoa(cpus[i])
		if last > i {
			part += "-" + strconv.Itoa(cpus[last])
		}
		parts = append(parts, part)
		i = last + 1
	}
	return strings.Join(parts, ",")
}

// CPUProblem returns what is wrong with the list of CPUs for a process that may run on these; nil: nothing, or they are not known.
// It is a warning as long as there is one CPU for the workers.
func (c *Config) CPUProblem(allowed []int) *Problem {
	listed := c.Global.CPUs.Listed
	here := c.Global.CPUs.Of(allowed)
	if listed == nil || len(allowed) == 0 || len(here) == len(listed) {
		return nil
	}
	at := c.Global.given["cpus"]
	p := &Problem{File: c.File, Line: at.line, Column: at.column, Hint: "list others, or write auto"}
	if len(here) == 0 {
		p.Message = fmt.Sprintf("cpus: Pinion may run on none of %s, only on %s", FormatCPUs(listed), FormatCPUs(allowed))
		return p
	}
	missing := slices.DeleteFunc(slices.Clone(listed), func(cpu int) bool { return slices.Contains(allowed, cpu) })
	p.Message = fmt.Sprintf("cpus: Pinion may not run on %s, only on %s", FormatCPUs(missing), FormatCPUs(allowed))
	p.Warning = true
	return p
}

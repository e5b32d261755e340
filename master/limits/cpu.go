// How many CPUs there are, and how much of their time: a control group may give less of it than its CPUs have.

package limits

import (
	"cmp"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// CPUs are those that a process may run on, and the share of their time that it may use.
type CPUs struct {
	Allowed []int   // ascending; empty: not known
	Quota   float64 // whole CPUs in terms of time; 0: all that there is
}

// ReadCPUs returns what this process, and what it starts, may use together. An error is of Allowed alone.
func ReadCPUs() (CPUs, error) {
	allowed, err := sock.Affinity()
	return CPUs{allowed, quotaOf(os.DirFS("/"))}, err
}

// Count returns how many processes can be busy at a time; 0: not known.
func (c CPUs) Count() int {
	if c.Limited() {
		return int(min(math.Ceil(c.Quota), float64(cmp.Or(len(c.Allowed), runtime.NumCPU()))))
	}
	return len(c.Allowed)
}

// Limited reports whether the quota is less than the CPUs have.
func (c CPUs) Limited() bool {
	return c.Quota > 0 && (len(c.Allowed) == 0 || c.Quota < float64(len(c.Allowed)))
}

// quotaOf returns the smallest quota of the control groups.
func quotaOf(root fs.FS) (smallest float64) {
	for group, unified := range groups(root, "cpu") {
		quota := readQuota(root, group, unified)
		if quota > 0 && (smallest == 0 || quota < smallest) {
			smallest = quota
		}
	}
	return smallest
}

// readQuota returns the quota of one group; 0: it has none.
func readQuota(root fs.FS, group string, unified bool) float64 {
	if unified {
		text, _ := fs.ReadFile(root, path.Join(group, "cpu.max"))
		return parseQuota(string(text))
	}
	microseconds, _ := fs.ReadFile(root, path.Join(group, "cpu.cfs_quota_us"))
	period, _ := fs.ReadFile(root, path.Join(group, "cpu.cfs_period_us"))
	return parseQuota(string(microseconds) + " " + string(period))
}

// parseQuota reads "150000 100000": the time that a group may use in each period. Without a limit that is "max 100000", or
// "-1 100000" in version 1.
func parseQuota(text string) float64 {
	words := strings.Fields(text)
	if len(words) != 2 {
		return 0
	}
	quota, err := strconv.ParseInt(words[0], 10, 64)
	period, errPeriod := strconv.ParseInt(words[1], 10, 64)
	if err != nil || errPeriod != nil || quota <= 0 || period <= 0 {
		return 0
	}
	return float64(quota) / float64(period)
}

// Workers and CPUs: how many there are, and which has which. What the machine allows may change while the service runs; the next
// generation follows it.

package master

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"os"
	"slices"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/limits"
	"github.com/pinion-proxy/pinion/master/logfile"
)

// cpusFor returns what the workers of a configuration may use of this machine.
func (m *master) cpusFor(cfg *config.Config) (limits.CPUs, error) {
	cpus, err := m.world.cpus()
	cpus.Allowed = cfg.Global.CPUs.Of(cpus.Allowed)
	return cpus, err
}

// workersOf returns how many workers a configuration makes on this machine.
func (m *master) workersOf(cfg *config.Config) int {
	cpus, _ := m.cpusFor(cfg)
	return cfg.WorkerCount(m.opts.Workers, cpus.Count())
}

// place returns the CPU of every slot, and how the machine was seen. Where a quota is less than the CPUs have, all but a list leave it
// to the kernel where workers run: they share the CPUs with others, whom the kernel can move out of their way only so far.
func (m *master) place(cfg *config.Config) ([]int, *admin.CPUStatus) {
	cpus, err := m.cpusFor(cfg)
	if err != nil || len(cpus.Allowed) == 0 {
		m.log.Event(logfile.AffinityUnknown, err)
		cpus.Allowed = nil
	}
	workers := cfg.WorkerCount(m.opts.Workers, cpus.Count())
	seen := cpuStatus(cpus)
	if cpus.Limited() {
		m.log.Event(logfile.WorkersPlanned, count(workers, "worker"), seen, workers)
	}
	unpinned := cfg.Global.CPUs.Unpinned || cpus.Limited() && cfg.Global.CPUs.Listed == nil
	if unpinned || len(cpus.Allowed) == 0 {
		return slices.Repeat([]int{-1}, workers), seen
	}
	return choose(cpus.Allowed, workers, m.crowd, m.world.turn(m.opts.ConfigFile, len(cpus.Allowed))), seen
}

// turnOf returns from which of n CPUs on an instance takes its own: always the same, but another one for another file or host name, so that
// instances which cannot see each other do not all begin at the first.
func turnOf(file string, n int) int {
	host, _ := os.Hostname()
	sum := fnv.New32a()
	fmt.Fprintf(sum, "%s\n%s", absolute(file), host)
	return int(sum.Sum32() % uint32(n))
}

// choose returns the CPU of each of n workers: those CPUs that have fewest of a crowd, and of equals those from the index first on. More
// workers than CPUs go round.
func choose(allowed []int, n int, crowd map[int]int, first int) []int {
	chosen := slices.Concat(allowed[first:], allowed[:first])
	slices.SortStableFunc(chosen, func(a, b int) int { return cmp.Compare(crowd[a], crowd[b]) })
	chosen = chosen[:min(n, len(chosen))]
	slices.Sort(chosen)
	cpus := make([]int, n)
	for i := range cpus {
		cpus[i] = chosen[i%len(chosen)]
	}
	return cpus
}

// cpuStatus is what the operator is told of the CPUs.
func cpuStatus(c limits.CPUs) *admin.CPUStatus {
	s := &admin.CPUStatus{Count: len(c.Allowed)}
	if c.Limited() {
		s.Quota = c.Quota
	}
	return s
}

// cpusNow returns what a reload by the configuration that serves would find; nil: what its generation has found.
func (m *master) cpusNow() *admin.CPUStatus {
	g := m.generations.serving
	if g == nil || g.machine == nil {
		return nil
	}
	cpus, err := m.cpusFor(g.config)
	if now := cpuStatus(cpus); err == nil && *now != *g.machine {
		return now
	}
	return nil
}

// machineChange says how a reload would change the number of workers though the configuration does not; empty: not at all.
func (m *master) machineChange(cfg *config.Config) (lines []string) {
	now, before := m.workersOf(cfg), len(m.generations.serving.slots)
	if seen := m.cpusNow(); seen != nil {
		lines = append(lines, fmt.Sprintf("machine: %s -> %s; workers: %d -> %d", m.generations.serving.machine, seen, before, now))
	}
	return lines
}

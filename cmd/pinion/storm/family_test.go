// Whose processes are these? A master that was upgraded leaves its successor behind, and a master that died its workers:
// the test inherits them, so that it can tell that in the end none is left.

package storm_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// adoptOrphans makes this process the parent of those of its descendants whose own parent has ended.
var adoptOrphans = sync.OnceValue(func() error {
	const prSetChildSubreaper = 36
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("becoming a child subreaper: %w", errno)
	}
	return nil
})

// family is all processes that work in one directory, which nothing in Pinion ever leaves.
type family struct {
	t   testing.TB
	dir string

	mu   sync.Mutex
	seen map[int]string             // command lines of all that ever lived, by pid
	ends map[int]syscall.WaitStatus // of those whom the test has inherited

	doomed map[int]bool // who is to end badly
}

// watchFamily begins to look after the processes in dir, until the test ends. Who is still there then is a failure.
func watchFamily(t testing.TB, dir string) *family {
	t.Helper()
	if err := adoptOrphans(); err != nil {
		t.Fatal(err)
	}
	f := &family{t: t, dir: dir, seen: map[int]string{}, ends: map[int]syscall.WaitStatus{},
		doomed: map[int]bool{}}
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		often := time.NewTicker(50 * time.Millisecond)
		defer often.Stop()
		for {
			f.look()
			select {
			case <-done:
				return
			case <-often.C:
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		group.Wait()
		if left := f.look(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
			f.end()
		}
	})
	return f
}

// end kills everybody, and those whom they start meanwhile.
func (f *family) end() {
	rig.Eventually(f.t, "ending the family", func() error {
		left := f.look()
		for pid := range left {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(left) > 0 {
			return fmt.Errorf("still there: %v", left)
		}
		return nil
	})
}

// look returns the command lines of all who live, by pid, and buries those inherited who do not.
func (f *family) look() map[int]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	living := rig.ProcessesIn(f.t, f.dir)
	maps.Copy(f.seen, living)
	for pid := range f.seen {
		if _, lives := living[pid]; lives {
			continue
		}
		if _, buried := f.ends[pid]; buried {
			continue
		}
		if status, buried := rig.Own.Bury(pid); buried {
			f.ends[pid] = status
		}
	}
	return living
}

// members returns who lives, in the order of pids. The process that was started first stays as a keeper when it has been
// replaced, and is no master then.
func (f *family) members(worker bool) (pids []int) {
	for pid, command := range f.look() {
		if strings.Contains(command, " worker ") == worker && !keeps(pid) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// keeps reports whether a process is a keeper.
func keeps(pid int) bool {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(comm)) == "pinion-keeper"
}

func (f *family) masters() []int { return f.members(false) }
func (f *family) workers() []int { return f.members(true) }

// ever returns how many there were so far.
func (f *family) ever() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen)
}

// doom expects a process to end badly.
func (f *family) doom(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doomed[pid] = true
}

// badEnds returns who of those inherited has ended otherwise than well, against all expectations.
func (f *family) badEnds() (bad []string) {
	f.look()
	f.mu.Lock()
	defer f.mu.Unlock()
	for pid, status := range f.ends {
		if status != 0 && !f.doomed[pid] {
			bad = append(bad, fmt.Sprintf("pid %d (%s): %s", pid, f.seen[pid], endOf(status)))
		}
	}
	slices.Sort(bad)
	return bad
}

func endOf(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal: " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// open returns how many descriptors the masters and the workers have, and how many processes these are.
func (f *family) open() (masters, workers, processes int) {
	for _, pid := range f.masters() {
		masters += rig.Descriptors(pid)
		processes++
	}
	for _, pid := range f.workers() {
		workers += rig.Descriptors(pid)
		processes++
	}
	return masters, workers, processes
}

// openFiles returns what the descriptors of all members are, for those who look for the one too many.
func (f *family) openFiles() string {
	var b strings.Builder
	for pid, command := range f.look() {
		kinds := map[string]int{}
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, link := range links {
			file, _ := os.Readlink(link)
			kind, _, _ := strings.Cut(file, "[")
			kinds[kind]++
		}
		fmt.Fprintf(&b, "pid %d (%s): %v\n", pid, command, kinds)
	}
	return b.String()
}

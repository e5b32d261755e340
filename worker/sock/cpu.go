// CPU affinity, niceness and timer precision of the calling thread.

package sock

import (
	"time"

	"golang.org/x/sys/unix"
)

// Affinity returns the CPUs that the calling thread may run on, in ascending order.
func Affinity() ([]int, error) { return AffinityOf(0) }

// AffinityOf is Affinity of the first thread of a process.
func AffinityOf(pid int) ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		return nil, err
	}
	var cpus []int
	for cpu := 0; len(cpus) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// SetAffinity restricts the calling thread, and the threads and processes it starts, to cpus. The caller has locked its goroutine
// to the thread.
func SetAffinity(cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return unix.SchedSetaffinity(0, &set)
}

// SetTimerSlack sets how late the kernel may wake the calling thread, in ns; the default is 50 µs.
func SetTimerSlack(nanoseconds int) error {
	return unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(nanoseconds), 0, 0, 0)
}

// SetNiceness sets how much less important than others the calling thread is, from 0 to 19. The caller has locked its goroutine to the
// thread.
func SetNiceness(nice int) error { return unix.Setpriority(unix.PRIO_PROCESS, 0, nice) }

// MaxTasks returns how many processes and threads the user of this process may have, see RLIMIT_NPROC in getrlimit(2);
// limited is false if there is no such limit.
func MaxTasks() (most int, limited bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err != nil || limit.Cur >= 1<<31 {
		return 0, false
	}
	return int(limit.Cur), true
}

// SetSubreaper makes this process the parent of all its descendants whose own has ended.
func SetSubreaper() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// Monotonic returns CLOCK_MONOTONIC in ns: the same clock in every process of the machine. It asks the kernel once; from
// then on the runtime's clock, which is the same one but for its origin, is read without a system call.
func Monotonic() int64 { return monotonicAtStart + int64(time.Since(start)) }

var start, monotonicAtStart = func() (time.Time, int64) {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail: the clock exists and the address is good
	return time.Now(), ts.Nano()
}()

// SinceBoot returns for how long the machine has run, as times in /proc have it: sleep included.
func SinceBoot() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail, see above
	return time.Duration(ts.Nano())
}

// Eventfd returns a descriptor that one thread writes with Wake and another watches to be woken.
func Eventfd() (fd int, err error) { return unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK) }

// Wake makes an event descriptor readable.
func Wake(fd int) error {
	one := [8]byte{1}
	_, err := unix.Write(fd, one[:])
	return err
}

// Calm makes an event descriptor unreadable again until the next Wake.
func Calm(fd int) {
	var count [8]byte
	unix.Read(fd, count[:])
}

// Signals that are meant for the service, and not for each of its processes.

package sock

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Go's runtime takes from the mask that a process inherits what would end it (HUP, INT, QUIT), some milliseconds before
// the program begins. The others stay blocked.

// ServiceSignals are those that operators, scripts and terminals send to all processes of a service at once (killall, kill
// with a list of pids, a process group, a control group) and that only the master answers.
var ServiceSignals = []syscall.Signal{
	syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGTSTP, syscall.SIGINT,
	syscall.SIGQUIT,
}

// HoldSignals blocks the service's signals in the calling thread and in the processes that it starts, and returns the way
// back. The caller has locked its goroutine to the thread.
func HoldSignals() (release func(), err error) {
	const bits = 64
	var held, before unix.Sigset_t
	for _, s := range ServiceSignals {
		held.Val[(s-1)/bits] |= 1 << ((s - 1) % bits)
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &held, &before); err != nil {
		return func() {}, err
	}
	return func() { unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) }, nil
}

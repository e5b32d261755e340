// The brand by which a process is known to be a worker, or to come of one.

package sock

import "golang.org/x/sys/unix"

// rlimitQueues bounds the bytes of POSIX message queues, see getrlimit(2).
const rlimitQueues = 12

// Brand forgoes POSIX message queues, of which a worker makes none, for the process and all that it may become or start.
// There is no way back without privileges; so whoever reads the limit, see /proc/<pid>/limits, knows what the process is.
func Brand() error { return unix.Prlimit(0, rlimitQueues, &unix.Rlimit{}, nil) }

// How many connections wait in the kernel for somebody to accept them.

package sock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// AcceptQueue is that of a socket that listens.
type AcceptQueue struct {
	Waiting int    // connections
	Limit   int    // of them
	Dropped uint64 // attempts to connect that the kernel has dropped, since the queue was full or memory short; a client tries again after a second
}

// Add adds another one.
func (q *AcceptQueue) Add(more AcceptQueue) {
	q.Waiting, q.Limit, q.Dropped = q.Waiting+more.Waiting, q.Limit+more.Limit, q.Dropped+more.Dropped
}

// Of what SO_MEMINFO tells, as numbers of 32 bits: see sock_diag(7), SK_MEMINFO_DROPS.
const (
	memoryNumbers = 9
	memoryDrops   = 8
)

// AcceptQueueOf returns the queue of a TCP socket that listens. Of others the kernel does not tell it.
func AcceptQueueOf(fd int) (q AcceptQueue, err error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return q, err
	}
	q.Waiting, q.Limit = int(info.Unacked), int(info.Sacked) // what these two mean while a socket listens
	var numbers [memoryNumbers]uint32
	size := uint32(unsafe.Sizeof(numbers))
	_, _, code := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&numbers)), uintptr(unsafe.Pointer(&size)), 0)
	if code != 0 {
		return q, code
	}
	q.Dropped = uint64(numbers[memoryDrops])
	return q, nil
}

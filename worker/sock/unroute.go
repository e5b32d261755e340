// Turning connections away from listening sockets that others are to be closed after.

package sock

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"
)

// noInterface is the index of no network interface.
const noInterface = math.MaxInt32

// Unroute makes the kernel route no further connections to the listening TCP sockets of one address. Those in the queues, and
// those whose handshake has begun, can still be accepted. New connections are refused, or come to another socket of the
// address: one that is bound to an interface on which nothing arrives is passed over (compute_score of the kernel's
// net/ipv4/inet_hashtables.c). There is no way back. Kernels before 5.7 refuse it without CAP_NET_RAW.
//
// fds are all sockets of a reuseport group, in the order in which they began to listen. As long as one of them is not passed
// over, the kernel chooses among all, so it is told to choose the first, which is bound last.
func Unroute(fds ...int) (err error) {
	if len(fds) > 1 {
		err = chooseFirst(fds[0])
	}
	for i := range fds {
		err = errors.Join(err, unix.SetsockoptInt(fds[len(fds)-1-i], unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, noInterface))
	}
	return err
}

// chooseFirst routes all connections of a reuseport group to its first socket.
func chooseFirst(fd int) error {
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}} // the index of the one that is chosen
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// Unrouted tells whether that has been done to a socket.
func Unrouted(fd int) bool {
	bound, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX)
	return err == nil && bound == noInterface
}

// Turning connections away from listening sockets that others are to be closed after.

package sock

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"
)

// noInterface is the index of no network interface.
const noInterface = math.MaxInt32

// Unroute has the kernel bring no further connection to the listening TCP sockets of one address, while those in their
// queues, and those whose handshake has begun, are still to be accepted. Who connects from now on is refused, or comes to
// another socket that takes the address: one that is bound to an interface on which nothing arrives is passed over
// (compute_score of the kernel's net/ipv4/inet_hashtables.c). There is no way back. Kernels before 5.7 refuse it without
// CAP_NET_RAW.
//
// The sockets are all of their group, in the order in which they have begun to listen. As long as one of a group is not
// passed over, the kernel chooses among all of them, so it is told to choose the first, whose turn comes last.
func Unroute(fds ...int) (err error) {
	if len(fds) > 1 {
		err = chooseFirst(fds[0])
	}
	for i := range fds {
		err = errors.Join(err, unix.SetsockoptInt(fds[len(fds)-1-i], unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, noInterface))
	}
	return err
}

// chooseFirst has all connections to the group of a socket come to its first one.
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

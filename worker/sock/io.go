// Moving bytes. These calls never block, hence RawSyscall: the scheduler need not know of them.

package sock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Recv reads into b. n == 0 with a nil error is the end of the stream.
func Recv(fd int, b []byte) (n int, err error) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			0, 0, 0)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// Send writes b, or as much of it as the socket takes.
func Send(fd int, b []byte) (n int, err error) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// MaxVectors is the most buffers that one Sendv takes.
const MaxVectors = 64

// Sendv writes the concatenation of bufs (at most MaxVectors count), or as much of it as the socket takes.
func Sendv(fd int, bufs [][]byte) (n int, err error) {
	var vectors [MaxVectors]unix.Iovec
	count := 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		if count == MaxVectors {
			break
		}
		vectors[count].Base = unsafe.SliceData(b)
		vectors[count].SetLen(len(b))
		count++
	}
	header := unix.Msghdr{Iov: &vectors[0]}
	header.SetIovlen(count)
	for {
		r, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&header)), unix.MSG_NOSIGNAL)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// Accept takes one connection off the queue of a listener.
func Accept(listener int) (fd int, err error) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, socketFlags, 0, 0)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EINTR {
			return -1, errno
		}
	}
}

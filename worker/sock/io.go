// Moving bytes. These calls never block, hence RawSyscall: the scheduler need not know of them.

package sock

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/fault"
)

// Recv reads into b. n == 0 with a nil error is the end of the stream.
func Recv(fd int, b []byte) (n int, err error) {
	most, err := fault.Call("recv", fd, len(b))
	if err != nil {
		return 0, err
	}
	b = b[:most]
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
	most, err := fault.Call("send", fd, len(b))
	if err != nil {
		return 0, err
	}
	b = b[:most]
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
	if fault.Built {
		if bufs, err = allowed(fd, bufs); err != nil {
			return 0, err
		}
	}
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

// allowed returns what a test lets Sendv write of bufs.
func allowed(fd int, bufs [][]byte) (front [][]byte, err error) {
	size := 0
	for _, b := range bufs {
		size += len(b)
	}
	most, err := fault.Call("send", fd, size)
	for _, b := range bufs {
		front = append(front, b[:min(len(b), most)])
		most -= len(front[len(front)-1])
	}
	return front, err
}

// Accept takes one connection off the queue of a listener.
func Accept(listener int) (fd int, err error) {
	if _, err = fault.Call("accept", listener, 0); err != nil {
		return -1, err
	}
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

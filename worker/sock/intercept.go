// Calls of a program that this one answers instead of the kernel (seccomp_unotify(2)): so it can be given a socket where it would
// bind one.

package sock

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Interception is the way to a program some of whose calls are answered here.
type Interception struct{ fd int }

// Call is one of them, which waits for its answer.
type Call struct {
	PID    int // of the thread that calls
	Number int // of the call, see the constants below
	Args   [6]uint64

	id uint64
}

// Calls that are intercepted: bind(2), but not of netlink, which a look-up of a name uses, and the removal of paths.
const (
	CallBind     = unix.SYS_BIND
	CallUnlinkAt = unix.SYS_UNLINKAT
)

// noCall is the number of no call.
const noCall = 0x7fffffff

// StartIntercepted starts a program, all of whose descendants are intercepted, too, the removal of paths only if that is wanted. Once
// nobody answers any more, its calls fail with ENOSYS. It cannot get more rights by executing a file (PR_SET_NO_NEW_PRIVS).
func StartIntercepted(path string, argv []string, removals bool, attr *syscall.ProcAttr) (pid int, i *Interception, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the filter is of this thread, which ends with the goroutine
		if syscall.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			pid, i, err = StartIntercepted(path, argv, removals, attr)
			return
		}
		var fd int
		if fd, err = intercept(removals); err != nil {
			return
		}
		if pid, err = syscall.ForkExec(path, argv, attr); err != nil {
			Close(fd)
			return
		}
		i = &Interception{fd}
	}()
	<-done
	return pid, i, err
}

// Offsets in struct seccomp_data, as a filter reads it.
const (
	dataNumber  = 0
	dataArch    = 4
	dataAddrLen = 32 // the lower half of the third argument
)

// intercept has calls of this thread, and of what it starts, reported to the descriptor that it returns.
func intercept(removals bool) (fd int, err error) {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		result = unix.BPF_RET | unix.BPF_K
	)
	low := uint32(dataAddrLen)
	if big {
		low += 4
	}
	unlinkAt, unlink := uint32(unix.SYS_UNLINKAT), uint32(callUnlink)
	if !removals {
		unlinkAt, unlink = noCall, noCall
	}
	program := []unix.SockFilter{
		{Code: load, K: dataArch},
		{Code: equal, K: auditArch, Jf: 7},
		{Code: load, K: dataNumber},
		{Code: equal, K: unlinkAt, Jt: 4},
		{Code: equal, K: unlink, Jt: 3},
		{Code: equal, K: unix.SYS_BIND, Jf: 3},
		{Code: load, K: low},
		{Code: equal, K: unix.SizeofSockaddrNetlink, Jt: 1},
		{Code: result, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: result, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, err
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	n, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

var big = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// notification is struct seccomp_notif.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// Next waits for a call, within patience. ended tells that no process is left that could make any.
func (i *Interception) Next(patience time.Duration) (c Call, there, ended bool, err error) {
	p := []unix.PollFd{{Fd: int32(i.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, int(patience.Milliseconds()))
	switch {
	case err == unix.EINTR || err == nil && n == 0:
		return c, false, false, nil
	case err != nil:
		return c, false, false, err
	case p[0].Revents&unix.POLLIN == 0:
		return c, false, true, nil
	}
	var got notification
	if errno := i.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&got)); errno != 0 {
		if errno == unix.ENOENT || errno == unix.EINTR { // the caller was killed
			return c, false, false, nil
		}
		return c, false, false, errno
	}
	number := int(got.nr)
	if got.nr == callUnlink {
		got.args[1], number = got.args[0], CallUnlinkAt
	}
	return Call{PID: int(got.pid), Number: number, Args: got.args, id: got.id}, true, false, nil
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

// PassOn has the kernel carry out a call.
func (i *Interception) PassOn(c Call) error {
	return i.answer(response{id: c.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

// Succeed has a call return 0, and do nothing.
func (i *Interception) Succeed(c Call) error { return i.answer(response{id: c.id}) }

func (i *Interception) answer(r response) error {
	if errno := i.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)); errno != 0 && errno != unix.ENOENT {
		return errno
	}
	return nil
}

// Put puts a copy of a descriptor into the process of a call, in the place of the one that has a number there.
func (i *Interception) Put(c Call, number, fd int) error {
	add := struct {
		id                         uint64
		flags, src, number, flags2 uint32
	}{c.id, unix.SECCOMP_ADDFD_FLAG_SETFD, uint32(fd), uint32(number), 0}
	if errno := i.ioctl(unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(&add)); errno != 0 {
		return errno
	}
	return nil
}

func (i *Interception) ioctl(request uintptr, what unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(i.fd), request, uintptr(what))
	return errno
}

// Close ends the interception.
func (i *Interception) Close() error { return Close(i.fd) }

// Address returns the address to which a call would bind, in the form of BoundTo; empty: it is no stream socket's of these families.
func (c Call) Address() (network, address string, err error) {
	b, err := c.memory(c.Args[1], int(min(c.Args[2], unix.SizeofSockaddrAny)))
	if err != nil || len(b) < 2 {
		return "", "", err
	}
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		if len(b) >= unix.SizeofSockaddrInet4 {
			network, address = addressOf(&unix.SockaddrInet4{Port: int(binary.BigEndian.Uint16(b[2:])), Addr: [4]byte(b[4:8])})
		}
	case unix.AF_INET6:
		if len(b) >= unix.SizeofSockaddrInet6 {
			network, address = addressOf(&unix.SockaddrInet6{
				Port: int(binary.BigEndian.Uint16(b[2:])), Addr: [16]byte(b[8:24]), ZoneId: binary.NativeEndian.Uint32(b[24:]),
			})
		}
	case unix.AF_UNIX:
		network, address = addressOf(&unix.SockaddrUnix{Name: untilZero(b[2:])})
	}
	return network, address, nil
}

// maxPath is the longest path of a unix socket, with its final zero.
const maxPath = unix.SizeofSockaddrUnix - 2

// Path returns the path that a call would remove, as far as one of a unix socket can be.
func (c Call) Path() (string, error) {
	b, err := c.memory(c.Args[1], maxPath)
	return untilZero(b), err
}

func untilZero(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// memory reads memory of the caller, up to where it ends.
func (c Call) memory(at uint64, size int) ([]byte, error) {
	b := make([]byte, size)
	if size == 0 {
		return nil, nil
	}
	n, err := unix.ProcessVMReadv(c.PID, []unix.Iovec{{Base: &b[0], Len: uint64(size)}}, []unix.RemoteIovec{{Base: uintptr(at), Len: size}}, 0)
	for errors.Is(err, unix.EFAULT) && size > 1 { // the next page is none of it
		size /= 2
		return c.memory(at, size)
	}
	return b[:max(n, 0)], err
}

// Descriptors on their way from process to process.

package sock

import (
	"errors"

	"golang.org/x/sys/unix"
)

// MaxFDs is the most descriptors that one message carries (SCM_MAX_FD of the kernel).
const MaxFDs = 253

const intBytes = 4 // of a descriptor in a control message

// SendFDs sends b as one message, with descriptors, which stay open here. It never waits: EAGAIN says that the other end
// is to receive first, ETOOMANYREFS that too many descriptors of this user are under way. A message goes as a whole.
func SendFDs(fd int, b []byte, fds []int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for {
		_, err := unix.SendmsgN(fd, b, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// RecvFDs receives one message into b, and up to len(fds) descriptors with it, which are close-on-exec. n == 0 without an
// error is the end. truncated tells that there were more descriptors than fds has room for, or than the process may
// open; the others have come all the same, and all are the caller's to close, also with an error.
func RecvFDs(fd int, b []byte, fds []int) (n, got int, truncated bool, err error) {
	var rights []byte
	if len(fds) > 0 {
		rights = make([]byte, unix.CmsgLen(intBytes*len(fds))) // CmsgSpace would be padded, and the padding be used
	}
	size, flags := 0, 0
	for {
		n, size, flags, _, err = unix.Recvmsg(fd, b, rights, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return 0, 0, false, err
	}
	truncated = flags&unix.MSG_CTRUNC != 0
	messages, err := unix.ParseSocketControlMessage(rights[:size])
	if err != nil {
		return n, 0, truncated, err
	}
	for i := range messages {
		if messages[i].Header.Level != unix.SOL_SOCKET || messages[i].Header.Type != unix.SCM_RIGHTS {
			continue
		}
		received, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return n, got, truncated, err
		}
		got += copy(fds[got:], received)
	}
	return n, got, truncated, nil
}

// PeerCredentials tells who was at the other end when the connection was made: the uid and the pid, 0 if that is a process
// that this one cannot see.
func PeerCredentials(fd int) (uid, pid int, err error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return -1, 0, err
	}
	return int(c.Uid), int(c.Pid), nil
}

// Crowded tells that the kernel has no room for a message now, but will have: EAGAIN if the other end has others to read first,
// ETOOMANYREFS if too many descriptors of this user are under way.
func Crowded(err error) bool {
	for _, transient := range [...]error{unix.EAGAIN, unix.ETOOMANYREFS, unix.ENOBUFS, unix.ENOMEM} {
		if errors.Is(err, transient) {
			return true
		}
	}
	return false
}

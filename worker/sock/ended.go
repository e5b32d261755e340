// Whether the other end of a unix socket is still there.

package sock

import "golang.org/x/sys/unix"

// Ended tells whether a child of this process has ended, be it waited for already or not. It does not wait for it.
func Ended(pid int) bool {
	for {
		var info unix.Siginfo
		switch err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err {
		case nil:
			return info.Signo != 0 // see waitid(2): 0 if there was nothing to tell
		case unix.EINTR:
		default: // ECHILD
			return true
		}
	}
}

// Closes tells whether the other end of a connection has sent its last byte, or the connection has broken. There may be more to read
// before that.
func Closes(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		if _, err := unix.Poll(p, 0); err != unix.EINTR {
			return err == nil && p[0].Revents != 0
		}
	}
}

// HungUp tells whether the other end of a unix socket is closed. One that has only been shut for writing, which reads as the
// end, too, is not.
func HungUp(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	for {
		if _, err := unix.Poll(p, 0); err != unix.EINTR {
			return err == nil && p[0].Revents&unix.POLLHUP != 0
		}
	}
}

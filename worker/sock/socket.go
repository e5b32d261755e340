// Making sockets: listeners, connections to servers, pairs.

package sock

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/fault"
)

const socketFlags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC

// BindTCP opens a socket on addr that is to listen later. With reuseport it will join (or found) the group of sockets
// that share the address; every member must belong to the same user. Until Listen no connection comes to it.
func BindTCP(addr netip.AddrPort, reuseport bool) (fd int, err error) {
	fd, err = unix.Socket(family(addr), unix.SOCK_STREAM|socketFlags, 0)
	if err != nil {
		return -1, err
	}
	defer closeOnError(&fd, &err)
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fd, err
	}
	if reuseport {
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return fd, err
		}
	}
	return fd, unix.Bind(fd, sockaddr(addr))
}

// ListenTCP is BindTCP and Listen.
func ListenTCP(addr netip.AddrPort, backlog int, reuseport bool) (fd int, err error) {
	fd, err = BindTCP(addr, reuseport)
	if err != nil {
		return -1, err
	}
	defer closeOnError(&fd, &err)
	return fd, Listen(fd, backlog)
}

// Listen has the kernel queue up to backlog connections that are not accepted yet. On a socket that listens already it
// changes the backlog.
func Listen(fd, backlog int) error { return unix.Listen(fd, backlog) }

// Inode returns the number by which /proc/net knows a socket; 0 if it has none.
func Inode(fd int) uint64 {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0
	}
	return stat.Ino
}

// BindUnix opens a socket at path that is to listen later, first removing a socket that an earlier process left there.
// perm 0 leaves the permissions to the umask.
func BindUnix(path string, perm uint32) (fd int, err error) {
	if err = removeStale(path); err != nil {
		return -1, err
	}
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|socketFlags, 0)
	if err != nil {
		return -1, err
	}
	defer closeOnError(&fd, &err)
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return fd, err
	}
	if perm != 0 {
		if err = unix.Chmod(path, perm); err != nil {
			return fd, err
		}
	}
	return fd, nil
}

// ListenUnix is BindUnix and Listen.
func ListenUnix(path string, perm uint32, backlog int) (fd int, err error) {
	fd, err = BindUnix(path, perm)
	if err != nil {
		return -1, err
	}
	defer closeOnError(&fd, &err)
	return fd, Listen(fd, backlog)
}

// removeStale unlinks path if it is a socket, and refuses to touch anything else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return NotASocket(path)
	}
	return os.Remove(path)
}

// LockDirectory takes the lock of a directory that processes agree upon (flock(2)), within patience, or fails with
// EWOULDBLOCK. The kernel releases it when its owner dies.
func LockDirectory(path string, patience time.Duration) (unlock func(), err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(lockPause) {
		switch err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return func() { Close(fd) }, nil
		case err == unix.EINTR:
		case err != unix.EWOULDBLOCK, time.Now().After(deadline):
			Close(fd)
			return nil, err
		}
	}
}

const lockPause = time.Millisecond

// LockName takes an abstract name that at most one process of the network namespace has at a time, within patience, or fails
// with EADDRINUSE. The kernel releases it when its owner dies.
func LockName(name string, patience time.Duration) (unlock func(), err error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|socketFlags, 0)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(lockPause) {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + name})
		if err == nil {
			return func() { Close(fd) }, nil
		}
		if err != unix.EADDRINUSE || time.Now().After(deadline) {
			Close(fd)
			return nil, err
		}
	}
}

// ConnectTCP begins to connect to addr. done tells that the connection stands already; otherwise the descriptor
// becomes writable when it is decided, and Error tells how.
func ConnectTCP(addr netip.AddrPort) (fd int, done bool, err error) {
	if path := fault.Instead(addr); path != "" {
		return ConnectUnix(path)
	}
	return connect(family(addr), sockaddr(addr))
}

// ConnectUnix begins to connect to the socket at path.
func ConnectUnix(path string) (fd int, done bool, err error) {
	return connect(unix.AF_UNIX, &unix.SockaddrUnix{Name: path})
}

func connect(family int, to unix.Sockaddr) (fd int, done bool, err error) {
	if _, err = fault.Call("socket", -1, 0); err != nil {
		return -1, false, err
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|socketFlags, 0)
	if err != nil {
		return -1, false, err
	}
	defer closeOnError(&fd, &err)
	if err = unix.Connect(fd, to); err == nil {
		_, err = fault.Call("connect", fd, 0)
	}
	if err == unix.EINPROGRESS {
		return fd, false, nil
	}
	return fd, err == nil, err
}

// SeqpacketPair returns the two ends of a connection that keeps message borders.
func SeqpacketPair() (a, b int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|socketFlags, 0)
	return fds[0], fds[1], err
}

// ListenSeqpacket listens at a unix address for connections that keep message borders.
func ListenSeqpacket(name string, backlog int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|socketFlags, 0)
	if err != nil {
		return -1, err
	}
	defer closeOnError(&fd, &err)
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		return fd, err
	}
	return fd, Listen(fd, backlog)
}

// ConnectSeqpacket connects to where ListenSeqpacket listens, at once or not at all.
func ConnectSeqpacket(name string) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|socketFlags, 0)
	if err != nil {
		return -1, err
	}
	defer closeOnError(&fd, &err)
	return fd, unix.Connect(fd, &unix.SockaddrUnix{Name: name})
}

// StreamPair returns the two ends of a byte stream.
func StreamPair() (a, b int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|socketFlags, 0)
	return fds[0], fds[1], err
}

// Dup returns another descriptor for the same open file, close-on-exec.
func Dup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// Reserve has the kernel make room for n descriptors at once. The table of a process with several threads grows by
// doubling otherwise, and each time whoever needs the next descriptor waits until no CPU can see the old table any more,
// which takes milliseconds (expand_fdtable of the kernel's fs/file.c). n beyond the limit of the process is the limit.
func Reserve(n int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, int(min(uint64(n), limit.Cur))-1)
	if err != nil {
		return err
	}
	return Close(fd)
}

// MaxDescriptors returns how many descriptors the process may have, see RLIMIT_NOFILE in getrlimit(2).
func MaxDescriptors() (int, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return int(min(limit.Cur, math.MaxInt32)), err
}

// FreeDescriptor returns the number that the next descriptor of the process gets.
func FreeDescriptor() (int, error) {
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return fd, Close(fd)
}

// Close closes fd.
func Close(fd int) error { return unix.Close(fd) }

// CloseAll closes all of fds.
func CloseAll(fds []int) {
	for _, fd := range fds {
		Close(fd)
	}
}

func closeOnError(fd *int, err *error) {
	if *err != nil {
		unix.Close(*fd)
		*fd = -1
	}
}

func family(addr netip.AddrPort) int {
	if addr.Addr().Unmap().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(addr netip.AddrPort) unix.Sockaddr {
	ip := addr.Addr().Unmap()
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: ip.As4()}
	}
	return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: ip.As16(), ZoneId: zone(ip.Zone())}
}

// ErrNotASocket is why a path cannot be replaced.
var ErrNotASocket = errors.New("is not a socket")

// NotASocket is the error of a path at which something else is than a socket that could be replaced. It is ErrNotASocket.
func NotASocket(path string) error {
	return fmt.Errorf("%s exists and %w; remove it or choose another path", path, ErrNotASocket)
}

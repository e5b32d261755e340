// Making sockets: listeners, connections to servers, pairs.

package sock

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

const socketFlags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC

// ListenTCP opens a listening socket on addr. With reuseport it joins (or founds) the group of sockets that share the
// address; every member must belong to the same user.
func ListenTCP(addr netip.AddrPort, backlog int, reuseport bool) (fd int, err error) {
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
	if err = unix.Bind(fd, sockaddr(addr)); err != nil {
		return fd, err
	}
	return fd, unix.Listen(fd, backlog)
}

// ListenUnix opens a listening socket at path, first removing a socket that an earlier process left there. perm 0
// leaves the permissions to the umask.
func ListenUnix(path string, perm uint32, backlog int) (fd int, err error) {
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
	return fd, unix.Listen(fd, backlog)
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
		return fmt.Errorf("%s exists and is not a socket; remove it or choose another path", path)
	}
	return os.Remove(path)
}

// ConnectTCP begins to connect to addr. done tells that the connection stands already; otherwise the descriptor
// becomes writable when it is decided, and Error tells how.
func ConnectTCP(addr netip.AddrPort) (fd int, done bool, err error) {
	return connect(family(addr), sockaddr(addr))
}

// ConnectUnix begins to connect to the socket at path.
func ConnectUnix(path string) (fd int, done bool, err error) {
	return connect(unix.AF_UNIX, &unix.SockaddrUnix{Name: path})
}

func connect(family int, to unix.Sockaddr) (fd int, done bool, err error) {
	fd, err = unix.Socket(family, unix.SOCK_STREAM|socketFlags, 0)
	if err != nil {
		return -1, false, err
	}
	defer closeOnError(&fd, &err)
	err = unix.Connect(fd, to)
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

// StreamPair returns the two ends of a byte stream.
func StreamPair() (a, b int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|socketFlags, 0)
	return fds[0], fds[1], err
}

// Close closes fd.
func Close(fd int) error { return unix.Close(fd) }

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

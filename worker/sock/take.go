// Sockets of another process: a copy of what it listens on, and what a socket needs that two programs have.

package sock

import (
	"errors"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// OpenProcess returns a descriptor of a process, which stays its own when another process gets its pid.
func OpenProcess(pid int) (fd int, err error) { return unix.PidfdOpen(pid, 0) }

// pidfs is the type of the file system of descriptors of processes since Linux 6.9.
const pidfs = 0x50494446

// ProcessIdentity returns a number that no two processes have between two boots, or 0 where the kernel gives none.
func ProcessIdentity(process int) uint64 {
	var fs unix.Statfs_t
	var stat unix.Stat_t
	if unix.Fstatfs(process, &fs) != nil || fs.Type != pidfs || unix.Fstat(process, &stat) != nil {
		return 0
	}
	return stat.Ino
}

// CopyFrom returns a copy of a descriptor of another process. The copy is close-on-exec; all else, as O_NONBLOCK, belongs to the
// open file, and so to both.
func CopyFrom(process, number int) (fd int, err error) { return unix.PidfdGetfd(process, number, 0) }

// SignalProcess sends a signal to a process.
func SignalProcess(process int, s unix.Signal) error { return unix.PidfdSendSignal(process, s, nil, 0) }

// AwaitProcess waits until a process has ended, within patience (negative: for ever), and reports whether it has.
func AwaitProcess(process int, patience time.Duration) bool {
	milliseconds := int(max(-1, patience.Milliseconds()))
	if patience < 0 {
		milliseconds = -1
	}
	for {
		p := []unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}
		n, err := unix.Poll(p, milliseconds)
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// Accepts reports whether a descriptor is a stream socket that listens.
func Accepts(fd int) bool {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_STREAM {
		return false
	}
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && listens != 0
}

// BoundTo returns the network, "tcp" or "unix", and the canonical address of a stream socket, and nothing for any other
// descriptor.
func BoundTo(fd int) (network, address string) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_STREAM {
		return "", ""
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return "", ""
	}
	return addressOf(bound)
}

func addressOf(bound unix.Sockaddr) (network, address string) {
	switch a := bound.(type) {
	case *unix.SockaddrInet4:
		return "tcp", netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 {
			ip = ip.WithZone(strconv.Itoa(int(a.ZoneId)))
		}
		return "tcp", netip.AddrPortFrom(ip, uint16(a.Port)).String()
	case *unix.SockaddrUnix:
		if strings.HasPrefix(a.Name, "/") {
			return "unix", path.Clean(a.Name)
		}
		return "unix", a.Name // abstract, relative, or none
	}
	return "", ""
}

// Waiting returns how many connections wait in the queue of a listening TCP socket.
func Waiting(fd int) (int, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, err
	}
	return int(info.Unacked), nil
}

// OpenGroup lets other sockets of a user join a listening socket on its address, whoever has opened it: the kernel asks for
// SO_REUSEPORT and for the same owner, and both can be changed later. undo makes it as it was.
func OpenGroup(fd, uid int) (undo func(), err error) {
	var stat unix.Stat_t
	if err = unix.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	shared, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	if err != nil {
		return nil, err
	}
	own := uint32(uid)
	if stat.Uid != own {
		err = unix.Fchown(fd, int(own), -1)
	}
	undo = func() {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, shared)
		if stat.Uid != own {
			unix.Fchown(fd, int(stat.Uid), -1)
		}
	}
	if err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)); err != nil {
		undo()
		return nil, err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, 0) // of an earlier Steer; mostly there is none
	return undo, nil
}

// Steer routes all further connections of a reuseport group to its first socket. Those in the queues of the others can still be
// accepted.
func Steer(first int) error { return chooseFirst(first) }

// RemoveFromSet takes a socket out of a set of epoll(7). The set knows it by the file, and by its number in the process that
// has put it in.
func RemoveFromSet(set, fd int) error { return unix.EpollCtl(set, unix.EPOLL_CTL_DEL, fd, nil) }

// AddToSet puts a socket into a set of epoll(7). data is what its process is told when something happens there.
func AddToSet(set, fd int, events uint32, data uint64) error {
	return unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(uint32(data)), Pad: int32(uint32(data >> 32))})
}

// Who else has a socket: of a program from which an earlier master has taken over, nobody is left to tell.

package takeover

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Holders returns a program that has each of these sockets open, by inode, where there is one that this user can look into. Pinion itself
// does not count, and neither does a service manager, which keeps sockets and accepts nobody. After an error nothing is known.
func Holders(inodes []uint64) (holders map[uint64]*Program, err error) {
	holders = map[uint64]*Program{}
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		pid, errPID := strconv.Atoi(d.Name())
		if errPID != nil || pid == os.Getpid() || keepsOnly(pid) {
			continue
		}
		p, held, errOne := holder(pid, inodes)
		if errOne != nil {
			err = errOne
		}
		for _, inode := range held {
			holders[inode] = p
		}
	}
	return holders, err
}

// MasterWith returns the pid of a Pinion, other than these programs, that serves on the same sockets; 0: none that this user can see does.
func MasterWith(sockets []Socket, programs []*Program) (pid int) {
	inodes := make([]uint64, len(sockets))
	for i, s := range sockets {
		inodes[i] = s.Inode()
	}
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || pid == os.Getpid() || !isMaster(pid) || slices.ContainsFunc(programs, func(p *Program) bool { return p.PID == pid }) {
			continue
		}
		if held, _ := heldBy(pid, inodes); len(held) > 0 {
			return pid
		}
	}
	return 0
}

// isMaster reports whether a process is a Pinion, and not one that a Pinion has started to work for it.
func isMaster(pid int) bool {
	p, ok := process.Read(pid)
	return ok && nameOf(pid) == sock.ProxyName && !p.IsWorker() && !slices.Contains(p.Args, UnwatchCommand)
}

// keepsOnly reports whether a process is one of Pinion's, or a service manager.
func keepsOnly(pid int) bool {
	name := nameOf(pid)
	return name == sock.ProxyName || name == "systemd"
}

// holder returns a process if it has any of the sockets, and which. That it has them is looked up again when the process is known by
// more than its pid, which could be another one's by then.
func holder(pid int, inodes []uint64) (p *Program, held []uint64, err error) {
	held, err = heldBy(pid, inodes)
	if err != nil || len(held) == 0 {
		return nil, nil, err
	}
	p, err = find(strconv.Itoa(pid))
	if err != nil {
		return nil, nil, unlessGone(err)
	}
	held, err = heldBy(pid, inodes)
	if err != nil || len(held) == 0 || !p.Lives() {
		Close([]*Program{p})
		return nil, nil, err
	}
	return p, held, nil
}

// heldBy returns which of some sockets a process has open, as far as this user may know.
func heldBy(pid int, inodes []uint64) (held []uint64, err error) {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	descriptors, err := os.ReadDir(dir)
	if err != nil {
		return nil, unlessGone(err)
	}
	for _, d := range descriptors {
		to, _ := os.Readlink(dir + d.Name())
		number, is := strings.CutPrefix(to, "socket:[")
		if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); is && err == nil && slices.Contains(inodes, inode) {
			held = append(held, inode)
		}
	}
	return held, nil
}

// unlessGone returns nil if an error says that a process has ended, or is none of this user's.
func unlessGone(err error) error {
	for _, harmless := range []error{ErrGone, os.ErrNotExist, os.ErrPermission, syscall.ESRCH} {
		if errors.Is(err, harmless) {
			return nil
		}
	}
	return err
}

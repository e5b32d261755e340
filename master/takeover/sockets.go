// The sockets on which a program listens.

package takeover

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// Socket is a copy of one of a program's listening sockets.
type Socket struct {
	From    *Program
	Network string // as config.Listen writes it, like the address
	Address string
	FD      int // the caller's

	number int // of the original, in that program
}

// Inode returns the number by which the kernel lists the socket.
func (s *Socket) Inode() uint64 { return sock.Inode(s.FD) }

// Sockets returns copies of all sockets on which a program listens, in the order of their numbers there.
func (p *Program) Sockets() (all []Socket, err error) {
	if err := p.sameNetwork(); err != nil {
		return nil, p.explain(err)
	}
	numbers, err := p.numbers("socket:")
	for _, number := range numbers {
		fd, errCopy := sock.CopyFrom(p.process, number)
		switch {
		case errors.Is(errCopy, syscall.EBADF): // a connection that has just ended
		case errCopy != nil:
			err = errCopy
		case !sock.Accepts(fd), sock.Unrouted(fd), has(all, fd): // the last: under another number
			sock.Close(fd)
		default:
			network, address := sock.BoundTo(fd)
			all = append(all, Socket{From: p, Network: network, Address: address, FD: fd, number: number})
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		CloseSockets(all)
		return nil, p.explain(err)
	}
	return all, nil
}

func has(all []Socket, fd int) bool {
	return slices.ContainsFunc(all, func(s Socket) bool { return sock.Same(s.FD, fd) })
}

// CloseSockets closes copies.
func CloseSockets(all []Socket) {
	for _, s := range all {
		sock.Close(s.FD)
	}
}

// numbers returns those of the program's descriptors that are of a kind, in ascending order.
func (p *Program) numbers(kind string) (all []int, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", p.PID)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	known := map[int]bool{}
	highest := 0
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		if n, errName := strconv.Atoi(e.Name()); err == nil && errName == nil && strings.HasPrefix(to, kind) {
			known[n] = true
			highest = max(highest, n)
		}
	}
	for n := range highest + 1 {
		if known[n] {
			all = append(all, n)
		}
	}
	return all, nil
}

// errElsewhere says that clients of the program come through another network namespace.
var errElsewhere = errors.New("it is in another network namespace, as of a container: run pinion there, as by nsenter --net --target PID")

func (p *Program) sameNetwork() error {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil { // no namespaces
		return nil
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", p.PID))
	if err == nil && own != theirs {
		err = errElsewhere
	}
	return err
}

// explain says what an operator can do.
func (p *Program) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		err = fmt.Errorf("%w: copying descriptors needs %s", err, p.wanted())
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ESRCH):
		err = ErrGone
	case errors.Is(err, syscall.EMFILE):
		err = fmt.Errorf("%w: raise LimitNOFILE= or ulimit -n", err)
	}
	return fmt.Errorf("taking over from %s: %w", p, err)
}

// wanted says which right is missing, as far as can be seen.
func (p *Program) wanted() string {
	text := "root or its user"
	if info, err := os.Stat(fmt.Sprintf("/proc/%d", p.PID)); err == nil {
		text = fmt.Sprintf("root or uid %d, not %d", info.Sys().(*syscall.Stat_t).Uid, os.Geteuid())
	}
	if scope, _ := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); len(scope) > 0 && scope[0] != '0' {
		text += ", and kernel.yama.ptrace_scope is " + strings.TrimSpace(string(scope)) + ", with which it is root"
	}
	return text + "; in a container CAP_SYS_PTRACE; and not a unit that forbids it, as pinion.service does"
}

// The sockets of socket activation, and what comes out of the store: descriptors that the process was born with.

package systemd

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Socket is a descriptor that systemd has passed to the process, from a .socket unit or from the store.
type Socket struct {
	Name      string // as stored; or FileDescriptorName=, by default the name of the .socket unit; not always unique
	FD        int    // non-blocking, close-on-exec, the caller's
	Network   string // "tcp" or "unix"; empty: neither
	Address   string // in the form of config.Listen, for matching by address; empty: it has none
	Listening bool
}

// Inherited returns the sockets that systemd has passed to this very process, in its order. To be called once, before
// any process is started: it removes LISTEN_FDS and its kin from the environment, since they are not about a worker or
// a later master. The error is of those that are missing in the result.
func (s *Manager) Inherited() (sockets []Socket, err error) {
	for _, f := range activation.Files(true) {
		p, errOne := adopt(f)
		if errOne != nil {
			err = errors.Join(err, fmt.Errorf("inheriting %q: %w", f.Name(), errOne))
			continue
		}
		sockets = append(sockets, p)
	}
	return sockets, err
}

// adopt takes the descriptor out of a file, whose own is closed: the runtime would watch it along with the workers. Not
// with Fd, which may switch O_NONBLOCK off for all who share the socket.
func adopt(f *os.File) (p Socket, err error) {
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return p, err
	}
	var errDup error
	err = raw.Control(func(fd uintptr) { p.FD, errDup = syscall.Dup(int(fd)) })
	if err := errors.Join(err, errDup); err != nil {
		return p, err
	}
	if err := sock.SetInherited(p.FD); err != nil {
		sock.Close(p.FD)
		return p, err
	}
	p.Name = decodeStoreName(f.Name())
	p.Network, p.Address = sock.BoundTo(p.FD)
	accepts, err := syscall.GetsockoptInt(p.FD, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	p.Listening = err == nil && accepts != 0 && !sock.Unrouted(p.FD) // an error is that of no socket
	return p, nil
}

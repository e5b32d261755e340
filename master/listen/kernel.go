// What a set asks of the kernel, as functions that a test replaces.

package listen

import (
	"io/fs"
	"os"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Kernel is every effect of a Set.
type Kernel struct {
	Probe    func(l config.Listen, own []uint64) error                                   // nil: no other process listens at the address; own are inodes of this service's sockets
	Bind     func(l config.Listen, own []uint64, patience time.Duration) (Socket, error) // own as for Probe
	Alone    func(do func() error) error                                                 // while no other master that starts does the same
	Listen   func(fd, backlog int) error
	Unroute  func(fds ...int) error // has connections come to all sockets of one address no more
	Steer    func(first int) error  // has all further connections of a SO_REUSEPORT group come to its first socket
	Close    func(fd int) error
	Inode    func(fd int) uint64
	Same     func(a, b int) bool // whether two descriptors are of one socket
	Locate   func(path string) (Spot, error)
	Unlinker func(path string) func() // removes the unix socket that is at path now
	UnlinkAt func(path string, found Spot) func()
	Chmod    func(path string, perm fs.FileMode) error

	// OpenGroup lets others join the group of a socket that another program has opened; undo makes it as it was.
	OpenGroup func(fd int) (undo func(), err error)
}

// Linux returns the real one.
func Linux() Kernel {
	return Kernel{
		Probe: Probe, Bind: Bind, Alone: Alone, Listen: sock.Listen, Unroute: sock.Unroute, Close: sock.Close, Inode: sock.Inode,
		Same: sock.Same, Locate: Locate, Unlinker: Unlinker, UnlinkAt: UnlinkAt, Chmod: os.Chmod, Steer: sock.Steer,
		OpenGroup: func(fd int) (func(), error) { return sock.OpenGroup(fd, os.Geteuid()) },
	}
}

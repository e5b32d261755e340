// How addresses and paths are bound, by one process at a time.

package listen

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// How long another process may bind sockets in the same directory. A master that serves does not wait as long where it would
// keep others waiting.
const (
	LockPatience      = 2 * time.Second
	ShortLockPatience = 10 * time.Millisecond
)

// Bind opens a socket that is to listen later. Sockets whose inodes are in own are no obstacle.
func Bind(l config.Listen, own []uint64, patience time.Duration) (Socket, error) {
	if err := fault.Error("m.bind"); err != nil {
		return Socket{}, err
	}
	if l.Network != "unix" {
		fd, err := sock.BindTCP(l.AddrPort, true)
		return Socket{FD: fd, Inode: sock.Inode(fd)}, err
	}
	return bindPath(l, own, patience)
}

// InDirectory does what must be done by one process at a time among those that bind sockets in the same directory: to find
// that nobody is at a path, to remove what is left there, and to bind. Who may not read the directory does without.
func InDirectory(path string, patience time.Duration, do func() error) error {
	unlock, err := sock.LockDirectory(filepath.Dir(path), patience)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return fmt.Errorf("another process has locked the directory %s for more than %s", filepath.Dir(path), patience)
	case err == nil:
		defer unlock()
	}
	return do()
}

// bindPath opens a socket at a path where no process listens.
func bindPath(l config.Listen, own []uint64, patience time.Duration) (s Socket, err error) {
	err = InDirectory(l.Address, patience, func() error {
		if err := ProbeUnix(l.Address, own); err != nil {
			return err
		}
		fd, err := sock.BindUnix(l.Address, uint32(l.Perm.Perm()))
		if err != nil {
			return err
		}
		s = Socket{FD: fd, Inode: sock.Inode(fd)}
		if s.Spot, err = Locate(l.Address); err != nil {
			sock.Close(fd)
			return err
		}
		s.Unlink = UnlinkAt(l.Address, s.Spot)
		return nil
	})
	return s, err
}

// Alone does what must be done by one starting master at a time: between finding an address free and listening there,
// another one would find it free, too. Where somebody else has taken the name for good, it is done all the same.
func Alone(do func() error) error {
	if unlock, err := sock.LockName(fmt.Sprintf("pinion/start/%d", os.Geteuid()), LockPatience); err == nil {
		defer unlock()
	}
	return do()
}

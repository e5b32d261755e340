// The control socket as a file: who may open it, and what stands in the way.

package master

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	adminPerm    = 0o600 // whoever can write to it can end the proxy
	adminBacklog = 64

	maxSocketPath = 107 // bytes, see unix(7)
)

// listenAdmin opens the control socket at path, where nobody may be but sockets whose inodes are in own. The permissions
// stand before it listens, whatever the umask is.
func listenAdmin(path string, own []uint64) (fd int, err error) {
	if len(path) > maxSocketPath {
		return -1, fmt.Errorf("listening on %q (control socket): a path of %d bytes is too long for a socket, which takes %d; "+
			"choose a shorter one with --control", path, len(path), maxSocketPath)
	}
	err = inDirectory(path, lockPatience, func() error {
		err := probeUnix(path, own)
		if err == nil {
			fd, err = sock.ListenUnix(path, adminPerm, adminBacklog)
		}
		return err
	})
	if err != nil {
		return -1, adminError(path, err)
	}
	return fd, nil
}

// adminError says why there is no control socket, and what the operator can do.
func adminError(path string, err error) error {
	hint := "choose another path with --control"
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another Pinion is alive there; see pinion status --control " + path + ", or " + hint
	case errors.Is(err, os.ErrNotExist):
		hint = fmt.Sprintf("create the directory %q, or %s", dir, hint)
	case errors.Is(err, os.ErrPermission):
		hint = fmt.Sprintf("let user %d write to the directory %q, or %s", os.Geteuid(), dir, hint)
	case !errors.As(err, new(syscall.Errno)):
		return fmt.Errorf("listening on %q (control socket): %w", path, err) // it says what to do
	}
	return fmt.Errorf("listening on %q (control socket): %w; %s", path, cause(err), hint)
}

// adminListener returns a listener over a copy of fd, so that closing it leaves the socket open for a successor.
func adminListener(fd int) (net.Listener, error) {
	duplicate, err := sock.Dup(fd)
	if err != nil {
		return nil, fmt.Errorf("copying the control socket: %w", err)
	}
	f := os.NewFile(uintptr(duplicate), "control socket") // does not switch a non-blocking descriptor to blocking
	defer f.Close()
	l, err := net.FileListener(f) // with a copy of its own
	if err != nil {
		return nil, fmt.Errorf("listening on the control socket: %w", cause(err))
	}
	return l, nil
}

// The admin socket as a file: its permissions, and what may be at its path.

package admin

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
	socketPerm    = 0o600 // whoever can write to it can end the proxy
	socketBacklog = 64

	maxSocketPath = 107 // bytes, see unix(7)
)

// Listen opens the admin socket at a path. The permissions stand before it listens, whatever the umask is. It is opened by
// claim, when nobody is at the path; an error of claim that is not one of the system says what to do. A name outside the file system
// has neither: the kernel gives it to one only, see Dial for who may use it.
func Listen(path string, claim func(open func() error) error) (fd int, err error) {
	if len(path) > maxSocketPath {
		return -1, fmt.Errorf("listening on %q (admin socket): a path of %d bytes is too long for a socket, which takes %d; "+
			"choose a shorter one with --control", path, len(path), maxSocketPath)
	}
	if Abstract(path) {
		fd, err = sock.ListenUnix(path, 0, socketBacklog)
		if err != nil {
			return -1, ListenError(path, err)
		}
		return fd, nil
	}
	err = claim(func() (err error) {
		fd, err = sock.ListenUnix(path, socketPerm, socketBacklog)
		return err
	})
	if err != nil {
		return -1, ListenError(path, err)
	}
	return fd, nil
}

// ListenError says why there is no admin socket, and what the operator can do.
func ListenError(path string, err error) error {
	errno := syscall.Errno(0)
	if !errors.As(err, &errno) {
		return fmt.Errorf("listening on %q (admin socket): %w", path, err)
	}
	hint := "choose another path with --control, or control in the file"
	dir := filepath.Dir(path)
	switch {
	case errno == syscall.EADDRINUSE && !maybeSocket(path):
		return fmt.Errorf("listening on %q (admin socket): it exists and is not a socket; remove it or choose another path", path)
	case errno == syscall.EADDRINUSE:
		hint = "another Pinion is alive there; see pinion status --control " + path + ", or " + hint
	case errors.Is(errno, os.ErrNotExist):
		hint = fmt.Sprintf("create the directory %q, or %s", dir, hint)
	case errors.Is(errno, os.ErrPermission):
		hint = fmt.Sprintf("let user %d write to the directory %q, or %s", os.Geteuid(), dir, hint)
	}
	return fmt.Errorf("listening on %q (admin socket): %w; %s", path, errno, hint)
}

// maybeSocket reports whether there may be a socket at a path: in use is also what the kernel says of any other file.
func maybeSocket(path string) bool {
	file, err := os.Lstat(path)
	return err != nil || file.Mode()&os.ModeSocket != 0
}

// Listener returns a listener over a copy of fd, so that closing it leaves the socket open for a successor.
func Listener(fd int) (net.Listener, error) {
	duplicate, err := sock.Dup(fd)
	if err != nil {
		return nil, fmt.Errorf("copying the admin socket: %w", err)
	}
	f := os.NewFile(uintptr(duplicate), "admin socket") // does not switch a non-blocking descriptor to blocking
	defer f.Close()
	l, err := net.FileListener(f) // with a copy of its own
	if err != nil {
		return nil, fmt.Errorf("listening on the admin socket: %w", err)
	}
	if Abstract(l.Addr().String()) {
		return guarded{l}, nil
	}
	return l, nil
}

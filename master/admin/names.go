// The admin socket of a Pinion that was told of no place for it: an abstract name, which needs no directory and is gone with the process.
// Such names have no permissions and can be taken by anybody, so both ends look at who is at the other.

package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// OwnName stands for the name that a master finds for itself.
const OwnName = "@"

const namePrefix = "@pinion/control/"

// Abstract reports whether an admin socket is none in the file system.
func Abstract(path string) bool { return strings.HasPrefix(path, "@") }

// Name returns the n-th name for the admin socket of a process of this user, from 0 on: in other containers on the same network a process may
// have the same pid.
func Name(pid, n int) string {
	name := fmt.Sprintf("%s%d/%d", namePrefix, os.Geteuid(), pid)
	if n > 0 {
		name += fmt.Sprintf("-%d", n+1)
	}
	return name
}

// findPatience is how long a master may take to accept a connection.
const findPatience = time.Second

// Find returns the names at which masters of a user listen that this process can see.
func Find(uid int) []string {
	return found(fmt.Sprintf("%s%d/", namePrefix, uid), func(by int) bool { return by == uid })
}

// FindAll is Find for all users.
func FindAll() []string {
	return found(namePrefix, func(int) bool { return true })
}

// OutOfReach returns why each of the names at which masters listen that this process can see, but not ask, cannot be asked: an error is
// ErrElsewhere, or an *OthersError.
func OutOfReach() map[string]error {
	all := map[string]error{}
	for _, name := range sock.ListeningNames(namePrefix) {
		c, err := DialSoon(name)
		switch {
		case err == nil:
			c.Close()
		case errors.Is(err, ErrElsewhere), errors.Is(err, fs.ErrPermission):
			all[name] = err
		}
	}
	return all
}

func found(prefix string, of func(uid int) bool) (names []string) {
	for _, name := range sock.ListeningNames(prefix) {
		c, err := DialSoon(name)
		if err != nil {
			continue
		}
		if uid, pid := peerOf(c); pid != 0 && of(uid) && strings.HasPrefix(name, fmt.Sprintf("%s%d/", namePrefix, uid)) {
			names = append(names, name)
		}
		c.Close()
	}
	return names
}

// DialSoon is Dial within a moment: a master that hangs accepts nobody.
func DialSoon(path string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), findPatience)
	defer cancel()
	return Dial(ctx, path)
}

// Dial connects to an admin socket. One without a path must be of this user, or of one that the user, being root, can command anyway.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil || !Abstract(path) {
		return c, err
	}
	switch uid, pid := peerOf(c); {
	case pid == 0, !namedBy(path, pid): // nobody, as far as this process can see, or somebody else
		err = ErrElsewhere
	case uid != os.Geteuid() && os.Geteuid() != 0:
		err = &OthersError{uid}
	default:
		return c, nil
	}
	c.Close()
	return nil, err
}

// OthersError is the error of a master that another user runs, and of whoever has taken the name.
type OthersError struct{ UID int }

func (e *OthersError) Error() string { return fmt.Sprintf("it belongs to user %d", e.UID) }

func (e *OthersError) Unwrap() error { return fs.ErrPermission }

// namedBy reports whether a process of this pid may have made a name, as far as the name tells, see Name.
func namedBy(name string, pid int) bool {
	rest, ok := strings.CutPrefix(name, namePrefix)
	_, number, _ := strings.Cut(rest, "/")
	number, _, _ = strings.Cut(number, "-")
	return !ok || number == strconv.Itoa(pid)
}

// ErrElsewhere is the error of a master in another pid namespace, which has another number there than here: it could not see who asks.
var ErrElsewhere = errors.New("it runs in another pid namespace, as in a container: run the command in there, or start it with --control FILE")

// peerOf returns the user and the pid of the process at the other end; of one that this process cannot see the pid is 0. Of a socket
// that has been passed on it is the first one that listened.
func peerOf(c net.Conn) (uid, pid int) {
	uid = -1
	conn, ok := c.(syscall.Conn)
	if !ok {
		return uid, 0
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return uid, 0
	}
	raw.Control(func(fd uintptr) {
		if u, p, err := sock.PeerCredentials(int(fd)); err == nil {
			uid, pid = u, p
		}
	})
	return uid, pid
}

// guarded accepts only who may ask: this user and root, as far as this process can see them.
type guarded struct{ net.Listener }

func (g guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, pid := peerOf(c); pid != 0 && (uid == os.Geteuid() || uid == 0) {
			return c, nil
		}
		c.Close()
	}
}

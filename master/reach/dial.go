// The way to a server: its name, and a connection.

package reach

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/master/config"
)

// dial returns a connection, or nil after it has said why there is none.
func (v *visit) dial(ctx context.Context) net.Conn {
	conn, err := connect(ctx, v.network, v.address, v.patience)
	if err != nil {
		v.fail(why(err, v.patience))
		return nil
	}
	handshake, cancel := context.WithTimeout(ctx, v.patience)
	defer cancel()
	if conn, err = v.client().Secure(handshake, conn, v.address); err != nil {
		v.unencrypted(err)
		return nil
	}
	v.certificate(conn)
	return conn
}

// certificate warns of that of the server, if it ends soon.
func (v *visit) certificate(conn net.Conn) {
	ends, ok := certs.Ends(conn)
	if left := time.Until(ends); ok && left < config.Soon {
		v.warn(fmt.Sprintf("has a certificate that ends on %s, in %d days", certs.Day(ends), max(left/(24*time.Hour), 0)), "renew it there")
	}
}

// client is how the target is connected to.
func (v *visit) client() *certs.Client {
	if v.role == asSentinel && v.pool.SentinelPlaintext {
		return nil
	}
	return certs.NewClient(v.pool.ServerTLS)
}

// errSelf is a connection to itself: the kernel has given the port of an address on this machine where nobody listens.
var errSelf = fmt.Errorf("%w", syscall.ECONNREFUSED)

func connect(ctx context.Context, network, address string, patience time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, network, address)
	if err == nil && network == "tcp" && conn.LocalAddr().String() == conn.RemoteAddr().String() {
		conn.Close()
		return nil, errSelf
	}
	return conn, err
}

// why says in an operator's words why there is no connection, and what may be done.
func why(err error, patience time.Duration) (message, hint string) {
	if name := (*net.DNSError)(nil); errors.As(err, &name) {
		return fmt.Sprintf("is at a name that cannot be resolved: %s", name.Err), "correct the name, or add it to DNS or /etc/hosts"
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses connections", "start it, or correct the address: nobody listens there"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Sprintf("has not accepted a connection for %v", patience), "see whether the host is up, and whether a firewall is in the way"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "is where no way leads: " + cause(err), "correct the address, or the routes of this machine"
	case errors.Is(err, fs.ErrNotExist):
		return "has no socket there", "start it, or correct the path"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("has a socket that %s may not use", me()), "change its permissions (unixsocketperm of Redis, -a of memcached), or ask as the user that Pinion runs as"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "was not asked: " + cause(err), "raise ulimit -n"
	}
	return "cannot be connected to: " + cause(err), "correct the address"
}

// cause leaves out what Go adds to an error of the kernel.
func cause(err error) string {
	if number := syscall.Errno(0); errors.As(err, &number) {
		return number.Error()
	}
	return err.Error()
}

func me() string {
	if u, err := user.Current(); err == nil {
		return "user " + u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}

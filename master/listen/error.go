// Why an address cannot be served, in words that tell the operator what to do.

package listen

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"syscall"

	"github.com/pinion-proxy/pinion/master/config"
)

// Cause leaves out what net says around the error of a system call: operation, network, address, name of the call.
func Cause(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err // a name that does not resolve
	}
	return err
}

// Error says which address of which pool cannot be served, why, and what the operator can do.
func Error(pool string, l *config.Listen, err error) error {
	return fmt.Errorf("listening on %q (pool %q): %w%s", l.Text, pool, err, hint(l, err))
}

// ErrorOf is Error for the address of the pool that a listener has.
func ErrorOf(p *config.Pool, l *Listener, err error) error {
	return Error(p.Name, p.ListenAt(l.ID()), err)
}

// HTTPError says the same of the address on which the master answers HTTP.
func HTTPError(l config.Listen, err error) error {
	return fmt.Errorf("listening on %q (http): %w%s", l.Text, err, hint(&l, err))
}

func hint(l *config.Listen, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && l.Network == "unix":
		return "; another process accepts connections there: stop it or choose another path"
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("; see who has it with: ss -ltnp 'sport = :%d'", l.AddrPort.Port())
	case errors.Is(err, syscall.ENOENT) && l.Network == "unix":
		return fmt.Sprintf("; create the directory %q", filepath.Dir(l.Address))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; no interface of this machine has that address"
	case errors.Is(err, syscall.EACCES) && l.Network != "unix":
		return "; ports below 1024 need CAP_NET_BIND_SERVICE"
	}
	return ""
}

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
func Error(p *config.Pool, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && p.Listen.Network == "unix":
		hint = "; another process accepts connections there: stop it or choose another path"
	case errors.Is(err, syscall.EADDRINUSE):
		hint = fmt.Sprintf("; see who has it with: ss -ltnp 'sport = :%d'", p.Listen.AddrPort.Port())
	case errors.Is(err, syscall.ENOENT) && p.Listen.Network == "unix":
		hint = fmt.Sprintf("; create the directory %q", filepath.Dir(p.Listen.Address))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "; no interface of this machine has that address"
	case errors.Is(err, syscall.EACCES) && p.Listen.Network != "unix":
		hint = "; ports below 1024 need CAP_NET_BIND_SERVICE"
	}
	return fmt.Errorf("listening on %q (pool %q): %w%s", p.Listen.Text, p.Name, err, hint)
}

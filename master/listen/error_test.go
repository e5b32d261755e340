package listen

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/master/config"
)

func TestListenErrors(t *testing.T) {
	on := config.Listen{Network: "tcp", Text: "localhost:22121", AddrPort: netip.MustParseAddrPort("127.0.0.1:22121")}
	path := config.Listen{Network: "unix", Text: "/run/p.sock", Address: "/run/p.sock"}
	for _, c := range []struct {
		listen config.Listen
		err    error
		want   string
	}{
		{on, syscall.EADDRINUSE, `listening on "localhost:22121" (pool "alpha"): address already in use; ` +
			`see who has it with: ss -ltnp 'sport = :22121'`},
		{on, syscall.EADDRNOTAVAIL, `listening on "localhost:22121" (pool "alpha"): cannot assign requested address; ` +
			`no interface of this machine has that address`},
		{on, syscall.EACCES, `listening on "localhost:22121" (pool "alpha"): permission denied; ` +
			`ports below 1024 need CAP_NET_BIND_SERVICE`},
		{on, syscall.EMFILE, `listening on "localhost:22121" (pool "alpha"): too many open files`},
		{path, syscall.EADDRINUSE, `listening on "/run/p.sock" (pool "alpha"): address already in use; ` +
			`another process accepts connections there: stop it or choose another path`},
		{path, syscall.EACCES, `listening on "/run/p.sock" (pool "alpha"): permission denied`},
		{path, syscall.ENOENT, `listening on "/run/p.sock" (pool "alpha"): no such file or directory; create the directory "/run"`},
	} {
		err := Error("alpha", &c.listen, c.err)
		if err.Error() != c.want || !errors.Is(err, c.err) {
			t.Errorf("got %q, want %q", err, c.want)
		}
	}
}

func TestCause(t *testing.T) {
	lookup := &net.DNSError{Err: "no such host", Name: "stats.example"}
	other := errors.New("other")
	for _, c := range []struct{ err, want error }{
		{&net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EACCES)}, syscall.EACCES},
		{&net.OpError{Op: "listen", Net: "tcp", Err: lookup}, lookup},
		{other, other},
	} {
		if got := Cause(c.err); got != c.want {
			t.Errorf("cause of %q: got %q, want %q", c.err, got, c.want)
		}
	}
}

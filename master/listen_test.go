package master

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

func tcp(t *testing.T, address string) config.Listen {
	t.Helper()
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return config.Listen{Network: "tcp", Address: address, Text: address, AddrPort: addr}
}

func TestProbeTCP(t *testing.T) {
	for _, reuseport := range []bool{false, true} {
		t.Run(fmt.Sprint("reuseport=", reuseport), func(t *testing.T) {
			l := tcp(t, freeAddress(t))
			if err := probe(l, nil); err != nil {
				t.Errorf("free address: %v", err)
			}
			fd, err := sock.ListenTCP(l.AddrPort, 8, reuseport)
			if err != nil {
				t.Fatal(err)
			}
			if err := probe(l, nil); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("served address: %v", err)
			}
			sock.Close(fd)
			if err := probe(l, nil); err != nil {
				t.Errorf("address that is free again: %v", err)
			}
		})
	}
}

// A proxy that was stopped leaves connections in TIME_WAIT on its port; they must not keep the next one from starting.
func TestProbeTimeWait(t *testing.T) {
	l := tcp(t, freeAddress(t))
	fd, err := sock.ListenTCP(l.AddrPort, 8, true)
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", l.Address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := sock.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	sock.Close(conn) // who closes first has the TIME_WAIT
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
	client.Close()
	sock.Close(fd)
	if err := probe(l, nil); err != nil {
		t.Errorf("probing after a connection: %v", err)
	}
}

func TestProbeUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := config.Listen{Network: "unix", Address: path, Text: path}
	if err := probe(l, nil); err != nil {
		t.Errorf("nothing there: %v", err)
	}
	s, err := bindSocket(l, nil, 0)
	if err == nil {
		err = sock.Listen(s.fd, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // the queue gets full
		if err := probe(l, nil); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("served path: %v", err)
		}
	}
	sock.Close(s.fd)
	if err := probe(l, nil); err != nil {
		t.Errorf("path that nobody serves any more: %v", err)
	}
	s.unlink()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("unlinked path: %v", err)
	}
}

// The path may belong to a successor by the time the predecessor ends.
func TestUnlinkOwnOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := config.Listen{Network: "unix", Address: path}
	first, err := bindSocket(l, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(first.fd)
	if err := os.Rename(path, path+".old"); err != nil { // its inode must not be used again
		t.Fatal(err)
	}
	second, err := bindSocket(l, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(second.fd)
	first.unlink()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the second socket after the end of the first: %v", err)
	}
	second.unlink()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the second socket after its own end: %v", err)
	}
}

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
		err := listenError(&config.Pool{Pool: link.Pool{Name: "alpha"}, Listen: c.listen}, c.err)
		if err.Error() != c.want || !errors.Is(err, c.err) {
			t.Errorf("got %q, want %q", err, c.want)
		}
	}
}

func TestListenStatsErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for address, want := range map[string]string{
		"127.0.0.1": fmt.Sprintf(`listening on "127.0.0.1:%d" (statistics): address already in use; `+
			`choose another port with -s`, port),
		"192.0.2.1": fmt.Sprintf(`listening on "192.0.2.1:%d" (statistics): cannot assign requested address; `+
			`no interface of this machine has that address; choose another with -a`, port),
	} {
		m := &master{world: newWorld(nil), opts: Options{StatsAddr: address, StatsPort: port}}
		m.world.aside = func(work func() func()) { work()() }
		m.listenStats(once, func(err error) {
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
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
		if got := cause(c.err); got != c.want {
			t.Errorf("cause of %q: got %q, want %q", c.err, got, c.want)
		}
	}
}

package listen

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// A wider or a narrower address on a port of our own is free, unless a stranger is there.
func TestProbeBesideOwn(t *testing.T) {
	port := netip.MustParseAddrPort(freeAddress(t)).Port()
	at := func(host string) config.Listen {
		return tcp(t, netip.AddrPortFrom(netip.MustParseAddr(host), port).String())
	}
	open := func(host string) (fd int, inode uint64) {
		fd, err := sock.ListenTCP(at(host).AddrPort, 8, true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sock.Close(fd) })
		return fd, sock.Inode(fd)
	}
	_, first := open("127.0.0.1")
	_, second := open("127.0.0.1")
	_, six := open("::1")
	own := []uint64{first, second, six}
	for _, host := range []string{"0.0.0.0", "127.0.0.1", "::", "::1"} {
		if err := Probe(at(host), own); err != nil {
			t.Errorf("%s beside our own: %v", host, err)
		}
		if err := Probe(at(host), own[:1]); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s beside a stranger: %v", host, err)
		}
		if err := Probe(at(host), nil); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s with nothing of our own: %v", host, err)
		}
	}
	if err := Probe(at("127.0.0.2"), own[:1]); err != nil {
		t.Errorf("another address: %v", err)
	}
}

func TestListeningIn(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0000000000000000 20 4 30 10 -1
`
	read := func(table string) (text string, err error) {
		all, err := listeningIn(strings.NewReader(table))
		for _, s := range all {
			text += fmt.Sprintf("%s %d ", s.at, s.inode)
		}
		return text, err
	}
	if got, err := read(table); err != nil || got != "127.0.0.1:8080 4711 0.0.0.0:80 4712 " {
		t.Errorf("got %q, %v", got, err)
	}
	six := "names\n 0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0 0 0 0 0 4714 1\n"
	if got, err := read(six); err != nil || got != "[::1]:8080 4714 " {
		t.Errorf("got %q, %v", got, err)
	}
	for _, address := range []string{"", "7F:1F90", "0100007F", "0100007F:1F901", "x100007F:1F90"} {
		line := "names\n 0: " + address + " 0 0A 0 0 0 0 0 0 4714 1\n"
		if got, err := read(line); err == nil && got != "" {
			t.Errorf("%q is read as %q", address, got)
		}
	}
}

// A path that a process has bound is taken, although it does not listen yet; one that a dead process has left is not.
func TestProbeBoundPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b") // a space is no end of the path
	l := config.Listen{Network: "unix", Address: path}
	fd, err := sock.BindUnix(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := Probe(l, nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("bound path: %v", err)
	}
	if err := Probe(l, []uint64{sock.Inode(fd)}); err != nil {
		t.Errorf("path bound by ourselves: %v", err)
	}
	if err := Probe(config.Listen{Network: "unix", Address: path[:len(path)-1]}, nil); err != nil {
		t.Errorf("another path: %v", err)
	}
	sock.Close(fd)
	if err := Probe(l, nil); err != nil {
		t.Errorf("path that nobody has bound any more: %v", err)
	}
}

// Connections of a listener that is gone have its path, too.
func TestBoundIn(t *testing.T) {
	const table = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 4711 /run/p.sock
0000000000000000: 00000003 00000000 00000000 0001 03 4712 /run/p.sock
0000000000000000: 00000002 00000000 00000000 0001 01 4713 /run/p.sock
0000000000000000: 00000002 00000000 00000000 0001 01 4714
0000000000000000: 00000002 00000000 00000000 0001 01 4715 /other/run/p.sock
0000000000000000: 00000002 00000000 00000000 0001 01 4716 @/run/p.sock
`
	got, err := boundIn(strings.NewReader(table), "/run/p.sock")
	if err != nil || !slices.Equal(got, []uint64{4711, 4713}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestProbeTCP(t *testing.T) {
	for _, reuseport := range []bool{false, true} {
		t.Run(fmt.Sprint("reuseport=", reuseport), func(t *testing.T) {
			l := tcp(t, freeAddress(t))
			if err := Probe(l, nil); err != nil {
				t.Errorf("free address: %v", err)
			}
			fd, err := sock.ListenTCP(l.AddrPort, 8, reuseport)
			if err != nil {
				t.Fatal(err)
			}
			if err := Probe(l, nil); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("served address: %v", err)
			}
			sock.Close(fd)
			if err := Probe(l, nil); err != nil {
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
	if err := Probe(l, nil); err != nil {
		t.Errorf("probing after a connection: %v", err)
	}
}

func TestProbeUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := config.Listen{Network: "unix", Address: path, Text: path}
	if err := Probe(l, nil); err != nil {
		t.Errorf("nothing there: %v", err)
	}
	s, err := Bind(l, nil, 0)
	if err == nil {
		err = sock.Listen(s.FD, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // the queue gets full
		if err := Probe(l, nil); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("served path: %v", err)
		}
	}
	sock.Close(s.FD)
	if err := Probe(l, nil); err != nil {
		t.Errorf("path that nobody serves any more: %v", err)
	}
	s.Unlink()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("unlinked path: %v", err)
	}
}

func tcp(t *testing.T, address string) config.Listen {
	t.Helper()
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return config.Listen{Network: "tcp", Address: address, Text: address, AddrPort: addr}
}

// freeAddress returns one whose port the kernel gives to no connection of other tests that run meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 30_000+rand.IntN(2_700)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
}

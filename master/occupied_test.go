package master

import (
	"errors"
	"fmt"
	"net/netip"
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
		if err := probe(at(host), own); err != nil {
			t.Errorf("%s beside our own: %v", host, err)
		}
		if err := probe(at(host), own[:1]); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s beside a stranger: %v", host, err)
		}
		if err := probe(at(host), nil); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s with nothing of our own: %v", host, err)
		}
	}
	if err := probe(at("127.0.0.2"), own[:1]); err != nil {
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
	if err := probe(l, nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("bound path: %v", err)
	}
	if err := probe(l, []uint64{sock.Inode(fd)}); err != nil {
		t.Errorf("path bound by ourselves: %v", err)
	}
	if err := probe(config.Listen{Network: "unix", Address: path[:len(path)-1]}, nil); err != nil {
		t.Errorf("another path: %v", err)
	}
	sock.Close(fd)
	if err := probe(l, nil); err != nil {
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

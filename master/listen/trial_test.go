package listen

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// A trial fails as a claim would, and leaves nothing behind.
func TestTrial(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tcp := func(address string) config.Listen {
		at := netip.MustParseAddrPort(address)
		return config.Listen{Network: "tcp", Address: address, AddrPort: at}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	served, err := net.Listen("unix", filepath.Join(dir, "served"))
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	unix := func(path string) config.Listen { return config.Listen{Network: "unix", Address: path} }
	for _, test := range []struct {
		name string
		at   config.Listen
		want error
	}{
		{"free", tcp("127.0.0.1:0"), nil},
		{"taken", tcp(taken.Addr().String()), syscall.EADDRINUSE},
		{"of no interface", tcp("192.0.2.77:22121"), syscall.EADDRNOTAVAIL},
		{"a free path", unix(filepath.Join(dir, "new")), nil},
		{"a path that is served", unix(filepath.Join(dir, "served")), syscall.EADDRINUSE},
		{"a file", unix(file), sock.ErrNotASocket},
		{"no folder", unix(filepath.Join(dir, "none", "new")), syscall.ENOENT},
	} {
		if err := (Trial{Address: test.at}).Try(); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// Only addresses that are new are tried.
func TestTrials(t *testing.T) {
	c, err := config.Parse("f", []byte("a:\n  listen: 127.0.0.1:22121\n  servers:\n  - a:1:1\nb:\n  listen: 127.0.0.1:22122\n  servers:\n  - a:1:1\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := &Set{all: []*Listener{{Network: "tcp", Address: "127.0.0.1:22121"}}}
	got := s.Trials(Layout{Pools: c.Pools, Slots: 1})
	if len(got) != 1 || got[0].Address.Address != "127.0.0.1:22122" {
		t.Errorf("got %+v", got)
	}
}

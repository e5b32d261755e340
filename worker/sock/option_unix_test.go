package sock

import (
	"net"
	"path/filepath"
	"testing"
)

// Of a client of a unix socket, which has no name of its own, there is to tell which one that is.
func TestPeerAddressOfUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	raw, err := accepted.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		if got := PeerAddress(int(fd)); got != path+":0" {
			t.Errorf("got %q, want %q", got, path+":0")
		}
	}); err != nil {
		t.Fatal(err)
	}
}

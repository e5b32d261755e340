package sock

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Where a client has come from is known when it is gone, even if it went before it was accepted.
func TestPeerAddressOfBrokenConnection(t *testing.T) {
	for network, address := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"} {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Logf("%s: %v", network, err)
			continue
		}
		defer l.Close()
		client, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		want := client.LocalAddr().String()
		client.(*net.TCPConn).SetLinger(0)
		client.Close()
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		raw, err := accepted.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Control(func(fd uintptr) {
			if got := PeerAddress(int(fd)); got != want {
				t.Errorf("%s: %s, want %s", network, got, want)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil {
		defer unix.Close(fd)
		if got := PeerAddress(fd); got != "?" {
			t.Errorf("of no connection: %s", got)
		}
	}
}

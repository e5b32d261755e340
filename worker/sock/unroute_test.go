package sock

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever has connected before is still accepted; who comes later gets to a wider address, or is refused.
func TestUnroute(t *testing.T) {
	for _, hosts := range [][2]string{{"127.0.0.1", "0.0.0.0"}, {"::1", "::"}, {"127.0.0.1", "::"}} {
		t.Run(strings.Join(hosts[:], " "), func(t *testing.T) {
			first, err := ListenTCP(netip.AddrPortFrom(netip.MustParseAddr(hosts[0]), 0), 8, true)
			if err != nil {
				t.Fatal(err)
			}
			defer Close(first)
			address := netip.MustParseAddrPort(LocalAddress(first))
			wide, err := ListenTCP(netip.AddrPortFrom(netip.MustParseAddr(hosts[1]), address.Port()), 8, true)
			if err != nil {
				t.Fatal(err)
			}
			dial := func() (net.Conn, error) { return net.DialTimeout("tcp", address.String(), 10*time.Second) }
			before, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			defer before.Close()
			if Unrouted(first) {
				t.Error("it is unrouted from the start")
			}
			if err := Unroute(first); err != nil || !Unrouted(first) {
				t.Fatal(err)
			}
			after, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			defer after.Close()
			for listener, client := range map[int]net.Conn{first: before, wide: after} {
				fd, err := Accept(listener)
				for Again(err) {
					fd, err = Accept(listener)
				}
				if err != nil {
					t.Fatal(err)
				}
				if PeerAddress(fd) != client.LocalAddr().String() && listener == first {
					t.Errorf("accepted %s, want %s", PeerAddress(fd), client.LocalAddr())
				}
				if _, err := Send(fd, []byte("x")); err != nil {
					t.Error(err)
				}
				client.SetDeadline(time.Now().Add(10 * time.Second))
				if n, err := client.Read(make([]byte, 1)); n != 1 {
					t.Errorf("the client reads %v", err)
				}
				Close(fd)
			}
			Close(wide)
			if c, err := dial(); err == nil {
				c.Close()
				t.Error("a connection comes although nobody takes it")
			}
		})
	}
}

// While the sockets of a group are unrouted one after the other, no connection is lost on one that is.
func TestUnrouteGroup(t *testing.T) {
	first, err := ListenTCP(netip.MustParseAddrPort("127.0.0.1:0"), 64, true)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(first)
	address := LocalAddress(first)
	group := []int{first}
	for range 3 {
		fd, err := ListenTCP(netip.MustParseAddrPort(address), 64, true)
		if err != nil {
			t.Fatal(err)
		}
		defer Close(fd)
		group = append(group, fd)
	}
	if err := chooseFirst(first); err != nil {
		t.Fatal(err)
	}
	if err := Unroute(group[1:]...); err != nil { // its own choice is the first of the group, too
		t.Fatal(err)
	}
	for range 50 {
		c, err := net.DialTimeout("tcp", address, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err != nil || info.Total_retrans > 0 {
				t.Errorf("a connection was asked for %d times more, %v", info.Total_retrans, err)
			}
		})
	}
}

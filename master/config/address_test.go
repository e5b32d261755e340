package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"testing"
)

// One socket has one address, however it is written, and two sockets have two.
func TestListenID(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) == 0 {
		t.Fatalf("this machine has no network interface: %v", err)
	}
	first, number := interfaces[0].Name, strconv.Itoa(interfaces[0].Index)
	for _, test := range []struct{ text, network, address string }{
		{"127.0.0.1:22121", "tcp", "127.0.0.1:22121"},
		{"127.1:022121", "tcp", "127.0.0.1:22121"},
		{"[::ffff:127.0.0.1]:22121", "tcp", "127.0.0.1:22121"},
		{"[::ffff:7f00:1]:22121", "tcp", "127.0.0.1:22121"},
		{"localhost:22121", "tcp", "[::1]:22121"},
		{"0:0:0:0:0:0:0:1:22121", "tcp", "[::1]:22121"},
		{"[::1%" + first + "]:22121", "tcp", "[::1]:22121"},
		{"[FE80::1%" + first + "]:22121", "tcp", "[fe80::1%" + number + "]:22121"},
		{"[fe80::1%" + number + "]:22121", "tcp", "[fe80::1%" + number + "]:22121"},
		{"[fe80::1]:22121", "tcp", "[fe80::1]:22121"},
		{"[::]:22121", "tcp", "[::]:22121"},
		{"0:22121", "tcp", "0.0.0.0:22121"},
		{"/run/p.sock", "unix", "/run/p.sock"},
		{"/run/p.sock 0600", "unix", "/run/p.sock"},
		{"//run/./p.sock", "unix", "/run/p.sock"},
		{"/run/x/../p.sock", "unix", "/run/x/../p.sock"},
		{"/run/x/..", "unix", "/run/x/.."},
		{"/run/x/..p.sock", "unix", "/run/x/..p.sock"},
	} {
		d := &draft{pool: &Pool{}, resolve: resolveTest}
		if f := setListen(d, nil, word{text: test.text}); f != nil {
			t.Errorf("%s: %s", test.text, f.message)
			continue
		}
		l := d.pool.Listen
		if got, want := l.ID(), (ListenID{test.network, test.address}); got != want {
			t.Errorf("%s: %v, want %v", test.text, got, want)
		}
		if test.network == "tcp" && l.AddrPort != netip.MustParseAddrPort(test.address) {
			t.Errorf("%s: address %v, want %s", test.text, l.AddrPort, test.address)
		}
	}
}

// A name server that rotates its answers does not move a listener.
func TestChoose(t *testing.T) {
	for _, test := range []struct {
		want    string
		answers []string
	}{
		{"10.0.0.1", []string{"10.0.0.1"}},
		{"10.0.0.1", []string{"10.0.0.2", "10.0.0.1", "10.0.0.3"}},
		{"10.0.0.1", []string{"10.0.0.3", "10.0.0.2", "10.0.0.1"}},
		{"10.0.0.1", []string{"::ffff:10.0.0.1", "::1", "10.0.0.2"}},
		{"2001:db8::1", []string{"2001:db8::2", "10.0.0.1", "2001:db8::1"}},
	} {
		var addrs []netip.Addr
		for _, answer := range test.answers {
			addrs = append(addrs, netip.MustParseAddr(answer))
		}
		if got := choose(addrs).String(); got != test.want {
			t.Errorf("of %v: %s, want %s", test.answers, got, test.want)
		}
	}
}

// What a hint says to write is right, or it is a form to fill in.
func TestServerHints(t *testing.T) {
	for _, text := range []string{
		":1", ":6379", "a", "a:1", "127.0.0.1:6379", "127.0.0.1:6379 name", "/tmp/redis.sock", "/tmp/redis.sock name", ":1:1", "::1", "[::1]:1", "",
	} {
		_, flaw := parseServer(text)
		if flaw == nil {
			continue
		}
		var better string
		if _, err := fmt.Sscanf(flaw.hint, "write %q", &better); err != nil {
			continue
		}
		if _, next := parseServer(better); next != nil {
			t.Errorf("server %q %s; the hint, %q, %s", text, flaw.message, better, next.message)
		}
	}
}

// The address that a worker connects to is canonical; the name, which decides on placement, stays as written.
func TestParseServerAddress(t *testing.T) {
	for _, test := range []struct{ text, address, name string }{
		{"127.0.0.1:6379:1", "127.0.0.1:6379", "127.0.0.1:6379"},
		{"127.1:6379:1", "127.0.0.1:6379", "127.1:6379"},
		{"0x7f.1:06379:1 a", "127.0.0.1:6379", "a"},
		{"[::1]:6379:1", "[::1]:6379", "[::1]:6379"},
		{"cache.example:11211:1", "cache.example:11211", "cache.example"},
	} {
		s, flaw := parseServer(test.text)
		if flaw != nil {
			t.Errorf("%s: %s", test.text, flaw.message)
			continue
		}
		if s.Address != test.address || s.Name != test.name {
			t.Errorf("%s: address %q name %q, want %q %q", test.text, s.Address, s.Name, test.address, test.name)
		}
	}
}

// Numbers, hosts and servers: each text with what it means, and texts that mean nothing.

package config

import (
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

func TestDecimal(t *testing.T) {
	for _, test := range []struct {
		text string
		want int
		ok   bool
	}{
		{"0", 0, true}, {"1", 1, true}, {"0400", 400, true}, {"00000000000000000000007", 7, true},
		{strconv.Itoa(math.MaxInt32), math.MaxInt32, true}, {strconv.Itoa(math.MaxInt32 + 1), 0, false},
		{"99999999999999999999999999", 0, false}, {"", 0, false}, {"-1", 0, false}, {"+1", 0, false}, {" 1", 0, false},
		{"1 ", 0, false}, {"0x1", 0, false}, {"1.0", 0, false}, {"1e3", 0, false}, {"١", 0, false},
	} {
		if n, ok := decimal(test.text); ok != test.ok || ok && n != test.want {
			t.Errorf("decimal(%q) = %d, %v; want %d, %v", test.text, n, ok, test.want, test.ok)
		}
	}
}

func TestParseClassicIPv4(t *testing.T) {
	for _, test := range []struct{ host, want string }{
		{"0", "0.0.0.0"}, {"127.1", "127.0.0.1"}, {"10.1.258", "10.1.1.2"}, {"0x7f.0.0.1", "127.0.0.1"},
		{"0X7F000001", "127.0.0.1"}, {"017700000001", "127.0.0.1"}, {"2130706433", "127.0.0.1"},
		{"010.0.0.1", "8.0.0.1"}, {"1.2.3.4", "1.2.3.4"}, {"127.0.0.01", "127.0.0.1"},
	} {
		got, ok := parseClassicIPv4(test.host)
		if want := netip.MustParseAddr(test.want); !ok || got != want {
			t.Errorf("parseClassicIPv4(%q) = %v, %v; want %v", test.host, got, ok, want)
		}
	}
	for _, host := range []string{"", ".", "1.", "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "1.16777216", "4294967296", "08",
		"0b1", "0o7", "1_0", "a", "0x", "-1", "+1", "1.2.3.0b1", "0x1.0b1"} {
		if got, ok := parseClassicIPv4(host); ok {
			t.Errorf("parseClassicIPv4(%q) = %v", host, got)
		}
	}
}

func TestResolveHost(t *testing.T) {
	for host, want := range map[string]string{"127.0.0.1": "127.0.0.1", "127.1": "127.0.0.1", "fe80::1%lo": "fe80::1%lo"} {
		if got, err := resolveHost(host); err != nil || got != netip.MustParseAddr(want) {
			t.Errorf("resolveHost(%q) = %v, %v; want %s", host, got, err, want)
		}
	}
	if got, err := resolveHost("localhost"); err != nil || !got.IsLoopback() || got.Is4In6() {
		t.Errorf(`resolveHost("localhost") = %v, %v`, got, err)
	}
	if got, err := resolveHost("no host has this name"); err == nil {
		t.Errorf("got %v", got)
	}
}

func TestParseServer(t *testing.T) {
	for _, test := range []struct {
		text string
		want link.Server
	}{
		{"127.0.0.1:6379:1", link.Server{Name: "127.0.0.1:6379", Network: "tcp", Address: "127.0.0.1:6379", Weight: 1}},
		{"h:06379:010 n", link.Server{Name: "n", Network: "tcp", Address: "h:6379", Weight: 10}},
		{"h:06379:1", link.Server{Name: "h:06379", Network: "tcp", Address: "h:6379", Weight: 1}},
		{"h:11211:1", link.Server{Name: "h", Network: "tcp", Address: "h:11211", Weight: 1}},
		{"::1:6379:1", link.Server{Name: "::1:6379", Network: "tcp", Address: "[::1]:6379", Weight: 1}},
		{"[::1]:6379:1 a:b", link.Server{Name: "a:b", Network: "tcp", Address: "[::1]:6379", Weight: 1}},
		{"/tmp/s:2", link.Server{Name: "/tmp/s:", Network: "unix", Address: "/tmp/s", Weight: 2}},
		{"/tmp/s:2 n", link.Server{Name: "n", Network: "unix", Address: "/tmp/s", Weight: 2}},
	} {
		if got, f := parseServer(test.text); f != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("parseServer(%q) = %+v, %v; want %+v", test.text, got, f, test.want)
		}
	}
}

// Of the beginnings of a server, those without a weight or with half a name are incomplete, and all else is a server.
func TestParseServerPrefixes(t *testing.T) {
	for _, test := range []struct{ text, servers string }{
		{"h:12:3 name", "h:12:3|h:12:3 n|h:12:3 na|h:12:3 nam|h:12:3 name"},
		{"/tmp/s:45 n", "/tmp/s:4|/tmp/s:45|/tmp/s:45 n"},
		{"::1:6:1", "::1:6:1"},
	} {
		var servers []string
		for n := range len(test.text) + 1 {
			if _, f := parseServer(test.text[:n]); f == nil {
				servers = append(servers, test.text[:n])
			}
		}
		if got := strings.Join(servers, "|"); got != test.servers {
			t.Errorf("of the beginnings of %q, these are servers: %s; want %s", test.text, got, test.servers)
		}
	}
}

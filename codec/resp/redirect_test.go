// Redirects, in the texts of Redis 3.0 to 8 and Valkey.

package resp

import (
	"bytes"
	"fmt"
	"testing"
)

var redirectExamples = []struct {
	in   string
	kind ClusterError
	to   string // where to; empty: nowhere
}{
	{"-MOVED 3999 127.0.0.1:6381\r\n", Moved, "3999 127.0.0.1 6381"},
	{"-ASK 16383 10.0.0.7:6379\r\n", Ask, "16383 10.0.0.7 6379"},
	{"-MOVED 8579 :34004\r\n", Moved, "8579  34004"}, // cluster-preferred-endpoint-type unknown-endpoint
	{"-MOVED 8579 ?:34004\r\n", Moved, ""},           // hostname, and none is announced
	{"-MOVED 0 ::1:7000\r\n", Moved, "0 ::1 7000"},
	{"-ASK 1 fe80::1:2:7000\r\n", Ask, "1 fe80::1:2 7000"},
	{"-MOVED 1 node-1.example.com:65535\r\n", Moved, "1 node-1.example.com 65535"},
	{"-MOVED 16384 127.0.0.1:6381\r\n", Moved, ""},
	{"-MOVED -1 127.0.0.1:6381\r\n", Moved, ""},
	{"-MOVED 01 127.0.0.1:6381\r\n", Moved, ""},
	{"-MOVED x 127.0.0.1:6381\r\n", Moved, ""},
	{"-MOVED 1 127.0.0.1:0\r\n", Moved, ""},
	{"-MOVED 1 127.0.0.1:65536\r\n", Moved, ""},
	{"-MOVED 1 127.0.0.1:\r\n", Moved, ""},
	{"-MOVED 1 127.0.0.1\r\n", Moved, ""},
	{"-MOVED 1\r\n", Moved, ""},
	{"-MOVED\r\n", Moved, ""},
	{"-MOVED 1 127.0.0.1:1 more\r\n", Moved, ""},
	{"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", TryAgain, ""},
	{"-CLUSTERDOWN The cluster is down\r\n", ClusterDown, ""},
	{"-CLUSTERDOWN The cluster is down and only accepts read commands\r\n", ClusterDown, ""},
	{"-CLUSTERDOWN Hash slot not served\r\n", ClusterDown, ""},
	{"-CROSSSLOT Keys in request don't hash to the same slot\r\n", CrossSlot, ""},
	{"-MOVEDX 1 127.0.0.1:1\r\n", NoClusterError, ""},
	{"-moved 1 127.0.0.1:1\r\n", NoClusterError, ""},
	{"-ERR MOVED 1 127.0.0.1:1\r\n", NoClusterError, ""},
	{"+MOVED 1 127.0.0.1:1\r\n", NoClusterError, ""},
	{"$5\r\nMOVED\r\n", NoClusterError, ""},
	{"-\r\n", NoClusterError, ""},
	{"", NoClusterError, ""},
}

func TestRedirects(t *testing.T) {
	for _, test := range redirectExamples {
		reply := []byte(test.in)
		if kind := ClusterErrorOf(reply); kind != test.kind {
			t.Errorf("%q is %v, want %v", test.in, kind, test.kind)
		}
		got := ""
		if to, ok := ParseRedirect(reply); ok {
			got = fmt.Sprintf("%d %s %d", to.Slot, to.Host, to.Port)
		}
		if got != test.to {
			t.Errorf("%q leads to %q, want %q", test.in, got, test.to)
		}
	}
}

// What is not a redirect is told at no cost.
func TestClusterErrorDoesNotAllocate(t *testing.T) {
	for _, test := range redirectExamples {
		reply := []byte(test.in)
		if n := testing.AllocsPerRun(100, func() { ClusterErrorOf(reply) }); n != 0 {
			t.Errorf("%q: %v allocations", test.in, n)
		}
	}
}

// What is read of a redirect is what it says: written again it is the same text.
func FuzzRedirect(f *testing.F) {
	for _, test := range redirectExamples {
		f.Add([]byte(test.in))
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		to, ok := ParseRedirect(reply)
		if !ok {
			return
		}
		again := fmt.Appendf(nil, "-%v %d %s:%d", ClusterErrorOf(reply), to.Slot, to.Host, to.Port)
		if !bytes.Equal(bytes.TrimSuffix(reply, []byte(crlf)), again) {
			t.Errorf("%q is read as %q", reply, again)
		}
		if bytes.ContainsAny(to.Host, " ") || string(to.Host) == "?" {
			t.Errorf("%q leads to host %q", reply, to.Host)
		}
	})
}

// Bytes that are no requests: whoever sends them is told so, and no server ever hears of it.

package e2e_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// malformed are bytes after which nothing says where the next request would begin. Each is tried alone and behind good
// requests.
var malformed = []struct{ bytes, reply string }{
	{"*-5\r\n*2147483648\r\n", "-ERR Protocol error: invalid multibulk length\r\n"}, // the first is skipped, as Redis does
	{"*99999999999999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
	{"*18446744073709551617\r\n$4\r\nPING\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
	{"*4294967297\r\n$4\r\nPING\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
	{"*1\n$4\nPING\n\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
	{"*0x1\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
	{"*+1\r\n$4\r\nPING\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
	{"*" + strings.Repeat("1", 70_000), "-ERR Protocol error: too big mbulk count string\r\n"},
	{"*2\r\n$3\r\nGET\r\n$-7\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
	{"*2\r\n$3\r\nGET\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
	{"*2\r\n$3\r\nGET\r\n$2147483648\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
	{"*2\r\n$3\r\nGET\r\n$99999999999999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
	{"*2\r\n$3\r\nGET\r\n$18446744073709551617\r\na\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
	{"*2\r\n$3\r\nGET\r\n$4294967297\r\na\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
	{"*2\r\n$3\r\nGET\r\n$01\r\na\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
	{"*2\r\n$3\r\nGET\r\n$" + strings.Repeat("0", 70_000), "-ERR Protocol error: too big bulk count string\r\n"},
	{"*2\r\n$3\r\nGET\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"},
	{"*1\r\n*1\r\n$4\r\nPING\r\n", "-ERR Protocol error: expected '$', got '*'\r\n"},
	{"GET \"a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
	{strings.Repeat("x", 70_000), "-ERR Protocol error: too big inline request\r\n"},
}

// The error arrives, then the end; what is good before it is answered.
func TestE2EAbuseMalformed(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	a := attack(t, siege{servers: servers})
	for _, m := range malformed {
		for _, good := range []int{0, 3} {
			c := a.connect()
			c.Send(strings.Repeat(rig.Request("GET", "k3")+rig.Request("PING"), good) + m.bytes)
			want := strings.Repeat(rig.Bulk("ok")+"+PONG\r\n", good) + m.reply
			if got := c.All(); got != want {
				t.Errorf("%.60q: got %q, want %q", m.bytes, got, want)
			}
		}
	}
	a.connectionsHeld(3)
	a.unharmed(a.pss + 16*megabyte)
}

// connectionsHeld checks that no server has ended a connection.
func (a *target) connectionsHeld(servers int) {
	a.t.Helper()
	for i := range servers {
		name := fmt.Sprintf("s%d", i)
		if n := a.ServerCounter(name, "server_err") + a.ServerCounter(name, "server_eof"); n != 0 {
			a.t.Errorf("%d connections to %s broke", n, name)
		}
	}
}

// misspelt are requests of memcached that it would take amiss. Where close is not set the next request is served.
var misspelt = []struct {
	bytes, reply string
	close        bool
}{
	{bytes: "set a 0 0 -1\r\n", reply: "CLIENT_ERROR bad command line format\r\n"},
	{bytes: "set a 0 0 18446744073709551616\r\n", reply: "CLIENT_ERROR bad command line format\r\n"},
	{bytes: "set a 0 0 18446744073709551617\r\n", reply: "CLIENT_ERROR bad command line format\r\n"},
	{bytes: "set a 0 0 -18446744073709551615\r\n", reply: "CLIENT_ERROR bad command line format\r\n"},
	{bytes: "set a 0 0 0x1\r\n", reply: "CLIENT_ERROR bad command line format\r\n"},
	{bytes: "set a 4294967296 0 1\r\na\r\n", reply: "CLIENT_ERROR bad command line format\r\n"},
	{bytes: "set a 0 0 1\r\nabc", reply: "CLIENT_ERROR bad data chunk\r\n"},
	{bytes: "set " + strings.Repeat("k", 251) + " 0 0 1\r\na\r\n", reply: "CLIENT_ERROR bad command line format\r\n"},
	{bytes: "get " + strings.Repeat("k", 251) + "\r\n", reply: "CLIENT_ERROR bad command line format\r\n"},
	{bytes: "get k3 " + strings.Repeat("k", 251) + "\r\n", reply: "CLIENT_ERROR bad command line format\r\n"},
	{bytes: "delete " + strings.Repeat("k", 1000) + "\r\n", reply: "CLIENT_ERROR bad command line format\r\n"},
	{bytes: "get\r\n", reply: "ERROR\r\n"},
	{bytes: "incr a 18446744073709551616\r\n", reply: "CLIENT_ERROR invalid numeric delta argument\r\n"},
	{bytes: "touch a 99999999999999999999\r\n", reply: "CLIENT_ERROR invalid exptime argument\r\n"},
	{bytes: "delete " + strings.Repeat("k", 3000), reply: "CLIENT_ERROR line too long\r\n", close: true},
	{bytes: strings.Repeat("k", 3000) + "\r\n", reply: "CLIENT_ERROR line too long\r\n", close: true},
	{bytes: "get " + strings.Repeat("k ", megabyte), reply: "CLIENT_ERROR line too long\r\n", close: true},
	{bytes: "\x80\x00\x00\x01\x00\x00\x00\x00", close: true,
		reply: "CLIENT_ERROR the connection has begun in the text protocol\r\n"},
}

// unskippable are memcached requests that are refused with their data, of which more is announced than anyone sends.
var unskippable = []string{"2147483648", "4294967296", "4294967297", "4611686018427387903"}

func TestE2EAbuseMisspelt(t *testing.T) {
	t.Parallel()
	servers := rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) })
	a := attack(t, siege{servers: servers, memcache: true})
	for _, m := range misspelt {
		c := a.connect()
		c.Send("get k3\r\n" + m.bytes)
		c.Want("VALUE k3 0 2\r\nok\r\nEND\r\n")
		c.Want(m.reply)
		if m.close {
			c.Want(rig.Closed)
			continue
		}
		if got := c.Line("get k3"); got != "VALUE k3 0 2\r\nok\r\nEND\r\n" {
			t.Errorf("after %.60q: %q", m.bytes, got)
		}
	}
	for _, length := range unskippable {
		c := a.connect()
		if got := c.Line("set a 0 0 " + length); got != "CLIENT_ERROR bad command line format\r\n" {
			t.Errorf("a length of %s: %q", length, got)
		}
		c.Send(rig.Filler(megabyte))
	}
	a.connectionsHeld(3)
	a.unharmed(a.pss + 16*megabyte)
}

// What is announced takes no memory before it comes.
func TestE2EAbuseAnnounced(t *testing.T) {
	t.Parallel()
	redis := attack(t, siege{servers: rig.ThreeRedis(t)})
	for _, c := range redis.crowd(100) {
		c.Send("*1048576\r\n$3\r\nSET\r\n$536870912\r\n" + rig.Filler(1000))
	}
	redis.unharmed(redis.pss + 16*megabyte)
	memcache := attack(t, siege{servers: []*rig.Backend{rig.MemcachedServer(t)}, memcache: true})
	for _, c := range memcache.crowd(100) {
		c.Send("set a 0 0 1073741824\r\n" + rig.Filler(1000))
	}
	memcache.unharmed(memcache.pss + 16*megabyte)
}

// Ten megabytes of garbage: what is wrong with it arrives although the client reads only after it has sent everything,
// and is not lost in a reset.
func TestE2EAbuseGarbage(t *testing.T) {
	t.Parallel()
	const size = 10 * megabyte
	redis := attack(t, siege{servers: rig.ThreeRedis(t)})
	for start, want := range map[string]string{
		"*1\r\n\x00":   "-ERR Protocol error: too big bulk count string\r\n",
		"\x17\x03\x01": "-ERR Protocol error: too big inline request\r\n",
		"\x16\x03\x01": "\x15\x03\x03\x00\x02\x02(", // which is an alert of TLS
		"*9$":          "-ERR Protocol error: too big mbulk count string\r\n",
	} {
		redis.garbage(start+strings.Repeat("\xfe", size), want)
	}
	redis.noise(size, "-ERR ")
	redis.connectionsHeld(3)
	redis.unharmed(redis.pss + 32*megabyte)

	memcache := attack(t, siege{servers: rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) }), memcache: true})
	memcache.garbage(strings.Repeat("\xfe", size), "CLIENT_ERROR line too long\r\n")
	memcache.garbage("\x80"+strings.Repeat("\n", size), "\x81\n\x00\x00\x00\x00\x00\x04\x00\x00\x00\x11\n\n\n\n"+strings.Repeat("\x00", 8)+"Invalid arguments")
	memcache.noise(size, "ERROR\r\n")
	memcache.connectionsHeld(3)
	memcache.unharmed(memcache.pss + 32*megabyte)
}

// garbage sends what is no request from its first byte on, and then reads.
func (a *target) garbage(text, want string) {
	a.t.Helper()
	c := a.connect()
	c.Conn.SetWriteDeadline(time.Now().Add(rig.Patience))
	n, err := io.WriteString(c.Conn, text)
	if got := c.All(); got != want {
		a.t.Errorf("%.10q…: got %.200q, want %q (%d bytes were sent: %v)", text, got, want, n, err)
	}
}

// noise sends bytes without any sense, as many as the other end takes, and reads what comes back: errors, which begin
// with prefix.
func (a *target) noise(size int, prefix string) {
	a.t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for range 4 {
		text := make([]byte, size/4)
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		c := a.connect()
		go func() {
			c.Conn.Write(text)
			c.Conn.(*net.TCPConn).CloseWrite()
		}()
		if got := c.All(); !strings.HasPrefix(got, prefix) {
			a.t.Errorf("the reply to noise begins with %.200q", got)
		}
	}
}

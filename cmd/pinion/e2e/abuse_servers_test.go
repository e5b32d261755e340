// Servers that send what no server should: they are disconnected, who waited is told once, and the log says which.

package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// attackWith starts a proxy in front of a server that is played by misbehave, which gets each request to it, and two
// good ones. The bad one is s0, where "a", "b" and "c" live.
func attackWith(t *testing.T, misbehave func(w io.Writer, args []string), s siege) *target {
	t.Helper()
	bad := rig.FakeServer(t, "unix", "", func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			args, err := rig.ReadRequest(in)
			if err != nil {
				return
			}
			misbehave(c, args)
		}
	})
	s.servers = []*rig.Backend{bad, rig.RedisServer(t), rig.RedisServer(t)}
	return attack(t, s)
}

// What is no reply at all fails the requests that wait for one on that connection, each once; the next request gets a
// new connection.
func TestE2EAbuseGarbageFromServer(t *testing.T) {
	t.Parallel()
	const noReply, good = "-ERR server sent what is no reply\r\n", "$4\r\ngood\r\n"
	for _, bad := range []struct {
		sent    string // for the first of three requests
		replies []string
		log     string
	}{
		{"what is this?\r\n", []string{noReply, noReply, noReply}, "no reply"},
		{"$-99\r\n", []string{noReply, noReply, noReply}, "no reply"},
		{"$99999999999999999999\r\n", []string{noReply, noReply, noReply}, "no reply"},
		{"*-7\r\n", []string{noReply, noReply, noReply}, "no reply"},
		{"$1\r\nabc\r\n", []string{noReply, noReply, noReply}, "no reply"},
		{good + "\x00", []string{good, noReply, noReply}, "no reply"},
		{good + good + good + good, []string{good, good, good}, "nobody asked for"},
		{good + good + good + "-ERR and another thing\r\n", []string{good, good, good}, "and another thing"},
	} {
		calls := 0
		a := attackWith(t, func(w io.Writer, args []string) {
			calls++
			switch {
			case args[1] == "b":
				io.WriteString(w, good)
			case calls == 3:
				io.WriteString(w, bad.sent)
			}
		}, siege{})
		c := a.connect()
		c.Send(strings.Repeat(rig.Request("GET", "a"), 3) + rig.Request("GET", "k3"))
		for _, want := range bad.replies {
			c.Want(want)
		}
		c.Want(rig.Bulk("ok"))
		a.logged(`pool "pool"`, `server "s0"`, bad.log)
		c.WantDo(good, "GET", "b")
		c.WantDo(rig.Bulk("ok"), "GET", "k3")
		a.unharmed(a.pss + 16*megabyte)
	}
}

// A server that always says more than it was asked for gets new connections, and the log does not repeat itself.
func TestE2EAbuseTalkativeServer(t *testing.T) {
	t.Parallel()
	a := attackWith(t, func(w io.Writer, args []string) { io.WriteString(w, "+good\r\n+so are you\r\n") }, siege{})
	c := a.connect()
	for i := range 200 {
		if got := c.Do("GET", "a"); got != "+good\r\n" && !strings.HasPrefix(got, "-ERR ") {
			t.Fatalf("request %d: %q", i, got)
		}
	}
	c.WantDo(rig.Bulk("ok"), "GET", "k3")
	if n := a.logLines(`server "s0"`); n < 1 || n > 5 {
		t.Errorf("%d lines of the log, want few", n)
	}
	a.unharmed(a.pss + 16*megabyte)
}

// Half a reply and then silence is a timeout; what asks later gets a new connection.
func TestE2EAbuseSilentServer(t *testing.T) {
	t.Parallel()
	bad := rig.FakeServer(t, "unix", "", func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			args, err := rig.ReadRequest(in)
			if err != nil {
				return
			}
			if args[1] == "a" {
				io.WriteString(c, "$1000\r\nhalf a rep")
				io.Copy(io.Discard, in)
				return
			}
			io.WriteString(c, rig.Bulk("good"))
		}
	})
	a := attack(t, siege{servers: []*rig.Backend{bad, rig.RedisServer(t), rig.RedisServer(t)}, options: []string{"timeout: 1500"}}) // for the bystander, too
	c := a.connect()
	c.WantDo(rig.Bulk("good"), "GET", "b")
	c.Send(rig.Request("GET", "a") + rig.Request("MGET", "b", "k3") + rig.Request("GET", "k3"))
	c.Want(timedOut)
	c.Want(timedOut)
	c.Want(rig.Bulk("ok"))
	a.logged(`server "s0"`, "no answer within the timeout")
	rig.Eventually(t, "getting a new connection", func() error {
		if got := c.Do("GET", "b"); got != rig.Bulk("good") {
			return fmt.Errorf("got %.60q", got)
		}
		return nil
	})
	a.unharmed(a.pss + 16*megabyte)
}

// memcached's protocol: the same.
func TestE2EAbuseGarbageFromMemcached(t *testing.T) {
	t.Parallel()
	const noReply = "SERVER_ERROR server sent what is no reply\r\n"
	for _, sent := range []string{
		"what is this?\r\n", "VALUE a 0 99999999999999\r\n", "VALUE a 0 -1\r\n", "VALUE a 0 1\r\nabc\r\nEND\r\n",
		"\x81\x00\x00\x00\r\n", strings.Repeat("x", megabyte), "STAT pid 1\r\nVALUE a 0 1\r\na\r\nEND\r\n",
	} {
		bad := rig.FakeServer(t, "unix", "", func(c net.Conn) {
			in := bufio.NewReader(c)
			if line, err := in.ReadString('\n'); err == nil && line == "get a\r\n" {
				io.WriteString(c, sent)
			}
			io.Copy(io.Discard, in)
		})
		memcached := func() *rig.Backend { return rig.MemcachedServer(t) }
		a := attack(t, siege{servers: append([]*rig.Backend{bad}, rig.Several(2, memcached)...), memcache: true})
		c := a.connect()
		for range 3 {
			if got := c.Line("get a"); got != noReply {
				t.Errorf("%.40q: got %.100q", sent, got)
			}
		}
		c.Send("get a\r\nget b k3\r\nget k3\r\n")
		c.Want(noReply)
		c.Want(noReply)
		c.Want("VALUE k3 0 2\r\nok\r\nEND\r\n")
		a.logged(`server "s0"`, "no reply")
		a.unharmed(a.pss + 16*megabyte)
	}
}

// Clients that do not behave as clients should: slow, half closed, gone in the middle, or not reading.

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// Two hundred clients that send a byte at a time get what they ask for, as far as they get.
func TestE2EAbuseSlowloris(t *testing.T) {
	t.Parallel()
	a := attack(t, siege{servers: rig.ThreeRedis(t)})
	clients := a.crowd(200)
	text := rig.Request("SET", "slow", "value")
	turn := a.connect()
	for i := range text {
		for n, c := range clients {
			if n%4 != 0 || i < len(text)/2 { // every fourth never comes to its end
				c.Send(text[i : i+1])
			}
		}
		turn.WantDo("+PONG\r\n", "PING") // so that bytes are not received together
	}
	for n, c := range clients {
		if n%4 != 0 {
			c.Want("+OK\r\n")
		}
	}
	a.unharmed(a.pss + 16*megabyte)
}

// Who has said its last word still hears the replies, and then the end.
func TestE2EAbuseHalfClose(t *testing.T) {
	t.Parallel()
	value := rig.Filler(10_000)
	redis := attack(t, siege{servers: rig.ThreeRedis(t)})
	redis.connect().WantDo("+OK\r\n", "SET", "a", value)
	for _, rest := range []string{"", "*1\r\n$4\r\nPI", "PI", "*2\r\n$3\r\nGET\r\n$1000\r\nhalf a key"} {
		c := redis.connect()
		c.Send(strings.Repeat(rig.Request("GET", "a")+rig.Request("MGET", "k3", "a")+rig.Request("PING"), 200) + rest)
		halfClose(t, c)
		want := strings.Repeat(rig.Bulk(value)+rig.Array(rig.Bulk("ok"), rig.Bulk(value))+"+PONG\r\n", 200)
		if got := c.All(); got != want {
			t.Errorf("after %q: %d bytes, want %d", rest, len(got), len(want))
		}
	}
	redis.unharmed(redis.pss + 32*megabyte)

	memcache := attack(t, siege{servers: rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) }), memcache: true})
	for _, rest := range []string{"", "get a", "set b 0 0 100\r\nhalf"} {
		c := memcache.connect()
		c.Send("set a 0 0 10000\r\n" + value + "\r\n" + strings.Repeat("get a k3\r\n", 500) + rest)
		halfClose(t, c)
		want := "STORED\r\n" + strings.Repeat("VALUE a 0 10000\r\n"+value+"\r\nVALUE k3 0 2\r\nok\r\nEND\r\n", 500)
		if got := c.All(); got != want {
			t.Errorf("after %q: %d bytes, want %d", rest, len(got), len(want))
		}
	}
	memcache.unharmed(memcache.pss + 32*megabyte)
}

func halfClose(t *testing.T, c *rig.Client) {
	t.Helper()
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// Connections that are reset in the middle of a request or of a reply take only themselves along.
func TestE2EAbuseReset(t *testing.T) {
	t.Parallel()
	a := attack(t, siege{servers: rig.ThreeRedis(t)})
	value := rig.Filler(megabyte)
	a.connect().WantDo("+OK\r\n", "MSET", "a", value, "k3", "ok")
	text := rig.Request("SET", "b", "value")
	for i := range text {
		c := a.connect()
		c.Send(rig.Request("MGET", "a", "k3") + text[:i])
		reset(t, c)
	}
	for range 30 {
		c := a.connect()
		c.Send(strings.Repeat(rig.Request("GET", "a")+rig.Request("MGET", "k3", "a"), 5))
		if _, err := c.In.Peek(1000); err != nil {
			t.Fatal(err)
		}
		reset(t, c)
	}
	a.connect().WantDo(rig.Array("$-1\r\n", rig.Bulk("ok"), rig.Bulk(value)), "MGET", "b", "k3", "a")
	if n := a.ServerCounter("s0", "server_err") + a.ServerCounter("s0", "server_eof"); n != 0 {
		t.Errorf("%d connections to the server broke", n)
	}
	a.unharmed(a.pss + 96*megabyte)
}

// A client that asks and asks and does not read is not read either once its replies take half of the memory. When it reads,
// it gets every reply.
func TestE2EAbuseNeverReads(t *testing.T) {
	t.Parallel()
	a := attack(t, siege{servers: rig.ThreeRedis(t), options: []string{"client_output_soft: 65536"},
		global: []string{fmt.Sprint("memory_limit: ", ceiling)}})
	key, value := rig.Filler(4000), rig.Filler(10_000)
	c := a.connect()
	c.WantDo("+OK\r\n", "SET", key, value)
	sent := sendUntilStuck(t, c, rig.Request("GET", key)) // few requests, so that it does not take long
	if c.In.Buffered() > 0 {
		t.Fatal("the client has read")
	}
	a.watch.meanwhile(100)
	for i := range sent {
		if got := c.Reply(); got != rig.Bulk(value) {
			t.Fatalf("reply %d of %d is %.60q", i, sent, got)
		}
	}
	c.WantDo("+PONG\r\n", "PING")
	a.unharmed(a.pss + 64*megabyte)
}

// sendUntilStuck sends the same request until the other end takes no more, and returns how often it was sent. The last
// one is made whole by whoever reads the replies.
func sendUntilStuck(t *testing.T, c *rig.Client, request string) (sent int) {
	t.Helper()
	const batch = 100
	text := []byte(strings.Repeat(request, batch))
	for {
		c.Conn.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := c.Conn.Write(text)
		sent += n / len(request)
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		c.Conn.SetWriteDeadline(time.Time{})
		if rest := n % len(request); rest > 0 {
			sent++
			go c.Conn.Write(bytes.Clone(text[rest:len(request)]))
		}
		return sent
	}
}

// A client whose replies pile up beyond the hard limit is closed. What still comes for it is nobody's.
func TestE2EAbuseOutputLimit(t *testing.T) {
	t.Parallel()
	options := []string{"client_output_soft: 65536", "client_output_hard: 8388608"}
	a := attack(t, siege{servers: rig.ThreeRedis(t), options: options})
	c := a.connect()
	c.WantDo("+OK\r\n", "SET", "a", rig.Filler(4*megabyte))
	for i := range 3 {
		a.connect().Send(strings.Repeat(rig.Request("GET", "a"), 50))
		rig.Eventually(t, "closing the client", func() error {
			if n := a.PoolCounter("client_err"); n != i+1 {
				return fmt.Errorf("%d clients were closed, want %d", n, i+1)
			}
			return nil
		})
	}
	if n := a.PoolCounter("client_connections"); n != 2 {
		t.Errorf("%d clients are connected, want 2", n)
	}
	c.WantDo("+PONG\r\n", "PING")
	a.unharmed(a.pss + 64*megabyte)
}

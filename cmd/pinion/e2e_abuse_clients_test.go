// Clients that do not behave as clients should: slow, half closed, gone in the middle, or not reading.

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Two hundred clients that send a byte at a time get what they ask for, as far as they get.
func TestE2EAbuseSlowloris(t *testing.T) {
	t.Parallel()
	a := attack(t, siege{servers: threeRedis(t)})
	clients := a.crowd(200)
	text := request("SET", "slow", "value")
	turn := a.connect()
	for i := range text {
		for n, c := range clients {
			if n%4 != 0 || i < len(text)/2 { // every fourth never comes to its end
				c.send(text[i : i+1])
			}
		}
		turn.wantDo("+PONG\r\n", "PING") // so that bytes are not received together
	}
	for n, c := range clients {
		if n%4 != 0 {
			c.want("+OK\r\n")
		}
	}
	a.unharmed(a.pss + 16*megabyte)
}

// Who has said its last word still hears the replies, and then the end.
func TestE2EAbuseHalfClose(t *testing.T) {
	t.Parallel()
	value := filler(10_000)
	redis := attack(t, siege{servers: threeRedis(t)})
	redis.connect().wantDo("+OK\r\n", "SET", "a", value)
	for _, rest := range []string{"", "*1\r\n$4\r\nPI", "PI", "*2\r\n$3\r\nGET\r\n$1000\r\nhalf a key"} {
		c := redis.connect()
		c.send(strings.Repeat(request("GET", "a")+request("MGET", "k3", "a")+request("PING"), 200) + rest)
		halfClose(t, c)
		want := strings.Repeat(bulk(value)+array(bulk("ok"), bulk(value))+"+PONG\r\n", 200)
		if got := c.all(); got != want {
			t.Errorf("after %q: %d bytes, want %d", rest, len(got), len(want))
		}
	}
	redis.unharmed(redis.pss + 32*megabyte)

	memcache := attack(t, siege{servers: several(3, func() *backend { return memcachedServer(t) }), memcache: true})
	for _, rest := range []string{"", "get a", "set b 0 0 100\r\nhalf"} {
		c := memcache.connect()
		c.send("set a 0 0 10000\r\n" + value + "\r\n" + strings.Repeat("get a k3\r\n", 500) + rest)
		halfClose(t, c)
		want := "STORED\r\n" + strings.Repeat("VALUE a 0 10000\r\n"+value+"\r\nVALUE k3 0 2\r\nok\r\nEND\r\n", 500)
		if got := c.all(); got != want {
			t.Errorf("after %q: %d bytes, want %d", rest, len(got), len(want))
		}
	}
	memcache.unharmed(memcache.pss + 32*megabyte)
}

func halfClose(t *testing.T, c *client) {
	t.Helper()
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// Connections that are reset in the middle of a request or of a reply take only themselves along.
func TestE2EAbuseReset(t *testing.T) {
	t.Parallel()
	a := attack(t, siege{servers: threeRedis(t)})
	value := filler(megabyte)
	a.connect().wantDo("+OK\r\n", "MSET", "a", value, "k3", "ok")
	text := request("SET", "b", "value")
	for i := range text {
		c := a.connect()
		c.send(request("MGET", "a", "k3") + text[:i])
		reset(t, c)
	}
	for range 30 {
		c := a.connect()
		c.send(strings.Repeat(request("GET", "a")+request("MGET", "k3", "a"), 5))
		if _, err := c.in.Peek(1000); err != nil {
			t.Fatal(err)
		}
		reset(t, c)
	}
	a.connect().wantDo(array("$-1\r\n", bulk("ok"), bulk(value)), "MGET", "b", "k3", "a")
	if n := a.serverCounter("s0", "server_err") + a.serverCounter("s0", "server_eof"); n != 0 {
		t.Errorf("%d connections to the server broke", n)
	}
	a.unharmed(a.pss + 96*megabyte)
}

// A client that asks and asks and does not read is not read either once its replies take half of the memory. When it reads,
// it gets every reply.
func TestE2EAbuseNeverReads(t *testing.T) {
	t.Parallel()
	a := attack(t, siege{servers: threeRedis(t), options: []string{"client_output_soft: 65536"},
		global: []string{fmt.Sprint("memory_limit: ", ceiling)}})
	key, value := filler(4000), filler(10_000)
	c := a.connect()
	c.wantDo("+OK\r\n", "SET", key, value)
	sent := sendUntilStuck(t, c, request("GET", key)) // few requests, so that it does not take long
	if c.in.Buffered() > 0 {
		t.Fatal("the client has read")
	}
	a.watch.meanwhile(100)
	for i := range sent {
		if got := c.reply(); got != bulk(value) {
			t.Fatalf("reply %d of %d is %.60q", i, sent, got)
		}
	}
	c.wantDo("+PONG\r\n", "PING")
	a.unharmed(a.pss + 64*megabyte)
}

// sendUntilStuck sends the same request until the other end takes no more, and returns how often it was sent. The last
// one is made whole by whoever reads the replies.
func sendUntilStuck(t *testing.T, c *client, request string) (sent int) {
	t.Helper()
	const batch = 100
	text := []byte(strings.Repeat(request, batch))
	for {
		c.conn.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := c.conn.Write(text)
		sent += n / len(request)
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		c.conn.SetWriteDeadline(time.Time{})
		if rest := n % len(request); rest > 0 {
			sent++
			go c.conn.Write(bytes.Clone(text[rest:len(request)]))
		}
		return sent
	}
}

// A client whose replies pile up beyond the hard limit is closed. What still comes for it is nobody's.
func TestE2EAbuseOutputLimit(t *testing.T) {
	t.Parallel()
	options := []string{"client_output_soft: 65536", "client_output_hard: 8388608"}
	a := attack(t, siege{servers: threeRedis(t), options: options})
	c := a.connect()
	c.wantDo("+OK\r\n", "SET", "a", filler(4*megabyte))
	for i := range 3 {
		a.connect().send(strings.Repeat(request("GET", "a"), 50))
		eventually(t, "closing the client", func() error {
			if n := a.poolCounter("client_err"); n != i+1 {
				return fmt.Errorf("%d clients were closed, want %d", n, i+1)
			}
			return nil
		})
	}
	if n := a.poolCounter("client_connections"); n != 2 {
		t.Errorf("%d clients are connected, want 2", n)
	}
	c.wantDo("+PONG\r\n", "PING")
	a.unharmed(a.pss + 64*megabyte)
}

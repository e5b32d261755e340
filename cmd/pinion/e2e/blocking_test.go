// Commands that wait in the server, beside a Redis that is asked the same.

package e2e_test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// blockingTalks are conversations in which nothing is waited for for long. Each is one client's, from an empty database.
var blockingTalks = []string{
	"RPUSH {l} a b c; BLPOP {l} 0; BRPOP {l} 0; BLPOP {n} {l} 0; BLPOP {l} 0.05; BRPOP {l} {m} 0.05",
	"RPUSH {l} a b c; BLMOVE {l} {m} LEFT RIGHT 0; BRPOPLPUSH {l} {m} 0; LRANGE {m} 0 -1; BRPOPLPUSH {x} {m} 0.05; BLMOVE {x} {m} LEFT LEFT 0.05",
	"RPUSH {l} a b c; BLMPOP 0 2 {n} {l} LEFT COUNT 2; BLMPOP 0 1 {l} RIGHT; BLMPOP 0.05 1 {l} RIGHT",
	"ZADD {z} 1 a 2 b 3 c; BZPOPMIN {z} 0; BZPOPMAX {y} {z} 0; BZMPOP 0 1 {z} MIN COUNT 5; BZPOPMIN {z} 0.05; BZMPOP 0.05 2 {y} {z} MAX",
	"XADD {s} 1-1 f v; XREAD BLOCK 0 STREAMS {s} 0; XREAD COUNT 1 BLOCK 50 STREAMS {s} $; XREAD STREAMS {s} $; XGROUP CREATE {s} g 0; " +
		"XREADGROUP GROUP g c BLOCK 0 STREAMS {s} >; XREADGROUP GROUP g c BLOCK 50 NOACK STREAMS {s} >; XREADGROUP GROUP none c BLOCK 0 STREAMS {s} >",
	"BLPOP; BLPOP {l}; BLPOP {l} x; BLPOP {l} -1; BLMPOP 0 0 {l} LEFT; BLMPOP x 1 {l} LEFT; BLMPOP 0 1 {l} UP; BZPOPMIN {z} nan; BLMOVE a b LEFT UP 0",
	"SET {l} text; BLPOP {l} 0; BZPOPMIN {l} 0; BLMOVE {l} {m} LEFT LEFT 0; XREAD BLOCK x STREAMS {l} 0; XREAD BLOCK -1 STREAMS {l} 0",
	"RPUSH {l} a; BLPOP {l} 0; GET {x}; SET {x} 1; BLPOP {l} 0.05; GET {x}; PING",
}

// What a client hears of commands that may wait is what Redis says, word for word, one by one and in a pipeline.
func TestE2EBlockingLikeRedis(t *testing.T) {
	t.Parallel()
	redis := rig.RedisServer(t)
	for name, p := range map[string]*rig.Proxy{
		"one server":    rig.RedisPool(t, []*rig.Backend{rig.RedisServer(t)}, `hash_tag: "{}"`),
		"three servers": rig.RedisPool(t, rig.ThreeRedis(t), `hash_tag: "{}"`, "timeout: 2000"),
	} {
		for i, talk := range blockingTalks {
			var raw strings.Builder
			for _, line := range strings.Split(talk, "; ") {
				line = strings.NewReplacer("{", fmt.Sprintf("{%s%d}", name[:1], i), "}", "", "a b LEFT", "{a}1 {a}2 LEFT").Replace(line)
				raw.WriteString(rig.Request(strings.Fields(line)...))
			}
			want := conversation(redis.Dial(), raw.String(), strings.Count(talk, ";")+1)
			if got := conversation(p.Dial(), raw.String(), strings.Count(talk, ";")+1); got != want {
				t.Errorf("%s: %s:\nredis  %q\npinion %q", name, talk, want, got)
			}
		}
	}
}

// conversation sends raw, and returns the replies to as many requests.
func conversation(c *rig.Client, raw string, requests int) string {
	defer c.Conn.Close()
	c.Send(raw)
	var all strings.Builder
	for range requests {
		all.WriteString(c.Reply())
	}
	return all.String()
}

// Clients that wait hold up nobody, get what is pushed, and pop nothing when they are gone.
func TestE2EBlockingConserves(t *testing.T) {
	t.Parallel()
	server := rig.RedisServer(t)
	p := rig.RedisPool(t, []*rig.Backend{server}, "timeout: 1000")
	const gone, waiting = 20, 20
	direct := server.Dial()
	for range gone {
		c := p.Dial()
		c.Send(rig.Request("BLPOP", "jobs", "0"))
		waitForBlocked(t, direct, 1)
		c.Conn.Close()
		waitForBlocked(t, direct, 0)
	}
	var clients []*rig.Client
	for i := range waiting {
		c := p.Dial()
		c.Send(rig.Request("BLPOP", "jobs", "0") + rig.Request("ECHO", "behind"))
		clients = append(clients, c)
		waitForBlocked(t, direct, i+1)
	}
	other := p.Dial()
	for i := range waiting {
		other.WantDo(fmt.Sprintf(":%d\r\n", 1), "RPUSH", "jobs", fmt.Sprint(i))
	}
	for i, c := range clients {
		c.Want(rig.Array(rig.Bulk("jobs"), rig.Bulk(fmt.Sprint(i))))
		c.Want(rig.Bulk("behind"))
	}
	other.WantDo(":0\r\n", "LLEN", "jobs")
	if n := p.PoolCounter("blocked_clients"); n != 0 {
		t.Errorf("blocked_clients is %d", n)
	}
}

// waitForBlocked waits until so many clients of a server wait in it.
func waitForBlocked(t *testing.T, server *rig.Client, count int) {
	t.Helper()
	rig.Eventually(t, "waiting in the server", func() error {
		want := fmt.Sprintf("\r\nblocked_clients:%d\r\n", count)
		if info := server.Do("INFO", "clients"); !strings.Contains(info, want) {
			return fmt.Errorf("no %q in %q", want, info)
		}
		return nil
	})
}

// A server that hangs is not waited for longer than the client has said, and the pool's timeout. All of them wait in it when it
// begins to hang: what they have said is long enough for that.
func TestE2EBlockingAtHangingServer(t *testing.T) {
	t.Parallel()
	server := rig.RedisServer(t)
	p := rig.RedisPool(t, []*rig.Backend{server}, "timeout: 300")
	direct := server.Dial()
	var clients []*rig.Client
	for i, request := range []string{
		rig.Request("BLPOP", "k", "3"), rig.Request("XREAD", "BLOCK", "3000", "STREAMS", "s", "$"), rig.Request("BLPOP", "k", "0"),
	} {
		c := p.Dial()
		c.Send(request)
		clients = append(clients, c)
		waitForBlocked(t, direct, i+1)
	}
	server.Signal(syscall.SIGSTOP)
	for _, c := range clients[:2] {
		c.Want("-ERR Connection timed out\r\n")
	}
	server.Signal(syscall.SIGCONT)
	waitForBlocked(t, direct, 1)
	direct.WantDo(":1\r\n", "RPUSH", "k", "v")
	clients[2].Want(rig.Array(rig.Bulk("k"), rig.Bulk("v")))
}

// Nobody waits where there is no room: an error, and the client goes on.
func TestE2EBlockingLimit(t *testing.T) {
	t.Parallel()
	server := rig.RedisServer(t)
	p := rig.RedisPool(t, []*rig.Backend{server}, "dedicated_connections: 3")
	direct := server.Dial()
	var clients []*rig.Client
	for i := range 3 {
		c := p.Dial()
		c.Send(rig.Request("BRPOP", "k", "0"))
		clients = append(clients, c)
		waitForBlocked(t, direct, i+1)
	}
	c := p.Dial()
	c.WantDo("-ERR Too many clients have a connection of their own to the server: dedicated_connections is reached\r\n", "BRPOP", "k", "0")
	c.WantDo("+PONG\r\n", "PING")
	clients[0].Conn.(*net.TCPConn).CloseWrite()
	waitForBlocked(t, direct, 2)
	rig.Eventually(t, "taking its place", func() error {
		c := p.Dial()
		c.Send(rig.Request("BRPOP", "other", "0.01"))
		if reply := c.Reply(); reply != "*-1\r\n" {
			return fmt.Errorf("got %q", reply)
		}
		return nil
	})
}

// WAIT counts replicas that have the client's own writes, although those have gone another way than WAIT does.
func TestE2EWait(t *testing.T) {
	t.Parallel()
	primary := rig.RedisServerTCP(t, rig.FreeAddress(t))
	host, port, _ := net.SplitHostPort(primary.Address)
	replica := rig.RedisServerTCP(t, rig.FreeAddress(t), "--replicaof", host+" "+port)
	c := rig.RedisPool(t, []*rig.Backend{primary}, "timeout: 1000").Dial()
	rig.Eventually(t, "replicating", func() error {
		c.WantDo("+OK\r\n", "SET", "k", "v")
		if reply := c.Do("WAIT", "1", "2000"); reply != ":1\r\n" {
			return fmt.Errorf("%q", reply)
		}
		return nil
	})
	replica.Signal(syscall.SIGSTOP)
	c.WantDo("+OK\r\n", "SET", "k", "w")
	c.WantDo(":0\r\n", "WAIT", "1", "300")
	c.Send(rig.Request("SET", "k", "x") + rig.Request("WAIT", "1", "0") + rig.Request("GET", "k"))
	c.Want("+OK\r\n")
	replica.Signal(syscall.SIGCONT)
	c.Want(":1\r\n")
	c.Want(rig.Bulk("x"))
	rig.RedisPool(t, rig.ThreeRedis(t)).Dial().WantDo("-ERR 'wait' is not supported by pinion in a pool of several servers\r\n", "WAIT", "1", "0")
}

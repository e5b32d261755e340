// A ceiling for memory: who has most of it is closed, nobody else notices, and the worker lives on.

package e2e_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// ceiling is memory_limit in these tests. What one turn of the loop may receive comes on top.
const ceiling = 64 * megabyte

// outOfMemory is what a client is told that had more than others when memory was short, after the protocol's word for
// an error.
const outOfMemory = " worker is at its memory_limit, and this connection holds the most\r\n"

// serverMemory is what the clients of a server are told that is the reason.
const serverMemory = " worker is at its memory_limit, and most of it waits for or comes from this server\r\n"

// scarce begins an attack on a proxy with the ceiling, in an address space so small that the worker would die if the
// ceiling did not hold.
func scarce(t *testing.T, s siege) *target {
	t.Helper()
	s.global = []string{fmt.Sprint("memory_limit: ", ceiling)}
	a := attack(t, s)
	size := kilobytes(t, rig.ProcessStatus(t, a.worker, "VmSize"))
	limit(t, a.worker, "as", size+6*ceiling)
	return a
}

// held ends such an attack.
func (a *target) held() {
	a.t.Helper()
	a.unharmed(a.pss + 2*ceiling)
}

// A system that has no more memory refuses it to who asks for it, and to nobody else: here by a limit on the address space
// of a worker that has none of its own.
func TestE2EAbuseNoMemory(t *testing.T) {
	t.Parallel()
	const greedy, size = 24, 16 * megabyte
	a := attack(t, siege{servers: rig.Several(3, func() *rig.Backend { return rig.RedisServer(t) }), global: []string{"memory_limit: 0"}})
	limit(t, a.worker, "as", kilobytes(t, rig.ProcessStatus(t, a.worker, "VmSize"))+160*megabyte)
	half := fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n%s", 2*size, rig.Filler(size))
	told := make(chan string, greedy)
	for range greedy {
		c := a.connect()
		go func() {
			io.WriteString(c.Conn, half)
			c.Conn.SetReadDeadline(time.Now().Add(rig.Patience))
			text, _ := io.ReadAll(c.Conn)
			told <- string(text)
		}()
	}
	const noMemory = "-ERR system gives the worker no more memory for this connection\r\n"
	if got := <-told; got != noMemory {
		t.Errorf("the first one who got no memory was told %q", got)
	}
	a.logged("no more memory", "closing client")
	a.watch.meanwhile(1000)
	a.unharmed(a.pss + 160*megabyte)
}

// Clients that send most of a request and then no more: some must go, so that the rest can stay.
func TestE2EAbuseMemoryOfRequests(t *testing.T) {
	t.Parallel()
	const greedy, size = 14, 8 * megabyte
	for _, protocol := range []struct {
		memcache        bool
		server          func() *rig.Backend
		mine, half, end string
		head, told      string
	}{
		{false, func() *rig.Backend { return rig.RedisServer(t) },
			"*3\r\n$3\r\nSET\r\n$4\r\nmine\r\n$1000000\r\n", rig.Filler(500_000), "+OK\r\n",
			fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n", 2*size), "-ERR"},
		{true, func() *rig.Backend { return rig.MemcachedServer(t) },
			"set mine 0 0 1000000\r\n", rig.Filler(500_000), "STORED\r\n",
			fmt.Sprintf("set a 0 0 %d\r\n", 2*size), "SERVER_ERROR"},
	} {
		a := scarce(t, siege{servers: rig.Several(3, protocol.server), memcache: protocol.memcache})
		modest := a.connect()
		modest.Send(protocol.mine + protocol.half)
		endings := make(chan string, greedy)
		for _, c := range a.crowd(greedy) {
			go func() {
				c.Conn.SetDeadline(time.Now().Add(2 * rig.Patience))
				io.WriteString(c.Conn, protocol.head)
				for range size / len(rig.Page) {
					c.Conn.Write(rig.Page)
				}
				text, _ := io.ReadAll(c.In)
				endings <- string(text)
			}()
		}
		for range greedy - ceiling/size {
			if text := <-endings; text != protocol.told+outOfMemory {
				t.Errorf("a client was told %.100q", text)
			}
		}
		modest.Send(protocol.half + "\r\n")
		modest.Want(protocol.end)
		a.logged("memory_limit", `pool "pool"`, "closing client")
		a.held()
	}
}

// A thousand clients of which none has much: the same.
func TestE2EAbuseMemoryOfManyRequests(t *testing.T) {
	t.Parallel()
	const many, size = 1000, 200_000
	a := scarce(t, siege{servers: rig.ThreeRedis(t)})
	text := fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n%s", 2*size, rig.Filler(size))
	var group sync.WaitGroup
	for _, c := range a.crowd(many) {
		group.Go(func() {
			c.Conn.SetDeadline(time.Now().Add(2 * rig.Patience))
			io.WriteString(c.Conn, text)
		})
	}
	group.Wait()
	a.logged("memory_limit", "closing client")
	// Those who are left want more than there is, still. Whoever comes now with as much, and brings all of it, is served.
	value := rig.Filler(size)
	for range 10 {
		a.connect().WantDo("+OK\r\n", "SET", "a", value)
	}
	// And so is somebody who brings more than any of them: it is the crowd that holds too much.
	large := rig.Filler(10 * megabyte)
	for range 3 {
		a.connect().WantDo("+OK\r\n", "SET", "a", large)
	}
	a.held()
}

// Clients that ask and do not read: the same.
func TestE2EAbuseMemoryOfReplies(t *testing.T) {
	t.Parallel()
	const greedy, size = 30, 8 * megabyte
	a := scarce(t, siege{servers: rig.ThreeRedis(t)})
	value := rig.Filler(size)
	a.connect().WantDo("+OK\r\n", "SET", "a", value)
	for _, c := range a.crowd(greedy) {
		c.Send(strings.Repeat(rig.Request("GET", "a"), 4))
	}
	a.logged("memory_limit", `pool "pool"`, "closing client")
	rig.Eventually(t, "having memory", func() error {
		if now := memory(t, a.worker); now > a.pss+ceiling {
			return fmt.Errorf("%d MB", now/megabyte)
		}
		return nil
	})
	if got := a.connect().Do("GET", "a"); got != rig.Bulk(value) {
		t.Errorf("a client that reads got %d bytes, %.100q", len(got), got)
	}
	a.held()
}

// Replies to parts of requests, whose other parts a server does not answer, are held by whoever has asked: not by the
// server that did. They come from s2: on a connection that the bystander shares it would wait for all of them, as it would
// without a proxy.
func TestE2EAbuseMemoryOfParts(t *testing.T) {
	t.Parallel()
	silent := newPuppet(t, "unix", "")
	servers := []*rig.Backend{silent.Backend, rig.RedisServer(t), rig.RedisServer(t)}
	a := scarce(t, siege{servers: servers, options: []string{`hash_tag: "{}"`}})
	c := a.connect()
	c.WantDo("+OK\r\n", "SET", "{k7}large", rig.Filler(megabyte))
	c.Send(strings.Repeat(rig.Request("MGET", "{k7}large", "a"), 300))
	a.logged("memory_limit", `pool "pool"`, "closing client")
	a.watch.meanwhile(1000)
	if n := a.ServerCounter("s2", "server_err"); n != 0 {
		t.Errorf("%d connections to s2 were closed", n)
	}
	a.held()
}

// Requests to a server that reads none of them stay although those who sent them go. More and more come: then the
// connection to that server is given up.
func TestE2EAbuseMemoryOfStuckServer(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	stuck := rig.FakeServer(t, "unix", "", func(net.Conn) { <-done })
	release := sync.OnceFunc(func() { close(done) })
	t.Cleanup(release)
	a := scarce(t, siege{servers: []*rig.Backend{stuck, rig.RedisServer(t), rig.RedisServer(t)}})
	text := rig.Request("SET", "a", rig.Filler(100_000))
	for range 12 {
		clients := a.crowd(60)
		for _, c := range clients {
			c.Conn.SetWriteDeadline(time.Now().Add(rig.Patience))
			io.WriteString(c.Conn, text+text+text)
		}
		a.watch.meanwhile(50)
		for _, c := range clients {
			c.Conn.Close()
		}
	}
	release() // those who have gone are waited for as long as the server may still answer them
	a.held()
}

// A reply that does not end is given up when there is no memory for more of it, whatever it is made of.
func TestE2EAbuseMemoryOfServer(t *testing.T) {
	t.Parallel()
	for _, endless := range []struct{ head, rest string }{
		{"$536870912\r\n", strings.Repeat("x", 4096)},
		{"*2000000000\r\n", strings.Repeat(":1\r\n", 1024)},
		{"+", strings.Repeat("x", 4096)},
	} {
		bad := rig.FakeServer(t, "unix", "", func(c net.Conn) {
			c.Read(make([]byte, 1))
			_, err := io.WriteString(c, endless.head)
			for err == nil {
				_, err = io.WriteString(c, endless.rest)
			}
		})
		a := scarce(t, siege{servers: []*rig.Backend{bad, rig.RedisServer(t), rig.RedisServer(t)}})
		c := a.connect()
		c.WantDo("-ERR"+serverMemory, "GET", "a")
		c.WantDo(rig.Bulk("ok"), "GET", "k3")
		a.logged(`server "s0"`, "memory_limit")
		a.held()
	}
}

// A reply for which there is no memory costs its own request: what else waits on that connection is answered, and the
// server is not blamed.
func TestE2EAbuseMemoryOfOneReply(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	a := scarce(t, siege{servers: servers, options: []string{"auto_eject_hosts: true", "server_failure_limit: 1"}})
	c := a.connect()
	for _, script := range []string{
		fmt.Sprintf("return string.rep('x', %d)", 2*ceiling), fmt.Sprintf("return redis.status_reply(string.rep('x', %d))", 2*ceiling),
		fmt.Sprintf("local t, s = {}, string.rep('x', 1000) for i = 1, %d do t[i] = s end return t", 2*ceiling/1000),
	} {
		c.Send(rig.Request("SET", "a", "1") + rig.Request("EVAL", script, "1", "a") + rig.Request("GET", "a") + rig.Request("GET", "k3"))
		c.Want("+OK\r\n")
		c.Want("-ERR" + serverMemory)
		c.Want(rig.Bulk("1"))
		c.Want(rig.Bulk("ok"))
	}
	if n := a.ServerCounter("s0", "server_err") + a.ServerCounter("s0", "server_eof"); n != 0 {
		t.Errorf("%d connections to the server were closed", n)
	}
	a.logged("giving up a reply", `server "s0"`, "memory_limit")
	a.held()
}

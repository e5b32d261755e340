// Much at once: requests, large values, and what is too large. Afterwards the memory comes back.

package e2e_test

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// 100,000 requests in one go are answered in their order.
func TestE2EAbusePipeline(t *testing.T) {
	t.Parallel()
	const n = 100_000
	redis := attack(t, siege{servers: rig.ThreeRedis(t)})
	var ask, want strings.Builder
	for i := range n / 4 {
		text := fmt.Sprint(i)
		ask.WriteString(rig.Request("SET", "key:"+text, text) + rig.Request("ECHO", text) + rig.Request("GET", "key:"+text) +
			rig.Request("MGET", "k3", "key:"+text))
		want.WriteString("+OK\r\n" + rig.Bulk(text) + rig.Bulk(text) + rig.Array(rig.Bulk("ok"), rig.Bulk(text)))
	}
	redis.exchange(ask.String(), want.String())
	redis.unharmed(redis.pss + 64*megabyte)

	memcache := attack(t, siege{servers: rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) }), memcache: true})
	ask.Reset()
	want.Reset()
	for i := range n / 4 {
		key, number := fmt.Sprint("key", i), fmt.Sprint(1+i)
		ask.WriteString("set " + key + " 0 0 1 noreply\r\n1\r\n" + fmt.Sprintf("incr %s %d\r\n", key, i) +
			"get k3 " + key + "\r\ndelete " + key + "\r\n")
		want.WriteString(number + "\r\nVALUE k3 0 2\r\nok\r\n" + fmt.Sprintf("VALUE %s 0 %d\r\n", key, len(number)) +
			number + "\r\nEND\r\nDELETED\r\n")
	}
	memcache.exchange(ask.String(), want.String())
	memcache.unharmed(memcache.pss + 64*megabyte)
}

// exchange sends everything on one connection, as fast as it goes, and compares what comes back.
func (a *target) exchange(ask, want string) {
	a.t.Helper()
	c := a.connect()
	go io.WriteString(c.Conn, ask)
	c.Conn.SetReadDeadline(time.Now().Add(2 * rig.Patience))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.In, got); err != nil {
		a.t.Fatalf("after %d bytes of %d: %v", n, len(want), err)
	}
	for i := range got {
		if got[i] != want[i] {
			a.t.Fatalf("at byte %d: got %.100q, want %.100q", i, got[i:], want[i:])
		}
	}
}

// Values of 64 MB go through, while others are served.
func TestE2EAbuseLargeValue(t *testing.T) {
	t.Parallel()
	redis := attack(t, siege{servers: rig.ThreeRedis(t)})
	redis.moveRedis("a", 64*megabyte)
	redis.unharmed(redis.pss + 160*megabyte)

	servers := rig.Several(3, func() *rig.Backend { return largeMemcached(t) })
	memcache := attack(t, siege{servers: servers, memcache: true})
	memcache.moveMemcache("a", 64*megabyte)
	memcache.unharmed(memcache.pss + 160*megabyte)
}

// The largest value that Redis takes is 512 MB.
func TestE2EAbuseHugeValue(t *testing.T) {
	t.Parallel()
	a := attack(t, siege{servers: rig.ThreeRedis(t)})
	a.moveRedis("a", 500*megabyte)
	a.unharmed(a.pss + 1100*megabyte)
}

// largeMemcached starts a memcached that takes values of 100 MB.
func largeMemcached(t *testing.T) *rig.Backend {
	t.Helper()
	path := filepath.Join(rig.ShortDir(t), "memcached.sock")
	p := rig.Start(t, rig.Program(t, "memcached"), "-s", path, "-I", "100m", "-m", "1024", "-u", "root", "-t", "1")
	b := &rig.Backend{Process: p, Network: "unix", Address: path, Read: rig.ReadMemcache}
	b.Answers("unix", path)
	return b
}

// moveRedis writes a value of size bytes and reads it again.
func (a *target) moveRedis(key string, size int) {
	a.t.Helper()
	c := a.connect()
	c.Stream(fmt.Sprintf("*3\r\n$3\r\nSET\r\n%s$%d\r\n", rig.Bulk(key), size), size)
	c.Want("+OK\r\n")
	c.Send(rig.Request("GET", key))
	c.WantStream(fmt.Sprintf("$%d\r\n", size), size, "\r\n")
}

// moveMemcache does the same in the other protocol.
func (a *target) moveMemcache(key string, size int) {
	a.t.Helper()
	c := a.connect()
	c.Stream(fmt.Sprintf("set %s 0 0 %d\r\n", key, size), size)
	c.Want("STORED\r\n")
	c.Send("get " + key + "\r\n")
	c.WantStream(fmt.Sprintf("VALUE %s 0 %d\r\n", key, size), size, "\r\nEND\r\n")
}

// After a hundred clients each moved a value of 10 MB the memory that took is given back, although they stay.
func TestE2EAbuseMemoryComesBack(t *testing.T) {
	t.Parallel()
	const concurrent = 20
	a := attack(t, siege{servers: rig.ThreeRedis(t)})
	clients := a.crowd(100)
	for _, c := range clients {
		c.WantDo("+PONG\r\n", "PING")
	}
	before := memory(t, a.worker)
	var group sync.WaitGroup
	for i := range concurrent {
		group.Go(func() { // not the test's goroutine: a failure shows in the replies
			for j := i; j < len(clients); j += concurrent {
				move(clients[j], "a")
			}
		})
	}
	group.Wait()
	for _, c := range clients {
		c.Want("+PONG\r\n")
	}
	over, most := time.Now(), memory(t, a.worker)
	rig.Eventually(t, "giving memory back", func() error {
		if now := memory(t, a.worker); now > before*3/2+20*megabyte {
			return fmt.Errorf("%d MB, at first %d MB", now/megabyte, before/megabyte)
		}
		return nil
	})
	t.Logf("memory: %d MB, %d MB at the end, %.2f times what it was %v later", before/megabyte, most/megabyte,
		float64(memory(t, a.worker))/float64(before), time.Since(over).Round(time.Millisecond))
	for _, c := range clients {
		c.WantDo("+PONG\r\n", "PING")
	}
	a.unharmed(a.pss + 1024*megabyte)
}

// move writes and reads ten pages, and asks for a PONG that it leaves to be read.
func move(c *rig.Client, key string) {
	size := 10 * len(rig.Page)
	c.Conn.SetDeadline(time.Now().Add(2 * rig.Patience))
	fmt.Fprintf(c.Conn, "*3\r\n$3\r\nSET\r\n%s$%d\r\n", rig.Bulk(key), size)
	for range 10 {
		c.Conn.Write(rig.Page)
	}
	io.WriteString(c.Conn, "\r\n"+rig.Request("GET", key)+rig.Request("PING"))
	replies := len("+OK\r\n") + len(fmt.Sprintf("$%d\r\n", size)) + size + len("\r\n")
	io.CopyN(io.Discard, c.In, int64(replies))
}

// A request that is larger than the pool allows is refused, in words.
func TestE2EAbuseMaxRequestBytes(t *testing.T) {
	t.Parallel()
	const limit = 65536
	redis := attack(t, siege{servers: rig.ThreeRedis(t), options: []string{fmt.Sprint("max_request_bytes: ", limit)}})
	fixed := len(rig.Request("SET", "a", rig.Filler(60_000))) - 60_000
	c := redis.connect()
	c.WantDo("+OK\r\n", "SET", "a", rig.Filler(limit-fixed))
	for _, ask := range []string{
		rig.Request("SET", "a", rig.Filler(limit-fixed+1)),
		rig.Request("SET", "a", rig.Filler(10*megabyte)),
		rig.Request(append([]string{"DEL"}, strings.Split(strings.Repeat("key ", 10_000), " ")...)...),
	} {
		c := redis.connect()
		c.Send(rig.Request("GET", "k3") + ask)
		if got := c.All(); got != rig.Bulk("ok")+"-ERR Protocol error: request is larger than max_request_bytes\r\n" {
			t.Errorf("a request of %d bytes: %.200q", len(ask), got)
		}
	}
	if got := c.Do("GET", "a"); got != rig.Bulk(rig.Filler(limit-fixed)) {
		t.Errorf("the value is %d bytes long: %.60q", len(got), got)
	}
	redis.unharmed(redis.pss + 32*megabyte)

	memcache := attack(t, siege{servers: rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) }), memcache: true,
		options: []string{fmt.Sprint("max_request_bytes: ", limit)}})
	m := memcache.connect()
	for _, size := range []int{limit, 10 * megabyte} {
		m.Send(fmt.Sprintf("set a 0 0 %d\r\n%s\r\nget k3\r\n", size, rig.Filler(size)))
		m.Want("SERVER_ERROR object too large for cache\r\n")
		m.Want("VALUE k3 0 2\r\nok\r\nEND\r\n")
	}
	memcache.unharmed(memcache.pss + 32*megabyte)
}

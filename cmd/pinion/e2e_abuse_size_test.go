// Much at once: requests, large values, and what is too large. Afterwards the memory comes back.

package main_test

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// 100,000 requests in one go are answered in their order.
func TestE2EAbusePipeline(t *testing.T) {
	t.Parallel()
	const n = 100_000
	redis := attack(t, siege{servers: threeRedis(t)})
	var ask, want strings.Builder
	for i := range n / 4 {
		text := fmt.Sprint(i)
		ask.WriteString(request("SET", "key:"+text, text) + request("ECHO", text) + request("GET", "key:"+text) +
			request("MGET", "k3", "key:"+text))
		want.WriteString("+OK\r\n" + bulk(text) + bulk(text) + array(bulk("ok"), bulk(text)))
	}
	redis.exchange(ask.String(), want.String())
	redis.unharmed(redis.pss + 64*megabyte)

	memcache := attack(t, siege{servers: several(3, func() *backend { return memcachedServer(t) }), memcache: true})
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
	go io.WriteString(c.conn, ask)
	c.conn.SetReadDeadline(time.Now().Add(2 * patience))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.in, got); err != nil {
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
	redis := attack(t, siege{servers: threeRedis(t)})
	redis.moveRedis("a", 64*megabyte)
	redis.unharmed(redis.pss + 160*megabyte)

	servers := several(3, func() *backend { return largeMemcached(t) })
	memcache := attack(t, siege{servers: servers, memcache: true})
	memcache.moveMemcache("a", 64*megabyte)
	memcache.unharmed(memcache.pss + 160*megabyte)
}

// The largest value that Redis takes is 512 MB.
func TestE2EAbuseHugeValue(t *testing.T) {
	t.Parallel()
	a := attack(t, siege{servers: threeRedis(t)})
	a.moveRedis("a", 500*megabyte)
	a.unharmed(a.pss + 1100*megabyte)
}

// largeMemcached starts a memcached that takes values of 100 MB.
func largeMemcached(t *testing.T) *backend {
	t.Helper()
	path := filepath.Join(shortDir(t), "memcached.sock")
	p := start(t, program(t, "memcached"), "-s", path, "-I", "100m", "-m", "1024", "-u", "root", "-t", "1")
	b := &backend{process: p, network: "unix", address: path, read: readMemcache}
	b.answers("unix", path)
	return b
}

// moveRedis writes a value of size bytes and reads it again.
func (a *target) moveRedis(key string, size int) {
	a.t.Helper()
	c := a.connect()
	c.stream(fmt.Sprintf("*3\r\n$3\r\nSET\r\n%s$%d\r\n", bulk(key), size), size)
	c.want("+OK\r\n")
	c.send(request("GET", key))
	c.wantStream(fmt.Sprintf("$%d\r\n", size), size, "\r\n")
}

// moveMemcache does the same in the other protocol.
func (a *target) moveMemcache(key string, size int) {
	a.t.Helper()
	c := a.connect()
	c.stream(fmt.Sprintf("set %s 0 0 %d\r\n", key, size), size)
	c.want("STORED\r\n")
	c.send("get " + key + "\r\n")
	c.wantStream(fmt.Sprintf("VALUE %s 0 %d\r\n", key, size), size, "\r\nEND\r\n")
}

// page is what large values repeat.
var page = []byte(filler(megabyte))

// stream sends a header, size bytes of pages and the end of a line, without having it all in memory.
func (c *client) stream(header string, size int) {
	c.t.Helper()
	c.conn.SetWriteDeadline(time.Now().Add(2 * patience))
	c.send(header)
	for ; size > 0; size -= len(page) {
		if _, err := c.conn.Write(page[:min(size, len(page))]); err != nil {
			c.t.Fatalf("sending %.60q with %d bytes to go: %v", header, size, err)
		}
	}
	c.send("\r\n")
	c.sent = header
}

// wantStream reads what stream sent.
func (c *client) wantStream(header string, size int, end string) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(2 * patience))
	read := func(n int) []byte {
		b := make([]byte, n)
		if got, err := io.ReadFull(c.in, b); err != nil {
			c.t.Fatalf("reading a reply: %v after %.100q", err, b[:got])
		}
		return b
	}
	if got := read(len(header)); string(got) != header {
		c.t.Fatalf("a reply begins with %q, want %q", got, header)
	}
	for ; size > 0; size -= len(page) {
		if n := min(size, len(page)); !bytes.Equal(read(n), page[:n]) {
			c.t.Fatalf("%d bytes before its end a value is wrong", size)
		}
	}
	if got := read(len(end)); string(got) != end {
		c.t.Fatalf("a reply ends with %q, want %q", got, end)
	}
}

// After a hundred clients each moved a value of 10 MB the memory that took is given back, although they stay.
func TestE2EAbuseMemoryComesBack(t *testing.T) {
	t.Parallel()
	const concurrent = 20
	a := attack(t, siege{servers: threeRedis(t)})
	clients := a.crowd(100)
	for _, c := range clients {
		c.wantDo("+PONG\r\n", "PING")
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
		c.want("+PONG\r\n")
	}
	over, most := time.Now(), memory(t, a.worker)
	eventually(t, "giving memory back", func() error {
		if now := memory(t, a.worker); now > before*3/2+20*megabyte {
			return fmt.Errorf("%d MB, at first %d MB", now/megabyte, before/megabyte)
		}
		return nil
	})
	t.Logf("memory: %d MB, %d MB at the end, %.2f times what it was %v later", before/megabyte, most/megabyte,
		float64(memory(t, a.worker))/float64(before), time.Since(over).Round(time.Millisecond))
	for _, c := range clients {
		c.wantDo("+PONG\r\n", "PING")
	}
	a.unharmed(a.pss + 1024*megabyte)
}

// move writes and reads ten pages, and asks for a PONG that it leaves to be read.
func move(c *client, key string) {
	size := 10 * len(page)
	c.conn.SetDeadline(time.Now().Add(2 * patience))
	fmt.Fprintf(c.conn, "*3\r\n$3\r\nSET\r\n%s$%d\r\n", bulk(key), size)
	for range 10 {
		c.conn.Write(page)
	}
	io.WriteString(c.conn, "\r\n"+request("GET", key)+request("PING"))
	replies := len("+OK\r\n") + len(fmt.Sprintf("$%d\r\n", size)) + size + len("\r\n")
	io.CopyN(io.Discard, c.in, int64(replies))
}

// A request that is larger than the pool allows is refused, in words.
func TestE2EAbuseMaxRequestBytes(t *testing.T) {
	t.Parallel()
	const limit = 65536
	redis := attack(t, siege{servers: threeRedis(t), options: []string{fmt.Sprint("max_request_bytes: ", limit)}})
	fixed := len(request("SET", "a", filler(60_000))) - 60_000
	c := redis.connect()
	c.wantDo("+OK\r\n", "SET", "a", filler(limit-fixed))
	for _, ask := range []string{
		request("SET", "a", filler(limit-fixed+1)),
		request("SET", "a", filler(10*megabyte)),
		request(append([]string{"DEL"}, strings.Split(strings.Repeat("key ", 10_000), " ")...)...),
	} {
		c := redis.connect()
		c.send(request("GET", "k3") + ask)
		if got := c.all(); got != bulk("ok")+"-ERR Protocol error: request is larger than max_request_bytes\r\n" {
			t.Errorf("a request of %d bytes: %.200q", len(ask), got)
		}
	}
	if got := c.do("GET", "a"); got != bulk(filler(limit-fixed)) {
		t.Errorf("the value is %d bytes long: %.60q", len(got), got)
	}
	redis.unharmed(redis.pss + 32*megabyte)

	memcache := attack(t, siege{servers: several(3, func() *backend { return memcachedServer(t) }), memcache: true,
		options: []string{fmt.Sprint("max_request_bytes: ", limit)}})
	m := memcache.connect()
	for _, size := range []int{limit, 10 * megabyte} {
		m.send(fmt.Sprintf("set a 0 0 %d\r\n%s\r\nget k3\r\n", size, filler(size)))
		m.want("SERVER_ERROR object too large for cache\r\n")
		m.want("VALUE k3 0 2\r\nok\r\nEND\r\n")
	}
	memcache.unharmed(memcache.pss + 32*megabyte)
}

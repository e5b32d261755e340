// Requests of several large values, or of very many keys: in the memory that they come in, and a little of it at a time.

package main_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// heldOnce is the peak of a worker that never has more than half as much again as what goes through it.
func (a *target) heldOnce(payload int64) int64 { return a.pss + payload*3/2 + 8*megabyte }

// Values of 32 MB each, of two servers, in one request and in one reply. The bystander asks the third.
func TestE2EAbuseLargeValues(t *testing.T) {
	t.Parallel()
	const size = 32 * megabyte
	keys := []string{"a", "k7"}
	payload := int64(len(keys) * size)
	redis := attack(t, siege{servers: threeRedis(t)})
	c := redis.connect()
	c.send("*5\r\n" + bulk("MSET"))
	for _, key := range keys {
		c.stream(bulk(key)+fmt.Sprintf("$%d\r\n", size), size)
	}
	c.want("+OK\r\n")
	c.send(request("MGET", keys[0], keys[1]))
	head := "*2\r\n"
	for range keys {
		c.wantStream(head+fmt.Sprintf("$%d\r\n", size), size, "\r\n")
		head = ""
	}
	c.stream("*2\r\n"+bulk("ECHO")+fmt.Sprintf("$%d\r\n", size), size)
	c.wantStream(fmt.Sprintf("$%d\r\n", size), size, "\r\n")
	redis.unharmed(redis.heldOnce(payload))

	servers := several(3, func() *backend { return largeMemcached(t) })
	memcache := attack(t, siege{servers: servers, memcache: true})
	m := memcache.connect()
	for _, key := range keys {
		m.stream(fmt.Sprintf("set %s 0 0 %d\r\n", key, size), size)
		m.want("STORED\r\n")
	}
	m.send("get " + strings.Join(keys, " ") + "\r\n")
	for _, key := range keys {
		m.wantStream(fmt.Sprintf("VALUE %s 0 %d\r\n", key, size), size, "\r\n")
	}
	m.want("END\r\n")
	memcache.unharmed(memcache.heldOnce(payload))
}

// A quarter of a million keys of two servers in one request, whatever is asked of them. The bystander asks the third.
func TestE2EAbuseManyKeys(t *testing.T) {
	t.Parallel()
	const keys = 250_000
	a := attack(t, siege{servers: threeRedis(t), options: []string{`hash_tag: "{}"`}})
	var list, pairs, values strings.Builder
	for i := range keys {
		key, value := bulk(fmt.Sprintf("{%s}%07d", [...]string{"a", "k7"}[i%2], i)), bulk(fmt.Sprint(i))
		list.WriteString(key)
		pairs.WriteString(key + value)
		values.WriteString(value)
	}
	most := 0
	for _, test := range []struct {
		name, args string
		count      int
		want       string
	}{
		{"MSET", pairs.String(), 2 * keys, "+OK\r\n"},
		{"MGET", list.String(), keys, fmt.Sprintf("*%d\r\n", keys) + values.String()},
		{"EXISTS", list.String(), keys, fmt.Sprintf(":%d\r\n", keys)},
		{"RPUSH", bulk("list") + list.String(), keys + 1, fmt.Sprintf(":%d\r\n", keys)},
		{"UNLINK", list.String(), keys, fmt.Sprintf(":%d\r\n", keys)},
	} {
		c := a.connect()
		ask := fmt.Sprintf("*%d\r\n", test.count+1) + bulk(test.name) + test.args
		most = max(most, len(ask)+len(test.want))
		c.conn.SetDeadline(time.Now().Add(2 * patience))
		go io.WriteString(c.conn, ask)
		got := make([]byte, len(test.want))
		if n, err := io.ReadFull(c.in, got); err != nil || string(got) != test.want {
			t.Fatalf("%s: %d bytes of %d, %.100q: %v", test.name, n, len(got), got[:n], err)
		}
	}
	a.unharmed(a.heldOnce(int64(most)))
}

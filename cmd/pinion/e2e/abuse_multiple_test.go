// Requests of several large values, or of very many keys: in the memory that they come in, and a little of it at a time.

package e2e_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// heldOnce is the peak of a worker that never has more than half as much again as what goes through it.
func (a *target) heldOnce(payload int64) int64 { return a.pss + payload*3/2 + 8*megabyte }

// Values of 32 MB each, of two servers, in one request and in one reply. The bystander asks the third.
func TestE2EAbuseLargeValues(t *testing.T) {
	t.Parallel()
	const size = 32 * megabyte
	keys := []string{"a", "k7"}
	payload := int64(len(keys) * size)
	redis := attack(t, siege{servers: rig.ThreeRedis(t)})
	c := redis.connect()
	c.Send("*5\r\n" + rig.Bulk("MSET"))
	for _, key := range keys {
		c.Stream(rig.Bulk(key)+fmt.Sprintf("$%d\r\n", size), size)
	}
	c.Want("+OK\r\n")
	c.Send(rig.Request("MGET", keys[0], keys[1]))
	head := "*2\r\n"
	for range keys {
		c.WantStream(head+fmt.Sprintf("$%d\r\n", size), size, "\r\n")
		head = ""
	}
	c.Stream("*2\r\n"+rig.Bulk("ECHO")+fmt.Sprintf("$%d\r\n", size), size)
	c.WantStream(fmt.Sprintf("$%d\r\n", size), size, "\r\n")
	redis.unharmed(redis.heldOnce(payload))

	servers := rig.Several(3, func() *rig.Backend { return largeMemcached(t) })
	memcache := attack(t, siege{servers: servers, memcache: true})
	m := memcache.connect()
	for _, key := range keys {
		m.Stream(fmt.Sprintf("set %s 0 0 %d\r\n", key, size), size)
		m.Want("STORED\r\n")
	}
	m.Send("get " + strings.Join(keys, " ") + "\r\n")
	for _, key := range keys {
		m.WantStream(fmt.Sprintf("VALUE %s 0 %d\r\n", key, size), size, "\r\n")
	}
	m.Want("END\r\n")
	memcache.unharmed(memcache.heldOnce(payload))
}

// A quarter of a million keys of two servers in one request, whatever is asked of them. The bystander asks the third.
func TestE2EAbuseManyKeys(t *testing.T) {
	t.Parallel()
	const keys = 250_000
	a := attack(t, siege{servers: rig.ThreeRedis(t), options: []string{`hash_tag: "{}"`}})
	var list, pairs, values strings.Builder
	for i := range keys {
		key, value := rig.Bulk(fmt.Sprintf("{%s}%07d", [...]string{"a", "k7"}[i%2], i)), rig.Bulk(fmt.Sprint(i))
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
		{"RPUSH", rig.Bulk("list") + list.String(), keys + 1, fmt.Sprintf(":%d\r\n", keys)},
		{"UNLINK", list.String(), keys, fmt.Sprintf(":%d\r\n", keys)},
	} {
		c := a.connect()
		ask := fmt.Sprintf("*%d\r\n", test.count+1) + rig.Bulk(test.name) + test.args
		most = max(most, len(ask)+len(test.want))
		c.Conn.SetDeadline(time.Now().Add(2 * rig.Patience))
		go io.WriteString(c.Conn, ask)
		got := make([]byte, len(test.want))
		if n, err := io.ReadFull(c.In, got); err != nil || string(got) != test.want {
			t.Fatalf("%s: %d bytes of %d, %.100q: %v", test.name, n, len(got), got[:n], err)
		}
	}
	a.unharmed(a.heldOnce(int64(most)))
}

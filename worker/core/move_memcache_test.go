// Clients of memcached pools that move.

package core

import (
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

// A client that has moved goes on over the connections that the others share, and stays authenticated.
func TestMoveMemcacheSharesConnections(t *testing.T) {
	for _, password := range []string{"", "secret"} {
		r := newRig(t)
		p := r.redisPool("s1")
		p.Protocol, p.Password = link.Memcache, password
		if password != "" {
			p.User = "alice"
		}
		r.start()
		before, next := r.workers[0], r.joined(nil)
		c := r.connect("c", 0, 0)
		if password != "" {
			c.send([]byte("set auth 0 0 12\r\nalice secret\r\n"))
			r.gets(c, "STORED\r\n")
		}
		r.handOver(before, next)
		if got := r.given(before); got.Moved != 1 {
			t.Fatalf("given: %+v", got)
		}
		for _, c := range []*peer{c, r.connect("later", 0, 0)} {
			if c.name == "later" && password != "" {
				c.send([]byte("set auth 0 0 12\r\nalice secret\r\n"))
				r.gets(c, "STORED\r\n")
			}
			c.send([]byte("get k\r\n"))
			r.turn()
			conns := r.servers[0].conns
			server := conns[len(conns)-1]
			if string(server.take()) == "version\r\n" {
				server.send([]byte("VERSION 1.6.18\r\n"))
				r.turn()
			}
			server.send([]byte("END\r\n"))
			r.gets(c, "END\r\n")
		}
		if got := *next.pools[0].servers[0].primary.counters[link.ServerConnections]; got != 1 {
			t.Errorf("password %q: %d connections to the server", password, got)
		}
		r.tearDown()
		r.clients = nil
	}
}

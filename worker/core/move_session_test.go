// What a client has set goes with it: its protocol, its database, which replies it wants.

package core

import (
	"bytes"
	"slices"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

// exchangeWith sends a request, has the server answer on its latest connection, and returns what the client gets.
func (r *rig) exchangeWith(c *peer, request []byte, reply string) (server, client string) {
	c.send(request)
	r.turn()
	if reply != "" {
		conns := r.servers[0].conns
		last := conns[len(conns)-1]
		server = string(last.take())
		last.send([]byte(reply))
		r.turn()
	}
	return server, string(c.take())
}

func TestMoveSession(t *testing.T) {
	for _, test := range []struct {
		name     string
		requests [][]string // that are answered here, the last of which has a reply of greeting
		greeting string     // of the server, to the connection that HELLO 3 opens
		want     string     // that the next worker's server is greeted with
		null     string
	}{
		{"RESP3", [][]string{{"HELLO", "3"}}, "%0\r\n", "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", "_\r\n"},
		{"database", [][]string{{"SELECT", "2"}}, "", "*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n", "$-1\r\n"},
		{"database 0", [][]string{{"SELECT", "0"}}, "", "", "$-1\r\n"},
		{"replies off", [][]string{{"SELECT", "2"}, {"CLIENT", "REPLY", "OFF"}}, "", "*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			p := r.redisPool("s1")
			p.DB, p.Databases = 1, 3
			r.start()
			before := r.workers[0]
			next := r.joined(nil)
			c := r.connect("c", 0, 0)
			for _, request := range test.requests {
				r.exchangeWith(c, redisRequestOf(request...), test.greeting)
			}
			if test.greeting != "" { // one to SELECT
				r.exchangeWith(c, nil, "+OK\r\n")
			}
			r.handOver(before, next)
			if next.clients != 1 {
				t.Fatal("the client has not moved")
			}
			c.send(redisRequestOf("GET", "k"))
			r.turn()
			conns := r.servers[0].conns
			server := conns[len(conns)-1]
			got := string(server.take())
			if test.name == "RESP3" {
				test.want = "*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n" + test.want
			}
			if test.want != "" {
				if got != test.want {
					t.Errorf("the server is greeted with %q", got)
				}
				server.send([]byte("+OK\r\n" + test.greeting))
				r.turn()
				got = string(server.take())
			}
			if got != string(redisRequestOf("GET", "k")) {
				t.Errorf("the server got %q", got)
			}
			server.send([]byte(test.null))
			r.turn()
			if got := string(c.take()); test.null != "" && got != test.null {
				t.Errorf("the client got %q", got)
			}
			c.send(redisRequestOf("PING"))
			r.turn()
			if got := string(c.take()); (got == "+PONG\r\n") != (test.null != "") {
				t.Errorf("PING is answered with %q", got)
			}
		})
	}
}

// A client in a database that the next configuration does not have stays, and is closed when that is settled.
func TestMoveToNoDatabase(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").Databases = 3
	r.start()
	before := r.workers[0]
	next := r.joined(func(pools []link.Pool) { pools[0].Databases = 2 })
	stays, moves := r.connect("stays", 0, 0), r.connect("moves", 0, 0)
	r.exchangeWith(stays, redisRequestOf("SELECT", "2"), "")
	r.exchangeWith(moves, redisRequestOf("SELECT", "1"), "")
	r.handOver(before, next)
	if got := r.given(before); got.Moved != 1 || got.Closed != 1 {
		t.Errorf("given: %+v", got)
	}
	r.pings(moves, next)
	r.pings(stays, before)
}

// A client that tracks keys moves with its connections, and is told to forget what it has read: keys may live elsewhere now.
func TestMoveTracking(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c, server := r.tracks("c")
	open := len(r.servers[0].conns)
	r.exchangeWith(c, redisRequestOf("CLIENT", "CACHING", "YES"), "")
	server.take()
	r.handOver(before, next)
	if next.clients != 1 {
		t.Fatal("the client has not moved")
	}
	if got := string(c.take()); got != ">2\r\n$10\r\ninvalidate\r\n_\r\n" {
		t.Errorf("the client got %q", got)
	}
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	if got := string(server.take()); got != string(redisRequestOf("CLIENT", "CACHING", "YES"))+string(redisRequestOf("GET", "k")) || len(r.servers[0].conns) != open {
		t.Errorf("over one of %d connections the server got %q", len(r.servers[0].conns), got)
	}
	server.send([]byte("+OK\r\n$1\r\n2\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"))
	r.turn()
	if got := string(c.take()); got != "$1\r\n2\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n" {
		t.Errorf("the client got %q", got)
	}
}

// tracks has a client read a key that it tracks, and returns the server's end of its connection.
func (r *rig) tracks(name string) (c, server *peer) {
	c = r.connect(name, 0, 0)
	r.exchangeWith(c, redisRequestOf("HELLO", "3"), "%0\r\n")
	r.exchangeWith(c, redisRequestOf("CLIENT", "TRACKING", "ON", "OPTIN"), "")
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	server = r.servers[0].conns[len(r.servers[0].conns)-1]
	server.send([]byte("%0\r\n"))
	r.turn()
	server.send([]byte("+OK\r\n$1\r\n1\r\n"))
	r.turn()
	c.take()
	return c, server
}

// What CLIENT CACHING has said of a transaction holds for all of it, wherever in it the client moves.
func TestMoveTrackingInTransaction(t *testing.T) {
	get := redisRequestOf("GET", "k")
	for queued := range 3 {
		r, before, next := twoGenerations(t, nil)
		c, server := r.tracks("c")
		server.take()
		c.send(slices.Concat(redisRequestOf("CLIENT", "CACHING", "YES"), multiRequest, bytes.Repeat(get, queued)))
		r.turn()
		r.handOver(before, next)
		if next.clients != 1 {
			t.Fatal("the client has not moved")
		}
		c.send(slices.Concat(bytes.Repeat(get, 2-queued), execRequest))
		r.turn()
		want := slices.Concat(redisRequestOf("CLIENT", "CACHING", "YES"), multiRequest, get, get, execRequest)
		if got := server.take(); !bytes.Equal(got, want) {
			t.Errorf("%d queued: the server got %q", queued, got)
		}
		r.tearDown()
		r.clients = nil
	}
}

// A worker that takes the place of one that has died gives no id again.
func TestIDsAfterDeath(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	last := uint64(0)
	for range 3 {
		r.connect("c", 0, 0)
		last = max(last, clientsOf(r.workers[0])[len(r.clients)-1].id)
	}
	next, err := newLoop(r.workers[0].spec, r.workers[0].shared, r.workers[0].clock)
	r.must(err)
	if id := next.newID(); id <= last {
		t.Errorf("%d is given after %d", id, last)
	}
	r.workers = append(r.workers, next)
	r.exit(1)
	r.workers = r.workers[:1]
}

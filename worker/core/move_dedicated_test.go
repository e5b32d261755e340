// Clients that wait in a server move with the connection that they wait on.

package core

import (
	"fmt"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const popped = "*2\r\n$1\r\nk\r\n$1\r\nv\r\n"

// blocks has a client wait in the server, and returns the server's end of its connection.
func (r *rig) blocks(name string, behind ...[]byte) (c, server *peer) {
	r.t.Helper()
	c = r.connect(name, 0, 0)
	c.send(redisRequestOf("BLPOP", "k", "0"))
	for _, b := range behind {
		c.send(b)
	}
	r.turn()
	conns := r.servers[0].conns
	server = conns[len(conns)-1]
	if got := string(server.take()); got != string(redisRequestOf("BLPOP", "k", "0")) {
		r.t.Fatalf("the server got %q", got)
	}
	return c, server
}

func (r *rig) gets(c *peer, want string) {
	r.t.Helper()
	r.turn()
	if got := string(c.take()); got != want {
		r.t.Errorf("%s got %q, want %q", c.name, got, want)
	}
}

// A client that waits is no straggler. What it has sent behind its request goes along, and what has come of its reply.
func TestMoveBlocked(t *testing.T) {
	for cut := range len(popped) {
		r, before, next := twoGenerations(t, nil)
		c, server := r.blocks("c", redisRequestOf("PING"), []byte("*1\r\n$4\r\nPI"))
		server.send([]byte(popped[:cut]))
		r.turn()
		r.handOver(before, next)
		if got := r.given(before); got.Moved != 1 || got.Stragglers != 0 || next.clients != 1 {
			t.Fatalf("given: %+v", got)
		}
		if got := *next.pools[0].counters[link.BlockedClients]; got != 1 || *before.pools[0].counters[link.BlockedClients] != 0 {
			t.Errorf("%d clients wait at the next worker", got)
		}
		c.send([]byte("NG\r\n"))
		r.gets(c, "")
		server.send([]byte(popped[cut:]))
		r.gets(c, popped+"+PONG\r\n+PONG\r\n")
		r.instruct(next, link.Settle, nil)
		r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
		r.turn()
		if !before.ended || server.ended {
			t.Errorf("the worker before has ended: %v; the connection: %v", before.ended, server.ended)
		}
		c.send(redisRequestOf("BLPOP", "k", "0")) // over the same one
		r.turn()
		server.send([]byte("*-1\r\n"))
		r.gets(c, "*-1\r\n")
		r.tearDown()
		r.clients = nil
	}
}

// Whenever the server answers, and whether the move comes about or not, the reply comes once.
func TestMoveBlockedAtEveryStep(t *testing.T) {
	for _, resumes := range []bool{false, true} {
		for steps := range 16 {
			t.Run(fmt.Sprintf("%d steps, resumes %v", steps, resumes), func(t *testing.T) {
				r, before, next := twoGenerations(t, nil)
				c, server := r.blocks("c")
				_, patient := r.blocks("patient")
				r.instruct(next, link.Serve, nil)
				r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
				for i := range steps {
					r.step(r.workers[i%2])
				}
				server.send([]byte(popped))
				server.push()
				if resumes {
					r.instruct(before, link.Resume, nil)
					r.instruct(next, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
				}
				r.gets(c, popped)
				if patient.ended {
					t.Error("the other one waits no more")
				}
				at := map[bool]*loop{true: before, false: next}[resumes]
				if at.clients != 2 {
					t.Errorf("%d clients are there", at.clients)
				}
				r.pings(c, at)
				patient.send([]byte(popped))
				r.gets(r.clients[1], popped)
			})
		}
	}
}

// Who hangs up while no worker looks is found out: nobody pops for it.
func TestMoveBlockedHangsUp(t *testing.T) {
	for steps := range 16 {
		r, before, next := twoGenerations(t, nil)
		c, server := r.blocks("c")
		r.instruct(next, link.Serve, nil)
		r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
		for i := range steps {
			r.step(r.workers[i%2])
		}
		c.hangUp()
		r.turn()
		if !server.ended {
			t.Errorf("after %d steps the server does not see it", steps)
		}
		server.hangUp()
		r.turn()
		if before.clients+next.clients != 0 {
			t.Errorf("after %d steps the client is still served", steps)
		}
		r.tearDown()
		r.clients = nil
	}
}

// Whoever dies, the other worker has the client and its connection, or the server sees the end of it.
func TestMoveBlockedDies(t *testing.T) {
	for who := range 2 {
		for steps := range 16 {
			r, before, _ := twoGenerations(t, nil)
			c, server := r.blocks("c")
			r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
			for i := range steps {
				r.step(r.workers[i%2])
			}
			r.exit(who)
			r.turn()
			left := r.workers[1-who].clients
			if left == 0 != server.ended || left == 0 != c.ended {
				t.Errorf("after %d steps of which %d dies %d clients are left; the server's end is closed: %v, the client's %v",
					steps, who, left, server.ended, c.ended)
			}
			if left > 0 {
				server.send([]byte(popped))
				r.gets(c, popped)
			}
			r.tearDown()
			r.clients = nil
		}
	}
}

// A server that lets a request wait for longer than that says is not waited for any longer here either: what is left of its time goes
// along, and the next worker adds its own timeout.
func TestMoveBlockedForAWhile(t *testing.T) {
	r, before, next := twoGenerations(t, func(pools []link.Pool) { pools[0].Timeout = 2 * time.Second })
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("BLPOP", "k", "5"))
	r.turn()
	r.advance(3 * time.Second)
	r.handOver(before, next)
	if got := r.given(before); got.Moved != 1 {
		t.Fatalf("given: %+v", got)
	}
	r.advance(4*time.Second - time.Millisecond)
	r.gets(c, "")
	r.advance(time.Millisecond)
	r.gets(c, "-ERR Connection timed out\r\n")
}

// In the next configuration the server is gone, or somewhere else: the request is called off, and the client gets what the server had
// answered by then, or hears that.
func TestMoveBlockedFromServerThatIsGone(t *testing.T) {
	for name, change := range map[string]func(p *link.Pool){
		"renamed": func(p *link.Pool) {
			p.Servers = []link.Server{{Name: "s9", Network: "unix", Address: p.Servers[0].Address, Weight: 1}}
		},
		"moved": func(p *link.Pool) {
			p.Servers = []link.Server{{Name: "s1", Network: "unix", Address: p.Servers[0].Address + "x", Weight: 1}}
		},
	} {
		for _, answer := range []string{"", popped} {
			r, before, next := twoGenerations(t, func(pools []link.Pool) { change(&pools[0]) })
			c, server := r.blocks("c", redisRequestOf("PING"))
			r.handOver(before, next)
			if got := r.given(before); got.Moved != 1 {
				t.Errorf("%s: given: %+v", name, got)
			}
			r.gets(c, "")
			if !server.ended {
				t.Errorf("%s: its connection is open", name)
			}
			want := string(unblockedByMove)
			if answer != "" {
				server.send([]byte(answer))
				want = answer
			} else {
				server.hangUp()
			}
			r.gets(c, want+"+PONG\r\n")
			r.tearDown()
			r.clients = nil
		}
	}
}

// A server that tells connections their numbers is asked to call off what waits, although its address is in the configuration no more.
func TestMoveBlockedFromNumberingServerThatIsGone(t *testing.T) {
	for name, end := range map[string]func(blocked, asked *peer) string{
		"called off": func(blocked, asked *peer) string {
			asked.send([]byte(":1\r\n"))
			blocked.send(unblockedByCommand)
			return string(unblockedByMove)
		},
		"answered": func(blocked, asked *peer) string {
			asked.send([]byte(":0\r\n"))
			blocked.send([]byte(popped))
			return popped
		},
		"lost": func(blocked, asked *peer) string {
			asked.hangUp()
			blocked.hangUp()
			return string(unblockedByMove)
		},
	} {
		r, before, next := twoGenerations(t, func(pools []link.Pool) { pools[0].Servers[0].Address += "x" })
		r.numbered = true
		for _, l := range r.workers {
			l.pools[0].servers[0].primary.numberless = false
		}
		c := r.connect("c", 0, 0)
		c.send(redisRequestOf("BLPOP", "k", "0"))
		r.turn()
		blocked := r.servers[0].conns[0]
		blocked.send([]byte(":7\r\n"))
		r.turn()
		r.handOver(before, next)
		asked := r.servers[0].conns[1]
		if got := string(asked.take()); got != string(redisRequestOf("CLIENT", "UNBLOCK", "7", "ERROR")) {
			t.Errorf("%s: the server got %q", name, got)
		}
		want := end(blocked, asked)
		r.gets(c, want)
		if r.turn(); !blocked.ended && blocked.fd >= 0 || !asked.ended && asked.fd >= 0 {
			t.Errorf("%s: a connection to the server is open", name)
		}
		r.tearDown()
		r.clients = nil
	}
}

// With another server in the ring a key may live elsewhere.
func TestMoveBlockedFromPlaceOfKey(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	other := r.addServer("s2")
	before, next := r.workers[0], r.joined(func(pools []link.Pool) {
		pools[0].Servers = append([]link.Server{}, pools[0].Servers[0], link.Server{Name: "s2", Network: "unix", Address: other.path, Weight: 1})
	})
	var clients, servers []*peer
	for i := range 6 {
		c := r.connect(fmt.Sprint("c", i), 0, 0)
		c.send(redisRequestOf("BLPOP", fmt.Sprint(i), "0"))
		r.turn()
		clients, servers = append(clients, c), append(servers, r.servers[0].conns[i])
	}
	r.handOver(before, next)
	gone := 0
	for i, s := range servers {
		if s.ended {
			gone++
			s.hangUp()
			r.gets(clients[i], string(unblockedByMove))
		} else {
			s.send([]byte(popped))
			r.gets(clients[i], popped)
		}
	}
	if gone == 0 || gone == len(servers) {
		t.Errorf("%d of %d keys have moved", gone, len(servers))
	}
}

// Many clients with connections of their own: as many descriptors as a message takes, and no more.
func TestMoveManyBlocked(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	const count = 300
	before.pools[0].spec.Dedicated, next.pools[0].spec.Dedicated = count+1, count+1
	for i := range count {
		r.blocks(fmt.Sprint("c", i))
	}
	*next.shared.Elsewhere(0) = count // as the master tells the worker, before clients move
	*next.shared.ServerCounter(next.shared.Legacy(), 0, 0, link.DedicatedConnections) = count
	next.spec.Clients = 2 * count
	if got := next.expected(); got != 2*count {
		t.Errorf("%d descriptors are expected", got)
	}
	r.handOver(before, next)
	if got := next.expected(); got != 0 {
		t.Errorf("%d descriptors are still expected", got)
	}
	if got := before.mover.returnable(); got != 2*count {
		t.Errorf("%d descriptors may come back", got)
	}
	if got := r.given(before); got.Moved != count || got.Stragglers != 0 || next.clients != count {
		t.Fatalf("given: %+v", got)
	}
	r.blocks("one more") // none of the connections counts twice
	refused := r.connect("one too many", 0, 0)
	refused.send(redisRequestOf("BLPOP", "k", "0"))
	r.gets(refused, string(next.pools[0].errorText(errTooManyDedicated)))
	for i, c := range r.clients[:count+1] {
		s := r.servers[0].conns[i]
		s.send([]byte(popped))
		r.gets(c, popped)
	}
}

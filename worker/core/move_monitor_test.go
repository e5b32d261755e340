// Clients that monitor move with the connection over which they do, and miss nothing.

package core

import (
	"fmt"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// monitors has a client monitor the first server, and returns the server's end of its connection.
func (r *rig) monitors(name string) (c, server *peer) {
	r.t.Helper()
	c = r.connect(name, 0, 0)
	c.send(redisRequestOf("MONITOR"))
	r.turn()
	conns := r.servers[0].conns
	server = conns[len(conns)-1]
	if got := string(server.take()); got != string(redisRequestOf("MONITOR")) {
		r.t.Fatalf("the server got %q", got)
	}
	server.send([]byte("+OK\r\n"))
	r.gets(c, "+OK\r\n")
	return c, server
}

// Whatever comes while the client moves, or the move is called off, comes once and in order, also where it comes in two parts.
func TestMoveMonitorAtEveryStep(t *testing.T) {
	for _, resumes := range []bool{false, true} {
		for steps := range 16 {
			t.Run(fmt.Sprintf("%d steps, resumes %v", steps, resumes), func(t *testing.T) {
				r, before, next := twoGenerations(t, nil)
				c, server := r.monitors("c")
				r.instruct(next, link.Serve, nil)
				r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
				want := ""
				tell := func(i int) {
					line := fmt.Sprintf("+%d.0 [0 lua] \"get\" \"%d\"\r\n", i, i)
					want += line
					server.send([]byte(line[:len(line)/2]))
					server.push()
					r.step(r.workers[i%2])
					server.send([]byte(line[len(line)/2:]))
					server.push()
				}
				for i := range steps {
					tell(i)
				}
				if resumes {
					r.instruct(before, link.Resume, nil)
					r.instruct(next, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
					tell(100)
				}
				r.gets(c, want)
				at := map[bool]*loop{true: before, false: next}[resumes]
				r.pings(c, at)
				c.send(redisRequestOf("GET", "k"))
				r.gets(c, "-"+resp.MonitorsOnly+"\r\n")
				c.send(redisRequestOf("RESET"))
				r.gets(c, "+RESET\r\n")
				if !server.ended {
					t.Error("after RESET the connection is open")
				}
			})
		}
	}
}

// Where it is refused from now on, or the server is another one, the client ends rather than hear nothing any more.
func TestMoveMonitorToWhereItCannot(t *testing.T) {
	for name, change := range map[string]func(p *link.Pool){
		"moved":  func(p *link.Pool) { p.Servers[0].Address += "x" },
		"denied": func(p *link.Pool) { p.Deny = []string{"monitor"} },
	} {
		r, before, next := twoGenerations(t, func(pools []link.Pool) {
			pools[0].Servers = append([]link.Server{}, pools[0].Servers...)
			change(&pools[0])
		})
		c, server := r.monitors("c")
		r.handOver(before, next)
		r.turn()
		if !c.ended || !server.ended {
			t.Errorf("%s: the client has ended: %v, its connection: %v", name, c.ended, server.ended)
		}
		r.tearDown()
		r.clients = nil
	}
}

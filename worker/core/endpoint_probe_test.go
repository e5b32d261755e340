// Probes of a worker that stands still.

package core

import (
	"testing"
	"time"
)

// A worker that stood still for longer than its probe may take goes on with it: the answer readmits the server, and if there
// is none, another probe follows.
func TestProbeOutlastsStall(t *testing.T) {
	for _, answer := range []string{"+PONG\r\n", ""} {
		r := newRig(t)
		p := r.redisPool("s1")
		p.AutoEjectHosts, p.ServerFailureLimit, p.ServerRetryTimeout, p.Timeout = true, 1, time.Second, 400*time.Millisecond
		r.start()
		c := r.connect("c", 0, 0)
		c.send(redisRequestOf("GET", "a"))
		r.turn()
		r.servers[0].hangUp()
		r.turn()
		r.advance(time.Second)
		s := r.workers[0].pools[0].servers[0]
		probed := r.servers[0].conns[len(r.servers[0].conns)-1]
		if got := probed.take(); string(got) != string(redisRequestOf("PING")) {
			t.Fatalf("the server got %q and is %v", got, s.liveness())
		}
		s.pool.placement.publish() // another server is ejected: all workers look at what each is
		r.turn()
		r.now += int64(2 * time.Second)
		r.step(r.workers[0])
		if answer != "" {
			probed.send([]byte(answer))
		} else {
			r.advance(3 * time.Second)
			probed = r.servers[0].conns[len(r.servers[0].conns)-1]
			if got := probed.take(); string(got) != string(redisRequestOf("PING")) {
				t.Fatalf("the server got %q and is %v", got, s.liveness())
			}
			probed.send([]byte("+PONG\r\n"))
		}
		r.turn()
		if !s.liveness().Alive() {
			t.Errorf("after the answer %q the server is %v", answer, s.liveness())
		}
		r.tearDown()
		r.clients = nil
	}
}

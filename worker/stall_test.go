// What the worker did not come to is nobody else's delay; the transcript stall.txt shows the rest.

package worker

import (
	"testing"
	"time"
)

// A turn that is told of no event, since there were too many or a signal came, has read what a server sent before it calls
// the server late.
func TestHearsBeforeItBlames(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1")
	p.Timeout, p.AutoEjectHosts, p.ServerFailureLimit = 400*time.Millisecond, true, 1
	r.start()
	l := r.workers[0]
	c := r.connect("a", 0, 0)
	c.send(redisRequestOf("GET", "k"))
	c.send(redisRequestOf("GET", "l"))
	r.turn()
	r.stopped = true
	r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	r.advance(p.Timeout)
	r.turn()
	l.turn(nil)
	r.stopped = false
	r.turn()
	if got := string(c.take()); got != "$1\r\n1\r\n-ERR Connection timed out\r\n" {
		t.Errorf("the client got %q", got)
	}
	if word := r.conn().server.liveness(); !word.Alive() {
		t.Errorf("the server is %v", word)
	}
	r.servers[0].conns[0].take()
	r.servers[0].conns[0].send([]byte("$1\r\n2\r\n"))
	r.turn()
}

// That replies were read late is no reason to give the server less.
func TestStallIsNotTheServersPace(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1")
	p.Timeout = 400 * time.Millisecond
	r.start()
	c := r.connect("a", 0, 0)
	const asked = 10
	for range asked {
		c.send(redisRequestOf("GET", "k"))
	}
	r.turn()
	before := r.conn().gauge.limit
	r.stopped = true
	for range asked {
		r.servers[0].conns[0].send([]byte("$1\r\n1\r\n"))
	}
	r.advance(time.Second)
	r.turn()
	r.stopped = false
	r.turn()
	if got := r.conn().gauge.limit; got < before {
		t.Errorf("the server may owe %d, and could %d before", got, before)
	}
}

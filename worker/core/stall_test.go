// What the worker did not come to is nobody else's delay; the transcript stall.txt shows the rest.

package core

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
	if word := r.conn().endpoint.server.liveness(); !word.Alive() {
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

// What has waited for others to be answered, while they were and nobody looked, is not late for that, once.
func TestStallGivesTimeToWhatWaitsForOthers(t *testing.T) {
	const timeout = 400 * time.Millisecond
	r := newRig(t)
	r.redisPool("s1").Timeout = timeout
	r.start()
	c := r.connect("a", 0, 0)
	c.send(redisRequestOf("GET", "j"))
	r.turn()
	server := r.servers[0].conns[0]
	server.take()
	server.send([]byte("$1\r\n0\r\n"))
	r.turn()
	c.take()
	r.conn().gauge.limit = 1
	c.send(redisRequestOf("GET", "k"))
	c.send(redisRequestOf("GET", "l"))
	r.turn()
	if got := string(server.take()); got != string(redisRequestOf("GET", "k")) {
		t.Fatalf("the server got %q", got)
	}
	r.stopped = true
	server.send([]byte("$1\r\n1\r\n"))
	r.advance(timeout + time.Millisecond)
	r.turn()
	r.stopped = false
	r.turn()
	if got := string(server.take()); got != string(redisRequestOf("GET", "l")) {
		t.Fatalf("then the server got %q, and the client %q", got, c.take())
	}
	server.send([]byte("$1\r\n2\r\n"))
	r.turn()
	if got := string(c.take()); got != "$1\r\n1\r\n$1\r\n2\r\n" {
		t.Errorf("the client got %q", got)
	}
}

// A worker that has slept until a deadline and comes a little late to it gives the server a little more, not all that time again.
// One that stood still in the middle of a turn gives what it has sent only then all its time.
func TestStallGivesWhatItTook(t *testing.T) {
	const timeout, late = time.Second, 60 * time.Millisecond
	for _, test := range []struct {
		name             string
		inTurn           bool
		waits, andNotYet time.Duration // after it runs again: that it does answer by then, and does not
	}{
		{"waiting", false, late, late - 2*stallTolerance},
		{"in a turn", true, timeout, timeout - 2*stallTolerance},
	} {
		r := newRig(t)
		r.redisPool("s1").Timeout = timeout
		r.start()
		c := r.connect("a", 0, 0)
		c.send(redisRequestOf("GET", "k"))
		r.turn()
		r.stopped = true
		r.advance(timeout + late)
		if test.inTurn {
			r.workers[0].rested = r.now
		}
		r.stopped = false
		r.turn()
		r.advance(test.andNotYet)
		if got := string(c.take()); got != "" {
			t.Errorf("%s: already got %q", test.name, got)
		}
		r.advance(test.waits - test.andNotYet)
		if got := string(c.take()); got != "-ERR Connection timed out\r\n" {
			t.Errorf("%s: got %q after %v", test.name, got, test.waits)
		}
	}
}

// What is held for a server that refuses every attempt waits for failover_wait and no longer, on a machine that is late for every timer, too.
// Where the worker itself was stopped, the server gets another attempt.
func TestStallsDoNotPutOffWhatIsHeld(t *testing.T) {
	const wait = 2 * time.Second
	for _, test := range []struct {
		name    string
		late    time.Duration // for each timer
		stopped time.Duration // once, from when the request is held
		most    time.Duration // that the client waits for
	}{
		{"idle", 100 * time.Microsecond, 0, wait},
		{"busy", stallTolerance + 5*time.Millisecond, 0, wait},
		{"stopped", 0, time.Hour, wait + time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.redisPool("s1").FailoverWait = wait
			r.start()
			l := r.workers[0]
			r.servers[0].refuse()
			c := r.connect("a", 0, 0)
			c.send(redisRequestOf("SET", "k", "v"))
			r.turn()
			began := r.now
			sleep := func(by time.Duration) {
				r.stopped = true
				r.advance(by)
				r.stopped = false
				r.turn()
			}
			if test.stopped > 0 {
				sleep(test.stopped)
				if got := string(c.take()); got != "" {
					t.Fatalf("already got %q", got)
				}
			}
			got := ""
			for got == "" && time.Duration(r.now-began) <= 2*test.most {
				due, ok := l.timers.Next()
				if !ok {
					t.Fatal("nothing is due, and the client waits")
				}
				sleep(time.Duration(due-r.now) + test.late)
				got = string(c.take())
			}
			if took := time.Duration(r.now - began); got != "-ERR Connection refused; not executed\r\n" || took < wait || took > test.most+2*test.late+stallTolerance {
				t.Errorf("after %v got %q", took, got)
			}
		})
	}
}

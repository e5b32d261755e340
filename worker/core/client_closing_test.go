package core

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Each connection that ends is counted once, by why it has ended.
func TestClosingsAreCounted(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1", "s2")
	p.ClientConnections, p.ClientIdleTimeout = 2, time.Minute
	r.start()
	var want [link.NumClosings]uint64
	check := func(why link.Closing) {
		t.Helper()
		want[why]++
		for cause, n := range want {
			if got := *r.workers[0].pools[0].counters[link.FirstClosing+cause]; got != n {
				t.Errorf("%d connections have ended as %s, want %d", got, link.Closings[cause], n)
			}
		}
	}
	one := r.connect("a", 0, 0)
	r.turn()
	r.must(one.halfClose())
	r.turn()
	check(link.HungUp)

	r.connect("b", 0, 0).send([]byte("*x\r\n"))
	r.turn()
	check(link.NoRequest)
	r.advance(3 * time.Second) // it need not hang up

	r.connect("c", 0, 0).send([]byte("*2\r\n$6\r\nCLIENT\r\n$3\r\nFOO\r\n"))
	r.connect("d", 0, 0)
	r.turn()
	r.connect("e", 0, 0)
	r.turn()
	check(link.TurnedAway)

	r.connect("f", 0, 0)
	r.turn()
	check(link.TurnedAway)

	r.advance(30 * time.Second)
	for c := range r.workers[0].everyClient {
		c.active = r.workers[0].ticks()
		break
	}
	r.advance(45 * time.Second)
	check(link.Idle)
}

// What breaks after the end has begun does not count again, and QUIT is an end.
func TestClosingsAreCountedOnce(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1", "s2")
	r.start()
	count := func() (n [link.NumClosings]uint64) {
		for cause := range n {
			n[cause] = *r.workers[0].pools[0].counters[link.FirstClosing+cause]
		}
		return n
	}
	c := r.connect("a", 0, 0)
	c.send(redisRequestOf("GET", "d"))
	r.turn()
	r.must(c.halfClose())
	r.turn()
	for one := range r.workers[0].everyClient {
		one.fail(unix.EPIPE)
	}
	if got, want := count(), ([link.NumClosings]uint64{link.HungUp: 1}); got != want {
		t.Errorf("closings are %v, want %v", got, want)
	}
	r.connect("b", 0, 0).send([]byte("*x\r\n"))
	r.turn()
	for one := range r.workers[0].everyClient {
		one.fail(unix.EPIPE)
	}
	r.connect("c", 0, 0).send(redisRequestOf("QUIT"))
	r.turn()
	if got, want := count(), ([link.NumClosings]uint64{link.HungUp: 2, link.NoRequest: 1}); got != want {
		t.Errorf("closings are %v, want %v", got, want)
	}
}

// What Pinion ends is counted by its cause, too, whether it is a command, a server, or the end of the worker.
func TestClosingsByPinion(t *testing.T) {
	for why, end := range map[link.Closing]func(r *rig, c *peer){
		link.Refused:     func(_ *rig, c *peer) { c.send(redisRequestOf("SELECT", "7")) },
		link.WorkerEnded: func(r *rig, _ *peer) { r.workers[0].drain(0) },
		link.ServerLost: func(r *rig, c *peer) { // it refuses to take the subscription
			c.send(redisRequestOf("SUBSCRIBE", "a"))
			r.turn()
			r.servers[0].conns[len(r.servers[0].conns)-1].send([]byte("-NOPERM no\r\n"))
		},
	} {
		t.Run(link.Closings[why], func(t *testing.T) {
			r := newRig(t)
			r.redisPool("s1")
			r.start()
			counters := r.workers[0].pools[0].counters
			c := r.connect("a", 0, 0)
			c.send(redisRequestOf("GET", "a"))
			r.turn()
			r.servers[0].answer([]byte("$-1\r\n"))
			r.turn()
			end(r, c)
			r.turn()
			r.advance(3 * time.Second)
			for cause, name := range link.Closings {
				want := uint64(0)
				if cause == int(why) {
					want = 1
				}
				if got := *counters[link.FirstClosing+cause]; got != want {
					t.Errorf("%d connections have ended as %s, want %d", got, name, want)
				}
			}
		})
	}
}

// The patience of who waits in a server is nothing that the proxy or a server takes.
func TestRequestTimeWithoutPatience(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	waited := r.workers[0].pools[0].counters[link.RequestMicros]
	_, server := r.blocks("a")
	r.advance(time.Hour)
	server.send([]byte("*-1\r\n"))
	r.turn()
	if *waited >= uint64(time.Minute/time.Microsecond) {
		t.Errorf("clients have waited for %d µs", *waited)
	}
	c := r.connect("b", 0, 0)
	c.send(redisRequestOf("GET", "d"))
	r.turn()
	before := *waited
	r.advance(100 * time.Millisecond)
	r.servers[0].answer([]byte("$-1\r\n"))
	r.turn()
	if got := *waited - before; got < 100_000 || got > 200_000 {
		t.Errorf("who asks for a key has waited for %d µs", got)
	}
}

package core

import (
	"testing"
	"time"

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

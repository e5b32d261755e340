// The end of a worker, where transcripts cannot reach: what has not been looked at yet, and descriptors that ran out.

package core

import (
	"fmt"
	"testing"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// What a client has sent before the drain is answered, although the worker has not looked yet.
func TestDrainLooksOnceMore(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	c := r.connect("a", 0, 0)
	waits := r.dial("waits")
	for _, p := range []*peer{c, waits} {
		_, err := sock.Send(p.fd, redisRequestOf("PING"))
		r.must(err)
	}
	r.workers[0].drain(0)
	r.turn()
	for _, p := range []*peer{c, waits} {
		if got := string(p.take()); got != "+PONG\r\n" || !p.ended {
			t.Errorf("%s got %q, closed is %v", p.name, got, p.ended)
		}
	}
}

// A drain that comes while the listener is muted, or that mutes it, leaves no timer behind that would watch it again.
func TestDrainWithoutDescriptors(t *testing.T) {
	for _, muted := range []bool{false, true} {
		t.Run(fmt.Sprint("muted=", muted), func(t *testing.T) {
			r := newRig(t)
			r.redisPool("s1")
			r.start()
			l := r.workers[0]
			stays := r.connect("stays", 0, 0)
			stays.send([]byte("*1\r\n"))
			r.turn()
			r.dial("waits")
			feed := starve(t, 0)
			if muted {
				r.turn()
			}
			l.drain(0)
			feed()
			r.turn()
			if at, ok := l.timers.Next(); ok && at <= r.now+int64(acceptPause) {
				t.Errorf("a timer is left that fires in %d ns", at-r.now)
			}
			r.advance(2 * acceptPause)
			if len(l.listeners) != 0 {
				t.Error("a draining worker has a listener")
			}
		})
	}
}

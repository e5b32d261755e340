// Handshakes whose clients do not answer: they keep nobody from theirs, nor a move from its end, and nothing is kept for those that are over.

package core

import (
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// dialSilent connects a client who begins the handshake and does not go on with it.
func (r *rig) dialSilent(name string) *peer {
	r.t.Helper()
	c := r.dialTLS(name, believing())
	c.push()
	c.deaf = true
	r.turn()
	return c
}

// speaks has a silent client go on.
func (r *rig) speaks(c *peer) {
	c.deaf = false
	r.turn()
}

func (r *rig) forget(all ...*peer) {
	for _, c := range all {
		c.tls.shake.Abort()
	}
}

func TestPlaceOfTheSilent(t *testing.T) {
	r := tlsFront(t, nil)
	l := r.workers[0]
	l.handshakes.most = 3
	silent := r.dialSilent("silent")
	r.advance(time.Second)
	slow, other := r.dialSilent("slow"), r.dialSilent("other")
	good := r.dialTLS("good", believing())
	r.turn()
	r.advance(1400 * time.Millisecond)
	for c := range l.everyClient {
		if got := c.state(); got != link.ClientHandshaking {
			t.Errorf("its state is %q", got)
		}
	}
	if good.tls.records != nil || l.handshakes.begun != 3 {
		t.Fatalf("%d handshakes are under way", l.handshakes.begun)
	}
	r.advance(200 * time.Millisecond)
	r.pings(good, l)
	if n := *l.pools[0].counters[link.ClientHandshakeLate]; n != 1 || l.handshakes.begun != 2 {
		t.Errorf("%d were late, %d handshakes are under way", n, l.handshakes.begun)
	}
	r.advance(3 * time.Second) // nobody waits for a place any more
	r.speaks(slow)
	r.pings(slow, l)
	r.advance(10 * time.Second)
	if n := *l.pools[0].counters[link.ClientHandshakeLate]; n != 2 || l.handshakes.begun != 0 {
		t.Errorf("%d were late, %d handshakes are under way", n, l.handshakes.begun)
	}
	r.forget(silent, other)
	if left := coroutines(); left > 0 {
		t.Errorf("%d coroutines are left", left)
	}
}

// Of clients who wait for a signature none is silent, and the time of each begins with the answer.
func TestPlaceOfTheSigned(t *testing.T) {
	r := rsaFront(t)
	l := r.workers[0]
	l.handshakes.most = 1
	h := holdSignatures(l)
	first := r.dialSilent("first")
	second := r.dialTLS("second", believing())
	r.turn()
	r.advance(5 * time.Second)
	r.deliver(l)
	r.advance(2 * time.Second)
	if l.handshakes.begun != 1 || len(h.asked) != 0 {
		t.Fatalf("%d handshakes are under way, %d signatures are asked for", l.handshakes.begun, len(h.asked))
	}
	r.advance(700 * time.Millisecond)
	if len(h.asked) != 1 {
		t.Fatal("nobody waits for his signature")
	}
	r.deliver(l)
	r.pings(second, l)
	r.forget(first)
}

// The time of a handshake is the client's: who waits for a signature or a place, or has answered a worker that stood still, is not late.
// Once he has been answered, his time counts.
func TestLateWorker(t *testing.T) {
	in := func(r *rig, c *peer) {
		t.Helper()
		if c.tls.records == nil {
			t.Fatalf("the handshake is not over: %v", c.tls.failure)
		}
		r.pings(c, r.workers[0])
	}
	t.Run("signature", func(t *testing.T) {
		r := rsaFront(t)
		l := r.workers[0]
		holdSignatures(l)
		c, silent := r.dialTLS("c", believing()), r.dialSilent("silent")
		r.advance(12 * time.Second)
		r.deliver(l)
		in(r, c)
		r.deliver(l)
		r.advance(11 * time.Second)
		if n := *l.pools[0].counters[link.ClientHandshakeLate]; n != 1 || l.handshakes.begun != 0 {
			t.Errorf("%d were late, %d handshakes are under way", n, l.handshakes.begun)
		}
		r.forget(silent)
	})
	t.Run("place", func(t *testing.T) {
		r := tlsFront(t, nil)
		l := r.workers[0]
		l.handshakes.most = 0
		c := r.dialTLS("c", believing())
		r.advance(12 * time.Second)
		l.handshakes.most = 1
		l.handshakes.wakeOne()
		r.turn()
		in(r, c)
	})
	t.Run("stall", func(t *testing.T) {
		for name, step := range map[string]func(l *loop, c *client){
			"of all":    func(l *loop, _ *client) { l.pools[0].endLateHandshakes() },
			"of others": func(_ *loop, c *client) { c.hearLast() },
		} {
			r := tlsFront(t, nil)
			l := r.workers[0]
			c := r.dialSilent("c")
			c.deaf = false
			for r.receive() { // the worker stands still meanwhile
			}
			r.now += int64(12 * time.Second)
			l.now = r.now
			for client := range l.everyClient {
				step(l, client)
			}
			r.turn()
			if in(r, c); *l.pools[0].counters[link.ClientHandshakeLate] != 0 {
				t.Errorf("%s: a client is late", name)
			}
		}
	})
}

// Nothing is kept of those that are over, though others of before are still under way.
func TestHandshakesOfThePast(t *testing.T) {
	list := handshaking{}
	first := &client{life: clientHandshaking}
	list.add(first)
	for range 10_000 {
		c := &client{life: clientHandshaking}
		list.add(c)
		c.life = clientOpen
		list.noteEnd()
		if n := len(list.clients); n > 200 {
			t.Fatalf("%d are kept", n)
		}
	}
	if list.first() != first {
		t.Error("the first one is lost")
	}
	first.life = clientClosed
	if list.first() != nil || list.clients != nil {
		t.Errorf("%d are kept", len(list.clients))
	}
}

// A move waits for who is merely slow, and not for who does not answer: it moves when it does. Where it would be closed at the end of the
// move it has all the time.
func TestMoveWithoutTheSilent(t *testing.T) {
	for auth, waits := range map[link.AuthClients]time.Duration{link.AuthClientsNo: 500 * time.Millisecond, link.AuthClientsOptional: 2 * time.Second} {
		t.Run(string(auth), func(t *testing.T) {
			r := tlsFront(t, func(p *link.Pool) { p.TLS.AuthClients = auth })
			before, next := r.workers[0], r.joined(nil)
			encrypt(next)
			c := r.dialSilent("c")
			r.handOver(before, next)
			r.advance(waits - 100*time.Millisecond)
			if said := r.heard(before); len(said) > 0 {
				t.Fatalf("the move is over at once: %v", said)
			}
			r.advance(300 * time.Millisecond)
			if got := r.given(before); got.Stragglers != 1 {
				t.Errorf("given: %+v", got)
			}
			r.speaks(c)
			r.advance(200 * time.Millisecond)
			r.pings(c, next)
		})
	}
}

// Requests are kept for reuse, not for ever.

package core

import "testing"

// The pool of requests gives back what it does not need, and keeps what it does.
func TestRequestPool(t *testing.T) {
	l := bareLoop()
	rp := &l.requests
	rp.l, rp.timer.Fire = l, rp.tick
	rounds := func(n, busy int) {
		for range n {
			var taken []*request
			for range busy {
				taken = append(taken, rp.get())
			}
			for _, r := range taken {
				rp.put(r)
			}
			l.now += requestPoolTick
			l.timers.Run(l.now)
		}
	}
	rounds(1, 1000)
	if rp.count != 1000 {
		t.Errorf("%d requests are kept after a burst of 1000", rp.count)
	}
	rounds(5, 1000)
	if rp.count != 1000 {
		t.Errorf("%d requests are kept of 1000 that are needed", rp.count)
	}
	rounds(20, 10)
	if rp.count < 10 || rp.count > 12 {
		t.Errorf("%d requests are kept of which 10 are needed", rp.count)
	}
	rounds(20, 0)
	if at, ok := l.timers.Next(); rp.count != 0 || rp.free != nil || ok {
		t.Errorf("%d requests are kept of which none is needed; next tick %d, %v", rp.count, at, ok)
	}
}

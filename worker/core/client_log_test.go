// Of the clients that are closed for their memory one is named at once, and the others are counted.

package core

import (
	"slices"
	"testing"
	"time"
)

func TestClosingsAreSummedUp(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.limit = 64 << 20
	r.start()
	l := r.workers[0]
	for _, name := range []string{"a", "b", "c", "d"} {
		r.connect(name, 0, 0)
	}
	r.turn()
	r.logged(l)
	reasons := []scarcity{atLimit, atHalf, atThreeQuarters, atHalf}
	for i, c := range clientsOf(l) {
		l.relief.closed.reason = reasons[i]
		c.complain("holds %d bytes", 5+i)
	}
	r.turn()
	want := []string{`pool "alpha": closing client 1 at @:0, which holds 5 bytes: memory_limit is reached`}
	if got := r.logged(l); !slices.Equal(got, want) {
		t.Errorf("at once it logs %q, want %q", got, want)
	}
	r.advance(logPause - time.Millisecond)
	if got := r.logged(l); len(got) > 0 {
		t.Errorf("soon it logs %q", got)
	}
	r.advance(time.Millisecond)
	want = []string{
		"closed 2 more clients within 10s: half of memory_limit is held",
		"closed 1 more client within 10s: three quarters of memory_limit are held, and not to read has not helped",
	}
	if got := r.logged(l); !slices.Equal(got, want) {
		t.Errorf("later it logs %q, want %q", got, want)
	}
	r.advance(3 * logPause)
	if got := r.logged(l); len(got) > 0 {
		t.Errorf("when no more are closed it logs %q", got)
	}
}

package replica

import (
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

func TestSteady(t *testing.T) {
	const fit, behind, refuses = link.ReplicaFit, link.ReplicaBehind, link.ReplicaRefuses
	for _, test := range []struct {
		first link.ReplicaState
		news  bool
	}{{fit, false}, {refuses, true}} {
		s := steady{}
		found := func(state link.ReplicaState, looks int) (news int) {
			for range looks {
				if s.found(state) {
					news++
				}
			}
			return news
		}
		if got := found(test.first, leastLooks-1); got != 0 {
			t.Errorf("%v is news at once", test.first)
		}
		if got := found(test.first, 3*leastLooks); got > 1 || got == 1 != test.news {
			t.Errorf("%v at first is reported %d times", test.first, got)
		}
		for range 10 {
			if found(behind, leastLooks-1)+found(test.first, leastLooks) != 0 {
				t.Errorf("a moment is reported")
			}
		}
		if got := found(behind, 3*leastLooks); got != 1 {
			t.Errorf("a state that lasts is reported %d times", got)
		}
		if got := found(fit, 3*leastLooks); got != 1 {
			t.Errorf("that it is fit again is reported %d times", got)
		}
	}
}

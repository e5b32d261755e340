// Certificates that end are told of in time, and not again and again.

package master

import (
	"testing"
	"time"
)

func TestWarningsOfCertificates(t *testing.T) {
	ends := time.Date(2027, 3, 31, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		left time.Duration
		due  time.Duration // -1: none
		next time.Duration // before the end; -1: never
	}{
		{40 * day, -1, 30 * day},
		{30*day + time.Second, -1, 30 * day},
		{30 * day, 30 * day, 7 * day},
		{8 * day, 30 * day, 7 * day},
		{7 * day, 7 * day, day},
		{time.Hour, day, 0},
		{0, 0, -1},
		{-40 * day, 0, -1},
	} {
		now := ends.Add(-test.left)
		due, ok := dueWarning(ends.Sub(now))
		if ok != (test.due >= 0) || ok && due != test.due {
			t.Errorf("with %v left: %v, %v is due", test.left, due, ok)
		}
		next := nextWarning(ends, now)
		if never := test.next < 0; never != next.IsZero() || !never && !next.Equal(ends.Add(-test.next)) {
			t.Errorf("with %v left: the next warning is due at %v", test.left, next)
		}
	}
}

func TestTimeLeft(t *testing.T) {
	for left, want := range map[time.Duration]string{30 * day: "30 days", 2 * day: "2 days", 2*day - 1: "47 h", time.Minute: "0 h"} {
		if got := timeLeft(left); got != want {
			t.Errorf("%v: %q", left, got)
		}
	}
}

package master

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// panicOf returns what f panics with, or "".
func panicOf(f func()) (message string) {
	defer func() {
		if r := recover(); r != nil {
			message = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

// Every pair of states is either an edge or a panic that names both.
func TestSlotEdges(t *testing.T) {
	for from := range slotStateNames {
		for to := range slotStateNames {
			from, to := slotState(from), slotState(to)
			s := &slot{index: 7, state: from}
			until := epoch
			got := panicOf(func() { s.become(to, until) })
			if slices.Contains(slotEdges[from], to) {
				if got != "" || s.state != to || s.until != until {
					t.Errorf("from %s to %s: %q, state %s until %s", from, to, got, s.state, s.until)
				}
				continue
			}
			if want := fmt.Sprintf("slot 7: no way from %s to %s", from, to); got != want || s.state != from {
				t.Errorf("got %q and state %s, want %q", got, s.state, want)
			}
		}
	}
}

func TestPhaseEdges(t *testing.T) {
	for from := range phaseNames {
		for to := range phaseNames {
			from, to := phase(from), phase(to)
			m := &master{phase: from}
			got := panicOf(func() { m.become(to) })
			want := ""
			if !slices.Contains(phaseEdges[from], to) {
				want = fmt.Sprintf("master: no way from %s to %s", from, to)
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
}

func TestThrottle(t *testing.T) {
	s := &slot{}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	want := []time.Duration{0, ms(100), ms(200), ms(400), ms(800), ms(1600), ms(3200), ms(5000), ms(5000)}
	for round := range 2 {
		for i, pause := range want {
			if got := s.throttle(false); got != pause {
				t.Errorf("round %d: early death %d: pause %s, want %s", round, i+1, got, pause)
			}
		}
		if got := s.throttle(true); got != 0 {
			t.Errorf("round %d: after a healthy life: pause %s", round, got)
		}
	}
	s.early = 1 << 40 // a crash loop that has been going for ages
	if got := s.throttle(false); got != maxBackOff {
		t.Errorf("after very many early deaths: pause %s", got)
	}
}

func TestLastWords(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{"", ""}, ""},
		{[]string{"one"}, "; last words: one"},
		{[]string{"one", "", "two", "three", "four"}, "; last words: two / three / four"},
		{[]string{"before", "panic: why", "", "goroutine 1 [running]:", "panic: again"}, "; last words: panic: why"},
		{[]string{"fatal error: out of memory", "x"}, "; last words: fatal error: out of memory"},
	} {
		var w lastWords
		for _, line := range c.lines {
			w.add(line)
		}
		if got := w.String(); got != c.want {
			t.Errorf("%q: got %q, want %q", c.lines, got, c.want)
		}
	}
}

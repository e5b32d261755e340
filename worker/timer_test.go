// The heap of deadlines against a list that is searched from end to end.

package worker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTimersFireInOrder(t *testing.T) {
	var h timers
	var fired []int64
	for _, at := range []int64{50, 10, 40, 10, 30, 20} {
		tm := &timer{fire: func() { fired = append(fired, at) }}
		h.set(tm, at)
	}
	h.run(9)
	if fired != nil {
		t.Errorf("at 9 fired %v", fired)
	}
	h.run(30)
	if want := []int64{10, 10, 20, 30}; !slices.Equal(fired, want) {
		t.Errorf("at 30 fired %v, want %v", fired, want)
	}
	if at, ok := h.next(); at != 40 || !ok {
		t.Errorf("next is %d, %v", at, ok)
	}
	h.run(50)
	if at, ok := h.next(); ok {
		t.Errorf("after all have fired next is %d", at)
	}
}

func TestTimerMoves(t *testing.T) {
	var h timers
	fired := 0
	tm := &timer{fire: func() { fired++ }}
	h.stop(tm)
	h.set(tm, 10)
	h.set(tm, 20)
	h.run(10)
	if fired != 0 {
		t.Error("fired at the time that was taken back")
	}
	h.set(tm, 5)
	h.run(10)
	h.run(20)
	if fired != 1 {
		t.Errorf("fired %d times, want once", fired)
	}
	h.set(tm, 30)
	h.stop(tm)
	h.stop(tm)
	h.run(30)
	if fired != 1 {
		t.Error("fired after it was stopped")
	}
}

// A timer that sets itself again for a time that is over must not keep the loop from its other work.
func TestTimerSetWhileItFires(t *testing.T) {
	var h timers
	fired := 0
	tm := new(timer)
	tm.fire = func() {
		fired++
		h.set(tm, 0)
	}
	h.set(tm, 0)
	h.run(1)
	if fired != 1 {
		t.Errorf("fired %d times in one run", fired)
	}
	h.run(1)
	if fired != 2 {
		t.Errorf("fired %d times in two runs", fired)
	}
}

// A timer may stop another that is due in the same run.
func TestTimerStoppedByAnother(t *testing.T) {
	var h timers
	victim := &timer{fire: func() { t.Error("the victim fired") }}
	h.set(&timer{fire: func() { h.stop(victim) }}, 1)
	h.set(victim, 2)
	h.run(3)
	if at, ok := h.next(); ok {
		t.Errorf("a timer is left for %d", at)
	}
}

func TestTimersAgainstList(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { compareTimers(t, seed) })
	}
}

func FuzzTimers(f *testing.F) {
	f.Add(uint64(1000))
	f.Fuzz(compareTimers)
}

// compareTimers sets, stops and runs timers by chance, and a list of times besides.
func compareTimers(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	const off = -1
	var (
		h     timers
		fired []int
		list  = make([]int64, 1+random.IntN(40)) // when each timer is due
		all   = make([]timer, len(list))
	)
	for i := range all {
		list[i] = off
		all[i].fire = func() { fired = append(fired, i) }
	}
	for now := int64(0); now < 100; now++ {
		for range random.IntN(4) {
			i := random.IntN(len(all))
			if random.IntN(4) == 0 {
				h.stop(&all[i])
				list[i] = off
				continue
			}
			list[i] = now + random.Int64N(20)
			h.set(&all[i], list[i])
		}
		fired = fired[:0]
		h.run(now)
		checkFired(t, list, fired, now)
		for _, i := range fired {
			list[i] = off
		}
		checkNext(t, h, list)
	}
}

// checkFired wants exactly those that were due, the earliest first.
func checkFired(t *testing.T, list []int64, fired []int, now int64) {
	var times []int64
	for _, i := range fired {
		times = append(times, list[i])
	}
	if !slices.IsSorted(times) {
		t.Fatalf("at %d fired times %v", now, times)
	}
	for i, at := range list {
		if due := at >= 0 && at <= now; due != slices.Contains(fired, i) {
			t.Fatalf("at %d timer %d of time %d: due is %v", now, i, at, due)
		}
	}
}

func checkNext(t *testing.T, h timers, list []int64) {
	want, armed := int64(1<<62), false
	for _, at := range list {
		if at >= 0 {
			want, armed = min(want, at), true
		}
	}
	if at, ok := h.next(); ok != armed || ok && at != want {
		t.Fatalf("next is %d, %v, want %d, %v", at, ok, want, armed)
	}
}

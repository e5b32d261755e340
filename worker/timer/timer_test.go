// The heap of deadlines against a list that is searched from end to end.

package timer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTimersFireInOrder(t *testing.T) {
	var h Heap
	var fired []int64
	for _, at := range []int64{50, 10, 40, 10, 30, 20} {
		tm := &Timer{Fire: func() { fired = append(fired, at) }}
		h.Set(tm, at)
	}
	h.Run(9)
	if fired != nil {
		t.Errorf("at 9 fired %v", fired)
	}
	h.Run(30)
	if want := []int64{10, 10, 20, 30}; !slices.Equal(fired, want) {
		t.Errorf("at 30 fired %v, want %v", fired, want)
	}
	if at, ok := h.Next(); at != 40 || !ok {
		t.Errorf("next is %d, %v", at, ok)
	}
	h.Run(50)
	if at, ok := h.Next(); ok {
		t.Errorf("after all have fired next is %d", at)
	}
}

func TestTimerMoves(t *testing.T) {
	var h Heap
	fired := 0
	tm := &Timer{Fire: func() { fired++ }}
	h.Stop(tm)
	h.Set(tm, 10)
	h.Set(tm, 20)
	h.Run(10)
	if fired != 0 {
		t.Error("fired at the time that was taken back")
	}
	h.Set(tm, 5)
	h.Run(10)
	h.Run(20)
	if fired != 1 {
		t.Errorf("fired %d times, want once", fired)
	}
	h.Set(tm, 30)
	h.Stop(tm)
	h.Stop(tm)
	h.Run(30)
	if fired != 1 {
		t.Error("fired after it was stopped")
	}
}

// A timer that sets itself again for a time that is over must not keep the loop from its other work.
func TestTimerSetWhileItFires(t *testing.T) {
	var h Heap
	fired := 0
	tm := new(Timer)
	tm.Fire = func() {
		fired++
		h.Set(tm, 0)
	}
	h.Set(tm, 0)
	h.Run(1)
	if fired != 1 {
		t.Errorf("fired %d times in one run", fired)
	}
	h.Run(1)
	if fired != 2 {
		t.Errorf("fired %d times in two runs", fired)
	}
}

// A timer may stop another that is due in the same run.
func TestTimerStoppedByAnother(t *testing.T) {
	var h Heap
	victim := &Timer{Fire: func() { t.Error("the victim fired") }}
	h.Set(&Timer{Fire: func() { h.Stop(victim) }}, 1)
	h.Set(victim, 2)
	h.Run(3)
	if at, ok := h.Next(); ok {
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
		h     Heap
		fired []int
		list  = make([]int64, 1+random.IntN(40)) // when each timer is due
		all   = make([]Timer, len(list))
	)
	for i := range all {
		list[i] = off
		all[i].Fire = func() { fired = append(fired, i) }
	}
	for now := int64(0); now < 100; now++ {
		for range random.IntN(4) {
			i := random.IntN(len(all))
			if random.IntN(4) == 0 {
				h.Stop(&all[i])
				list[i] = off
				continue
			}
			list[i] = now + random.Int64N(20)
			h.Set(&all[i], list[i])
		}
		fired = fired[:0]
		h.Run(now)
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

func checkNext(t *testing.T, h Heap, list []int64) {
	for i, tm := range h {
		if tm.pos != i+1 {
			t.Fatalf("timer %d thinks it is timer %d", i, tm.pos-1)
		}
	}
	want, armed := int64(1<<62), false
	for _, at := range list {
		if at >= 0 {
			want, armed = min(want, at), true
		}
	}
	if at, ok := h.Next(); ok != armed || ok && at != want {
		t.Fatalf("next is %d, %v, want %d, %v", at, ok, want, armed)
	}
}

package core

import (
	"testing"
	"time"
)

const testMost = 200 * time.Microsecond

// trusting returns a window that has found that sleeping pays.
func trusting(t *testing.T) window {
	t.Helper()
	w := window{most: testMost}
	turns := 1
	for ; w.sleep(2, 60) == 0; turns++ {
		if turns > tryEvery {
			t.Fatal("a sleep is never tried")
		}
	}
	if turns != tryEvery {
		t.Errorf("a sleep is tried after %d turns, want %d", turns, tryEvery)
	}
	for range mostTrust {
		w.slept(w.enough() - 1) // changes no width
		if d := w.sleep(2, 60); d != leastWidth {
			t.Fatalf("after a sleep that paid comes one of %v, want %v", d, leastWidth)
		}
	}
	return w
}

// A few clients are never held up, whatever they do, and nobody is where the window is off.
func TestWindowLeavesFewAlone(t *testing.T) {
	few, off := window{most: testMost, trust: mostTrust}, window{trust: mostTrust}
	for range 10 * tryEvery {
		if d := few.sleep(1, leastCrowd); d != 0 {
			t.Fatalf("%d clients are held up for %v", leastCrowd, d)
		}
		if d := off.sleep(1, 100); d != 0 {
			t.Fatalf("the window is off and sleeps %v", d)
		}
	}
}

// Sleeps become longer while they gather little, up to the bound, and shorter again when they gather enough.
func TestWindowFollowsWhatItGathers(t *testing.T) {
	w := trusting(t)
	last := w.sleep(2, 60)
	for range 100 {
		w.slept(leastGain)
		next := w.sleep(2, 60)
		if next < last || next > testMost {
			t.Fatalf("after %v comes %v", last, next)
		}
		last = next
	}
	if last != testMost {
		t.Errorf("sleeps become as long as %v, want %v", last, testMost)
	}
	for range 100 {
		w.slept(w.enough())
		next := w.sleep(2, 60)
		if next > last || next < leastWidth {
			t.Fatalf("after %v comes %v", last, next)
		}
		last = next
	}
	if last != leastWidth {
		t.Errorf("sleeps become as short as %v, want %v", last, leastWidth)
	}
	small := window{most: time.Microsecond, trust: mostTrust}
	if d := small.sleep(2, 60); d != small.most {
		t.Errorf("a sleep takes %v where %v is allowed", d, small.most)
	}
}

// Sleeps that gather nothing end, are tried again now and then, and come back within a few turns when they pay again.
func TestWindowStopsInVain(t *testing.T) {
	w := trusting(t)
	sleeps := 0
	for ; w.sleep(2, 60) > 0; sleeps++ {
		if sleeps > mostTrust {
			t.Fatal("sleeps go on although they gather nothing")
		}
		w.slept(leastGain - 1)
	}
	tried := 0
	for range 10 * tryEvery {
		if w.sleep(2, 60) > 0 {
			tried++
			w.slept(leastGain - 1)
		}
	}
	if tried < 9 || tried > 10 {
		t.Errorf("%d of %d turns are followed by a sleep in vain, want 9 or 10", tried, 10*tryEvery)
	}
	for turns := 0; w.sleep(2, 60) == 0; turns++ {
		if turns > tryEvery {
			t.Fatal("no sleep is tried any more")
		}
	}
	w.slept(leastGain)
	if w.sleep(2, 60) == 0 {
		t.Error("a try that paid is not followed by a sleep")
	}
}

// A turn that was full by itself is not followed by a sleep.
func TestWindowLeavesFullTurnsAlone(t *testing.T) {
	w := trusting(t)
	if d := w.sleep(w.enough(), 60); d != 0 {
		t.Errorf("a full turn is followed by a sleep of %v", d)
	}
	if w.sleep(w.enough()-1, 60) == 0 {
		t.Error("a turn that is not full is followed by none")
	}
}

// The crowd is forgotten: what was enough for many is not asked of few.
func TestWindowForgetsTheCrowd(t *testing.T) {
	w := window{most: testMost}
	w.sleep(0, 500)
	if w.enough() != fullTurn {
		t.Errorf("%d events are enough for 500 clients, want %d", w.enough(), fullTurn)
	}
	for range 5 * crowdScale {
		w.sleep(0, 12)
	}
	if got := w.enough(); got > 12/2 {
		t.Errorf("%d events are enough for 12 clients", got)
	}
}

// A crowd is one although few of it wait at the end of a turn; when it has gone, those who are left are not held up for it.
func TestWindowHoldsUpACrowdOfWhichFewWait(t *testing.T) {
	w := trusting(t)
	if w.sleep(2, leastCrowd/2) == 0 {
		t.Error("a turn that has answered most of a crowd is not followed by a sleep")
	}
	for range 5 * crowdScale {
		w.sleep(2, leastCrowd/2)
	}
	if d := w.sleep(2, leastCrowd/2); d != 0 {
		t.Errorf("a few clients are held up for %v long after the crowd", d)
	}
}

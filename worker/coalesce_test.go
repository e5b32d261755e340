package worker

import (
	"testing"
	"time"
)

const testMost = 200 * time.Microsecond

// A few clients are never held up, whatever they do, and nobody is where the window is off.
func TestWindowLeavesFewAlone(t *testing.T) {
	few, off := window{most: testMost}, window{}
	for range 10 * tryEvery {
		if d := few.sleep(1, leastBusy); d != 0 {
			t.Fatalf("%d clients are held up for %v", leastBusy, d)
		}
		if d := off.sleep(1, 100); d != 0 {
			t.Fatalf("the window is off and sleeps %v", d)
		}
	}
}

// The window is tried, opens while sleeping gathers something, up to its bound, and closes when it does not.
func TestWindowFollowsWhatItGathers(t *testing.T) {
	w := window{most: testMost}
	turns := 1
	for ; w.sleep(2, 60) == 0; turns++ {
		if turns > tryEvery {
			t.Fatal("the window is never tried")
		}
	}
	if turns != tryEvery {
		t.Errorf("the window is tried after %d turns, want %d", turns, tryEvery)
	}
	last := leastWidth
	for range 100 {
		w.slept(last, 2, 5)
		next := w.sleep(2, 60)
		if next < last || next > testMost {
			t.Fatalf("after %v comes %v", last, next)
		}
		last = next
	}
	if last != testMost {
		t.Errorf("the window opens up to %v, want %v", last, testMost)
	}
	if d := w.sleep(w.enough(), 60); d != 0 {
		t.Errorf("a turn that is full by itself sleeps %v", d)
	}
	w.slept(last, 2, 3*w.enough())
	if d := w.sleep(2, 60); d >= last {
		t.Errorf("a turn that gathered too much is followed by a sleep of %v after %v", d, last)
	}
	for n := 0; w.sleep(2, 60) > 0; n++ {
		if n > 10 {
			t.Fatal("the window stays open although it gathers nothing")
		}
		w.slept(w.width, 2, 0)
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

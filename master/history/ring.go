// Rings: one value in each of the last steps of time.

package history

import (
	"fmt"
	"math"
	"time"
)

// None stands in a step for which nothing is known.
const None float32 = -1

// Ring is a value by step. A step has a number: its beginning, counted from the epoch in steps.
type Ring struct {
	Newest int64     // number of the latest step that was set; 0: none was
	Values []float32 // by number modulo their count: those of the last steps up to Newest
}

func newRing(steps int) Ring {
	r := Ring{Values: make([]float32, steps)}
	for i := range r.Values {
		r.Values[i] = None
	}
	return r
}

func (r *Ring) place(step int64) *float32 { return &r.Values[step%int64(len(r.Values))] }

// set sets a step. One that is too old is not kept.
func (r *Ring) set(step int64, value float32) {
	if step <= r.Newest-int64(len(r.Values)) {
		return
	}
	for between := max(r.Newest+1, step-int64(len(r.Values))); between < step; between++ {
		*r.place(between) = None
	}
	*r.place(step) = value
	r.Newest = max(r.Newest, step)
}

// fill sets the short steps after that of one moment, up to that of another.
func (r *Ring) fill(from, to time.Time, value float32) {
	last := stepOf(to, ShortStep)
	for step := max(min(stepOf(from, ShortStep)+1, last), last-int64(len(r.Values))+1); step <= last; step++ {
		r.set(step, value)
	}
}

// at returns the value of a step.
func (r *Ring) at(step int64) float32 {
	if step > r.Newest || step <= r.Newest-int64(len(r.Values)) || step < 0 {
		return None
	}
	return *r.place(step)
}

// check reports a ring from a file that is none of so many steps.
func (r *Ring) check(steps int) error {
	if len(r.Values) != steps || r.Newest < 0 {
		return fmt.Errorf("a ring of %d steps up to %d, want %d steps", len(r.Values), r.Newest, steps)
	}
	for _, v := range r.Values {
		if v != v || math.IsInf(float64(v), 0) { // JSON has no such numbers
			return fmt.Errorf("a ring with %g in it", v)
		}
	}
	return nil
}

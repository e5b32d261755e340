// Charts: what is drawn.

package history

import (
	"math"
	"time"
)

// Chart is values of the last steps, the oldest first; None where nothing is known.
type Chart struct {
	StepSeconds int64                `json:"step"`
	Last        int64                `json:"last"` // when the last step begins, in s since the epoch
	Values      map[string][]float32 `json:"values"`
	Servers     map[string][]float32 `json:"servers,omitempty"` // of a pool: requests per second
}

// Chart returns that of a pool, or of all together without a name, up to a moment; false: there is no such pool.
func (h *History) Chart(pool string, long bool, now time.Time) (c Chart, has bool) {
	t := h.Total
	if pool != "" {
		if t = h.Pools[pool]; t == nil {
			return c, false
		}
	}
	step, steps, rings := ShortStep, ShortSteps, &t.Short
	if long {
		step, steps, rings = LongStep, LongSteps, &t.Long
	}
	last := stepOf(now, step)
	c = Chart{StepSeconds: int64(step / time.Second), Last: last * int64(step/time.Second), Values: map[string][]float32{}}
	for i := range rings {
		c.Values[Names[i]] = rings[i].upTo(last, steps)
	}
	if pool == "" {
		return c, true
	}
	c.Servers = map[string][]float32{}
	for at, r := range h.Servers {
		if at.Pool != pool {
			continue
		}
		ring := &r.Short
		if long {
			ring = &r.Long
		}
		c.Servers[at.Server] = ring.upTo(last, steps)
	}
	return c, true
}

// upTo returns the values of so many steps, the last one included, in as many digits as anybody sees.
func (r *Ring) upTo(last int64, steps int) []float32 {
	values := make([]float32, steps)
	for i := range values {
		values[i] = short(r.at(last - int64(steps-1-i)))
	}
	return values
}

// short rounds to a tenth, and from 100 on to whole numbers.
func short(v float32) float32 {
	if v >= 100 {
		return float32(math.Round(float64(v)))
	}
	return float32(math.Round(float64(v)*10) / 10)
}

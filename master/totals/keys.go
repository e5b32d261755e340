// Hot and big keys: what the workers of all generations have counted, as one.

package totals

import (
	"cmp"
	"math"
	"slices"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sketch"
)

// Key is one of those that are asked for most. Counts are of the last minutes: what is older by a minute counts half. Tools read it
// as JSON; a field keeps its name and unit.
type Key struct {
	Pool     string  `json:"pool"`
	Key      string  `json:"key"`               // its first bytes, as Go writes strings: "\x00" stands for a byte
	Cut      bool    `json:"cut,omitempty"`     // it has more
	Count    uint64  `json:"count"`             // of requests, or of bytes of them and their replies, as far as this is known
	TooLarge uint64  `json:"too_large"`         // by how much that may be too large, and
	TooSmall uint64  `json:"too_small"`         // too small, since there is room for some keys only
	Chance   uint64  `json:"chance"`            // by how much that may be wrong, in 19 of 20 cases, since some requests only are looked at
	Share    float64 `json:"share"`             // of all that was counted in the pool
	Largest  uint64  `json:"largest,omitempty"` // of bytes: the largest request or reply that was looked at
}

// Keys returns the keys of a pool with most requests, or bytes, the first n of each pool; without a name, of all pools.
func (w *Whole) Keys(by int, name string, n int, now int64) (all []Key) {
	for i := range w.serving.Pools {
		p := &w.serving.Pools[i]
		if name == "" || p.Name == name {
			all = append(all, w.keysOf(by, p.Name, n, now)...)
		}
	}
	slices.SortStableFunc(all, func(a, b Key) int { return cmp.Compare(b.Count, a.Count) })
	return all
}

// keysOf returns the keys of a pool.
func (w *Whole) keysOf(by int, pool string, n int, now int64) (all []Key) {
	var tops []sketch.Top
	tops = w.serving.sketches(by, pool, now, tops)
	for i := range w.others {
		tops = w.others[i].sketches(by, pool, now, tops)
	}
	total := uint64(0)
	for _, t := range tops {
		total += t.Total()
	}
	for _, m := range sketch.Merge(n, tops...) {
		all = append(all, Key{
			Pool: pool, Key: Escape(m.Key), Cut: m.Cut, Count: m.Count.Count, TooLarge: m.Error, TooSmall: m.Missing,
			Chance: uint64(2 * math.Sqrt(float64(m.Squares))), Share: float64(m.Count.Count) / float64(max(total, 1)), Largest: m.Largest,
		})
	}
	return all
}

// sketches appends copies of those of a pool, as they would be if all workers halved their counts in time.
func (c *Counters) sketches(by int, pool string, now int64, tops []sketch.Top) []sketch.Top {
	for i := range c.Pools {
		if c.Pools[i].Name != pool {
			continue
		}
		for slot := range c.Slots() {
			at := c.KeysFrom(slot, i)
			if at == 0 {
				continue
			}
			t := c.Shared.Keys(by, slot, i).Copy()
			for range min(max(now-int64(at), 0)/int64(link.KeysHalveEvery), 64) {
				t.Halve()
			}
			tops = append(tops, t)
		}
	}
	return tops
}

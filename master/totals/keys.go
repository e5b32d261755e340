// Hot and big keys: what the workers of all generations have counted, as one.

package totals

import (
	"cmp"
	"maps"
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
	if kept, has := w.keys[sketchOf{pool, by}]; has {
		tops = append(tops, kept.after(now))
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
			tops = append(tops, keptKeys{c.Shared.Keys(by, slot, i), int64(at)}.after(now))
		}
	}
	return tops
}

// sketchOf names the sketches of a pool, by requests or by bytes.
type sketchOf struct {
	pool string
	by   int
}

// keptKeys is a sketch, and when its counts were last halved, in ns of CLOCK_MONOTONIC.
type keptKeys struct {
	top sketch.Top
	at  int64
}

// after returns a copy as it would be at a time.
func (k keptKeys) after(now int64) sketch.Top {
	t := k.top.Copy()
	for range min(max(now-k.at, 0)/int64(link.KeysHalveEvery), 64) {
		t.Halve()
	}
	return t
}

// mostKeptKeys is how many keys are kept of a pool when a generation ends.
const mostKeptKeys = 64

// keepKeys keeps the keys of a generation that ends, so that a reload or an upgrade does not make the hottest unknown.
func (t *Totals) keepKeys(c *Counters, now int64) {
	all := maps.Clone(t.keys)
	if all == nil {
		all = map[sketchOf]keptKeys{}
	}
	maps.DeleteFunc(all, func(_ sketchOf, k keptKeys) bool { return now-k.at >= 64*int64(link.KeysHalveEvery) })
	for i := range c.Pools {
		for _, by := range []int{link.ByRequests, link.ByBytes} {
			of := sketchOf{c.Pools[i].Name, by}
			tops := c.sketches(by, of.pool, now, nil)
			if kept, has := all[of]; has {
				tops = append(tops, kept.after(now))
			}
			if merged := sketch.Merge(mostKeptKeys, tops...); len(merged) > 0 {
				all[of] = keptKeys{sketch.Of(merged), now}
			}
		}
	}
	t.keys = all
}

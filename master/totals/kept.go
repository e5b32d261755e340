// What one master leaves to the next of generations that are gone, beside what they have counted: slow requests, and keys that were asked
// for most.

package totals

import (
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sketch"
)

// Kept is that, in the form in which one master tells another.
type Kept struct {
	Slow      []SlowRequest        `json:"slow,omitempty"`       // the latest first
	SlowSince map[string]time.Time `json:"slow_since,omitempty"` // by pool: earlier ones are forgotten
	Keys      []KeptKeys           `json:"keys,omitempty"`
}

// KeptKeys are those of a pool.
type KeptKeys struct {
	Pool string    `json:"pool"`
	By   string    `json:"by"` // "requests" or "bytes"; what it else is, this build does not know
	At   int64     `json:"at"` // when counts were last halved, in ns of CLOCK_MONOTONIC, which both sides see
	Keys []KeptKey `json:"keys"`
}

// KeptKey is one of them, see sketch.Count.
type KeptKey struct {
	Hash    uint64 `json:"hash"`
	Key     []byte `json:"key"`
	Cut     bool   `json:"cut,omitempty"`
	Count   uint64 `json:"count"`
	Error   uint64 `json:"error,omitempty"`
	Largest uint64 `json:"largest,omitempty"`
	Squares uint64 `json:"squares,omitempty"`
}

var keptBy = map[int]string{link.ByRequests: "requests", link.ByBytes: "bytes"}

// Kept returns what the next master is told.
func (t *Totals) Kept() *Kept {
	k := &Kept{Slow: t.slow, SlowSince: t.slowSince}
	for of, kept := range t.keys {
		one := KeptKeys{Pool: of.pool, By: keptBy[of.by], At: kept.at}
		counts, _ := kept.top.Read()
		for _, c := range counts {
			one.Keys = append(one.Keys, KeptKey{c.Hash, c.Key, c.Cut, c.Count, c.Error, c.Largest, c.Squares})
		}
		k.Keys = append(k.Keys, one)
	}
	return k
}

// Keep takes what the master before has told; nil: it does not know of such things.
func (t *Totals) Keep(k *Kept) {
	if k == nil {
		return
	}
	t.slow, t.slowSince, t.keys = k.Slow[:min(len(k.Slow), mostKeptSlow)], k.SlowSince, map[sketchOf]keptKeys{}
	for _, one := range k.Keys {
		for by, name := range keptBy {
			if name != one.By {
				continue
			}
			var all []sketch.Merged
			for _, c := range one.Keys[:min(len(one.Keys), mostKeptKeys)] {
				all = append(all, sketch.Merged{Count: sketch.Count{Hash: max(c.Hash, 1), Key: c.Key, Cut: c.Cut, Count: c.Count, Error: c.Error, Largest: c.Largest, Squares: c.Squares}})
			}
			t.keys[sketchOf{one.Pool, by}] = keptKeys{sketch.Of(all), one.At}
		}
	}
}

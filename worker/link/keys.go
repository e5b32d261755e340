// Keys that are asked for most: per slot and pool two sketches, by requests and by bytes, see package sketch.

package link

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/sketch"
)

const (
	// ofHotKeys and ofBigKeys are words of an entry of a sketch of a pool, by requests and by bytes.
	ofHotKeys = "keys_by_requests"
	ofBigKeys = "keys_by_bytes"

	// KeysHalveEvery is how often counts are halved.
	KeysHalveEvery = time.Minute

	sketchBytes = 1 << 20 // of all sketches of a worker
	mostKeys    = 256     // entries of a sketch; of many pools, as many as there is room for
)

var keyWords = []string{"hash", "count", "error", "largest", "squares", "key"}

// The kinds of sketches.
const (
	ByRequests = iota
	ByBytes
)

// layKeys places the sketches, and when their counts were last halved.
func (l *layout) layKeys() {
	entries := min(mostKeys, sketchBytes/max(1, 2*len(l.Servers)*sketch.EntryWords*wordBytes))
	times := make([]int, len(l.Servers))
	for i := range times {
		times[i] = i
	}
	halved := block{Of: ofPool, Words: states("keys_halved_at"), First: l.end, Slots: l.Slots, PerSlot: roundUp(len(times)), Pools: times}
	l.add(halved)
	l.end += halved.Slots * halved.PerSlot
	if entries == 0 {
		return
	}
	perSketch := entries * sketch.EntryWords
	for _, of := range []string{ofHotKeys, ofBigKeys} {
		pools := make([]int, len(l.Servers))
		for i := range pools {
			pools[i] = i * perSketch
		}
		b := block{Of: of, Words: states(keyWords...), First: l.end, Slots: l.Slots, PerSlot: roundUp(perSketch * len(pools)), Pools: pools,
			Entries: entries, PerEntry: sketch.EntryWords}
		l.add(b)
		l.end += b.Slots * b.PerSlot
	}
}

// locateKeys finds the sketches. Those of another build that have other entries are not read.
func (s *Shared) locateKeys() {
	s.keysHalved = s.place(ofPool, "keys_halved_at", s.dir.Slots)
	for i, of := range []string{ofHotKeys, ofBigKeys} {
		first := s.dir.find(of, keyWords[0])
		if first.block == nil || first.PerEntry != sketch.EntryWords {
			continue
		}
		same := true
		for column, name := range keyWords {
			p := s.dir.find(of, name)
			same = same && p.block == first.block && p.column == column
		}
		if same {
			s.keys[i] = first
		}
	}
}

// Keys returns a sketch of a slot and pool, ByRequests or ByBytes. That slot's worker writes it.
func (s *Shared) Keys(by, slot, pool int) sketch.Top {
	p := s.keys[by]
	if p.block == nil || slot >= p.Slots {
		return sketch.New(nil)
	}
	first := p.First + slot*p.PerSlot + p.Pools[pool]
	return sketch.New(s.words[first : first+p.Entries*p.PerEntry])
}

// KeysHalvedAt is when a slot's worker last halved the counts of a pool, or began to count, in ns of CLOCK_MONOTONIC; it writes the
// word with plain stores. 0: it counts nothing.
func (s *Shared) KeysHalvedAt(slot, pool int) *uint64 { return s.own(s.keysHalved, slot, pool, 0) }

// KeysFrom returns that for a reader.
func (s *Shared) KeysFrom(slot, pool int) uint64 {
	return atomic.LoadUint64(s.KeysHalvedAt(slot, pool))
}

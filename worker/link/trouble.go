// What is wrong with each server, as each worker has last found it: for whoever asks for the status. Nothing is decided by it.

package link

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// A slot has four words for each server: why the worker cannot use it and since when, and when that was last so; what the server
// last said to a request that it could not serve, and when it did.
var troubleNames = [...]string{"trouble", "trouble_at", "protest", "protest_at"}

// troubleGap is how long two workers may have tried a server one after the other for what they found to be one and the same.
const troubleGap = int64(time.Minute)

// TroubleWords are where a worker writes what is wrong with a server, with atomic stores.
type TroubleWords [len(troubleNames)]*uint64

// Troubles returns the words of a server in a slot, which its worker writes, and for Legacy the master.
func (s *Shared) Troubles(slot, pool, server int) (words TroubleWords) {
	for i := range words {
		words[i] = s.own(s.troubles[i], slot, pool, server)
	}
	return words
}

// NewTroubles returns words that nobody else reads.
func NewTroubles() (words TroubleWords) {
	for i := range words {
		words[i] = new(uint64)
	}
	return words
}

// Note notes that the server cannot be used, at a time in ns of CLOCK_MONOTONIC. It is in trouble since it last could, whatever the
// trouble was then.
func (w TroubleWords) Note(why Trouble, now int64) {
	since := Ejection(atomic.LoadUint64(w[0])).Since()
	if since == 0 {
		since = now / int64(time.Millisecond)
	}
	atomic.StoreUint64(w[0], uint64(NewEjection(why, since)))
	atomic.StoreUint64(w[1], uint64(now))
}

// Is tells what trouble is noted; TroubleUnknown: none.
func (w TroubleWords) Is() Trouble { return Ejection(atomic.LoadUint64(w[0])).Why() }

// End notes that the server can be used.
func (w TroubleWords) End() { atomic.StoreUint64(w[0], 0) }

// Protest notes that the server has said to a request that it cannot serve it.
func (w TroubleWords) Protest(why Trouble, now int64) {
	atomic.StoreUint64(w[2], uint64(NewEjection(why, 0)))
	atomic.StoreUint64(w[3], uint64(now))
}

// Found is what workers have found wrong with a server, at times in ns of CLOCK_MONOTONIC.
type Found struct {
	Why   Trouble
	Since int64 // when it was first found
	At    int64 // and last
}

// TroubleOf returns why a server cannot be used; TroubleUnknown: as far as is known it can, since none has found anything wrong, or one
// that has not has heard from it later.
func (s *Shared) TroubleOf(pool, server int) Found {
	var all []Found
	witness := int64(0)
	for slot := range s.dir.Slots + 1 {
		w := s.Troubles(slot, pool, server)
		if word := Ejection(atomic.LoadUint64(w[0])); word.Why() != TroubleUnknown {
			all = append(all, Found{word.Why(), word.Since() * int64(time.Millisecond), int64(atomic.LoadUint64(w[1]))})
		} else if heard := s.heardIn(slot, pool, server); heard > witness {
			witness = heard
		}
	}
	return joined(slices.DeleteFunc(all, func(f Found) bool { return f.At <= witness }))
}

// heardIn returns when a slot's worker last heard from a server; 0: never.
func (s *Shared) heardIn(slot, pool, server int) int64 {
	if slot >= s.dir.Slots || s.heard.block == nil {
		return 0
	}
	return int64(atomic.LoadUint64(s.Heard(slot, pool, server)))
}

// joined makes one of what several workers have found: what the last one has, since when the first one did that was not long before.
func joined(all []Found) (f Found) {
	slices.SortFunc(all, func(a, b Found) int { return cmp.Compare(b.At, a.At) })
	for i, other := range all {
		switch {
		case i == 0:
			f = other
		case other.At >= f.Since-troubleGap:
			f.Since = min(f.Since, other.Since)
		}
	}
	return f
}

// ProtestOf returns what a server last said to a request that it could not serve; TroubleUnknown: nothing.
func (s *Shared) ProtestOf(pool, server int) (last Found) {
	for slot := range s.dir.Slots {
		w := s.Troubles(slot, pool, server)
		if at := int64(atomic.LoadUint64(w[3])); at > last.At {
			last = Found{Why: Ejection(atomic.LoadUint64(w[2])).Why(), At: at}
		}
	}
	return last
}

// InheritTrouble has the words of Legacy say what workers of another generation have found.
func (s *Shared) InheritTrouble(pool, server int, f Found) {
	w := s.Troubles(s.Legacy(), pool, server)
	atomic.StoreUint64(w[1], uint64(f.At))
	atomic.StoreUint64(w[0], uint64(NewEjection(f.Why, f.Since/int64(time.Millisecond))))
}

// Package sketch finds the keys that are asked for most, in a fixed amount of memory that another process may read.
//
//	key, weight ──Add──► entries: one for each key that may be among the first ──Read──► keys, counts, by how much too large
//
// It is Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005): a key
// that has no entry takes over that with the least count, and its count, by which its own is then too large at most. Of weights that
// sum up to N, no count among m entries is too large by more than N/m, and no key with more than that is missing. Counts are halved
// now and then, so that keys that were hot are forgotten.
//
// One goroutine of one process adds; any may read meanwhile. An entry's hash is 0 while it changes hands.
package sketch

import (
	"math"
	"math/bits"
	"sync/atomic"
)

// Words of an entry.
const (
	hashWord    = 0 // of the whole key; 0: there is none
	countWord   = 1 // of weights
	errorWord   = 2 // by how much that may be too large
	largestWord = 3 // the largest size that came with the key
	squaresWord = 4 // of weights, the sum of their squares, or the largest number: what is known of chance, if they stand for what was not looked at
	keyWord     = 5 // its length, up to MaxKey, in the lowest byte, and its first bytes

	// EntryWords is how many words an entry has.
	EntryWords = 12
	// MaxKey is how many bytes of a key are kept.
	MaxKey = (EntryWords-keyWord)*8 - 1
)

// Top is the memory of a sketch.
type Top struct{ words []uint64 }

// New returns the sketch in words, which are 0 or have been written by one. Of words that are too few for one more entry the rest
// is not used.
func New(words []uint64) Top { return Top{words[:len(words)/EntryWords*EntryWords]} }

// Hash returns the hash of a key, in every process the same: FNV-1a of 64 bits, and never 0.
func Hash(key []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range key {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return max(h, 1)
}

// Add adds a weight to the count of a key, to which something of this size was done. It looks at all entries.
func (t Top) Add(key []byte, hash, weight, size uint64) {
	if len(t.words) == 0 || weight == 0 {
		return
	}
	least, at := uint64(math.MaxUint64), 0
	for i := 0; i < len(t.words); i += EntryWords {
		if t.words[i+hashWord] == hash {
			t.at(i).grow(weight, size)
			return
		}
		if n := t.words[i+countWord]; n < least {
			least, at = n, i
		}
	}
	e := t.at(at)
	atomic.StoreUint64(&e[hashWord], 0)
	e.storeKey(key)
	atomic.StoreUint64(&e[countWord], least)
	atomic.StoreUint64(&e[errorWord], least)
	atomic.StoreUint64(&e[largestWord], 0)
	atomic.StoreUint64(&e[squaresWord], 0)
	e.grow(weight, size)
	atomic.StoreUint64(&e[hashWord], hash)
}

// Grow adds to the count of a key if it has an entry.
func (t Top) Grow(hash, weight, size uint64) {
	for i := 0; i < len(t.words); i += EntryWords {
		if t.words[i+hashWord] == hash {
			t.at(i).grow(weight, size)
			return
		}
	}
}

// Halve halves all counts.
func (t Top) Halve() {
	for i := 0; i < len(t.words); i += EntryWords {
		e := t.at(i)
		atomic.StoreUint64(&e[countWord], e[countWord]/2)
		atomic.StoreUint64(&e[errorWord], e[errorWord]/2)
		atomic.StoreUint64(&e[squaresWord], e[squaresWord]/4)
	}
}

func (t Top) at(i int) entry { return entry(t.words[i : i+EntryWords]) }

type entry []uint64

func (e entry) grow(weight, size uint64) {
	atomic.StoreUint64(&e[countWord], e[countWord]+weight)
	atomic.StoreUint64(&e[squaresWord], addSquare(e[squaresWord], weight))
	if size > e[largestWord] {
		atomic.StoreUint64(&e[largestWord], size)
	}
}

// addSquare returns sum + weight², or the largest number.
func addSquare(sum, weight uint64) uint64 {
	high, square := bits.Mul64(weight, weight)
	if sum, carry := bits.Add64(sum, square, 0); high|carry == 0 {
		return sum
	}
	return math.MaxUint64
}

func (e entry) storeKey(key []byte) {
	word, shift, next := uint64(min(len(key), MaxKey+1)), 8, keyWord
	for _, c := range key[:min(len(key), MaxKey)] {
		word |= uint64(c) << shift
		if shift += 8; shift == 64 {
			atomic.StoreUint64(&e[next], word)
			word, shift, next = 0, 0, next+1
		}
	}
	if shift > 0 {
		atomic.StoreUint64(&e[next], word)
	}
}

// Count is what is known of a key.
type Count struct {
	Hash    uint64
	Key     []byte // its first bytes
	Cut     bool   // it has more
	Count   uint64 // of weights
	Error   uint64 // by how much that may be too large
	Largest uint64 // size
	Squares uint64 // of weights
}

// Read returns the keys that have an entry, and what a key that has none may have at most.
func (t Top) Read() (all []Count, most uint64) {
	most = math.MaxUint64
	for i := 0; i < len(t.words); i += EntryWords {
		var e [EntryWords]uint64
		for k := range e {
			e[k] = atomic.LoadUint64(&t.words[i+k])
		}
		most = min(most, e[countWord])
		if e[hashWord] == 0 || atomic.LoadUint64(&t.words[i+hashWord]) != e[hashWord] || e[countWord] == 0 {
			continue
		}
		key, cut := loadKey(&e)
		all = append(all, Count{e[hashWord], key, cut, e[countWord], min(e[errorWord], e[countWord]), e[largestWord], e[squaresWord]})
	}
	if len(t.words) == 0 {
		most = 0
	}
	return all, most
}

func loadKey(e *[EntryWords]uint64) (key []byte, cut bool) {
	n := int(e[keyWord] & 0xff)
	cut, n = n > MaxKey, min(n, MaxKey)
	key = make([]byte, n)
	for i := range key {
		at := i + 1
		key[i] = byte(e[keyWord+at/8] >> (at % 8 * 8))
	}
	return key, cut
}

// Copy returns a copy, whose entries are as whole as Read's.
func (t Top) Copy() Top {
	words := make([]uint64, len(t.words))
	for i := 0; i < len(words); i += EntryWords {
		e := words[i : i+EntryWords]
		for k := range e {
			e[k] = atomic.LoadUint64(&t.words[i+k])
		}
		if atomic.LoadUint64(&t.words[i+hashWord]) != e[hashWord] {
			e[hashWord] = 0
		}
	}
	return Top{words}
}

// Total returns the sum of all weights.
func (t Top) Total() (n uint64) {
	for i := 0; i < len(t.words); i += EntryWords {
		n += atomic.LoadUint64(&t.words[i+countWord])
	}
	return n
}

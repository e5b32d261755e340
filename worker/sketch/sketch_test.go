package sketch

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const testEntries = 256

func newTop(entries int) Top { return New(make([]uint64, entries*EntryWords)) }

// Of a stream of a million keys that follows Zipf's law, of which one request in 64 or so is looked at, it finds those asked for most.
func TestZipf(t *testing.T) {
	const keys, requests, interval = 1_000_000, 2_000_000, 32
	for seed := range uint64(2) {
		source := rand.New(rand.NewPCG(seed, 7))
		zipf := rand.NewZipf(source, 1.1, 1, keys-1)
		tops := []Top{newTop(testEntries), newTop(testEntries)}
		counts := make([]int, keys)
		left := 1
		for range requests {
			key := zipf.Uint64()
			counts[key]++
			if left--; left > 0 {
				continue
			}
			left = 1 + source.IntN(2*interval-1)
			name := fmt.Appendf(nil, "key:%d", key)
			tops[source.IntN(2)].Add(name, Hash(name), interval, 0)
		}
		truth := make([]uint64, 100) // the law has the first ones among the first
		for i := range truth {
			truth[i] = uint64(i)
		}
		slices.SortFunc(truth, func(a, b uint64) int { return cmp.Compare(counts[b], counts[a]) })
		truth = truth[:10]
		found := 0
		for _, m := range Merge(10, tops...) {
			if slices.ContainsFunc(truth, func(key uint64) bool { return string(m.Key) == fmt.Sprintf("key:%d", key) }) {
				found++
			}
		}
		if found < 9 {
			t.Errorf("seed %d: %d of the true top 10 were found", seed, found)
		}
	}
}

// Bounds hold, whatever is added.
func FuzzBounds(f *testing.F) {
	f.Add([]byte("abacabadabacabae"), uint8(3))
	f.Add(bytes.Repeat([]byte("xyz"), 100), uint8(2))
	f.Fuzz(func(t *testing.T, stream []byte, entries uint8) {
		tops := []Top{newTop(1 + int(entries%8)), newTop(1 + int(entries%5))}
		truth := map[string]uint64{}
		total := uint64(0)
		for i, c := range stream {
			key := strings.Repeat(string(rune(c)), 1+int(c)%70)
			weight := uint64(1 + c%5)
			tops[i%2].Add([]byte(key), Hash([]byte(key)), weight, uint64(c))
			truth[key] += weight
			total += weight
		}
		seen := map[uint64]bool{}
		for _, m := range Merge(1000, tops...) {
			for key, n := range truth {
				if Hash([]byte(key)) != m.Hash {
					continue
				}
				seen[m.Hash] = true
				if n > m.Count.Count+m.Missing || n+m.Error < m.Count.Count {
					t.Errorf("%q has %d, and is said to have %d, too large by %d or too small by %d at most", key, n, m.Count.Count, m.Error, m.Missing)
				}
				if m.Cut != (len(key) > MaxKey) || !strings.HasPrefix(key, string(m.Key)) || !m.Cut && string(m.Key) != key {
					t.Errorf("%q is shown as %q", key, m.Key)
				}
			}
		}
		for _, top := range tops {
			if _, most := top.Read(); most*uint64(len(top.words)/EntryWords) > total {
				t.Errorf("of %d, a key may be missing that has %d", total, most)
			}
		}
	})
}

// Large weights, as bytes of large values, do not make their squares small.
func TestSquaresDoNotOverflow(t *testing.T) {
	one, other := newTop(2), newTop(2)
	hash := Hash([]byte("a"))
	for _, top := range []Top{one, other} {
		top.Add([]byte("a"), hash, 1<<31, 0)
		top.Grow(hash, 1<<32, 0)
		top.Grow(hash, 1, 0)
	}
	if got := Merge(1, one, other); got[0].Squares != math.MaxUint64 {
		t.Errorf("squares are %d", got[0].Squares)
	}
	one.Halve()
	one.Grow(hash, 1<<31, 0)
	if got := Merge(1, one); got[0].Squares != math.MaxUint64/4+1<<62 {
		t.Errorf("squares are %d", got[0].Squares)
	}
}

func TestHalve(t *testing.T) {
	top := newTop(2)
	top.Add([]byte("a"), Hash([]byte("a")), 10, 7)
	top.Add([]byte("b"), Hash([]byte("b")), 1, 0)
	top.Grow(Hash([]byte("a")), 6, 9)
	top.Grow(Hash([]byte("c")), 6, 9)
	top.Halve()
	got := Merge(9, top)
	if len(got) != 1 || got[0].Count.Count != 8 || got[0].Largest != 9 || got[0].Squares != 34 {
		t.Errorf("got %+v", got)
	}
	for range 4 {
		top.Halve()
	}
	if got := Merge(9, top); len(got) != 0 {
		t.Errorf("what is forgotten is %+v", got)
	}
}

// What was merged is a sketch again, with the same keys, counts and doubts.
func TestOfMerged(t *testing.T) {
	long := []byte(strings.Repeat("k", MaxKey+9))
	a, b := newTop(8), newTop(8)
	for i, key := range [][]byte{[]byte("one"), long, {}, []byte("four")} {
		a.Add(key, Hash(key), uint64(i+1), uint64(10*i))
		b.Add(key, Hash(key), uint64(i+2), uint64(20*i))
	}
	want := Merge(3, a, b)
	got := Merge(9, Of(want))
	for i := range want {
		want[i].Missing = 0 // the one sketch that there is knows them
	}
	if len(want) != 3 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNoRoom(t *testing.T) {
	top := New(make([]uint64, EntryWords-1))
	top.Add([]byte("a"), 1, 1, 1)
	if all, most := top.Read(); len(all) > 0 || most != 0 {
		t.Errorf("got %v, %d", all, most)
	}
}

func BenchmarkAdd(b *testing.B) {
	top := newTop(testEntries)
	source := rand.New(rand.NewPCG(1, 7))
	zipf := rand.NewZipf(source, 1.1, 1, 1_000_000-1)
	b.ReportAllocs()
	for b.Loop() {
		key := [8]byte{}
		n := zipf.Uint64()
		for i := range key {
			key[i] = byte(n >> (8 * i))
		}
		top.Add(key[:], Hash(key[:]), 1, 1)
	}
}

// Several sketches as one. (Agarwal and others: "Mergeable Summaries", 2012.)

package sketch

import (
	"cmp"
	"math"
	"slices"
)

// Merge returns the keys of several sketches with the greatest counts, the first n of them. Missing is by how much a count may
// be too small: what sketches have at most of keys that they have no entry for.
func Merge(n int, tops ...Top) []Merged {
	byHash := map[uint64]*Merged{}
	total := uint64(0)
	for _, t := range tops {
		counts, most := t.Read()
		total += most
		for _, c := range counts {
			m := byHash[c.Hash]
			if m == nil {
				m = &Merged{Count: Count{Hash: c.Hash, Key: c.Key, Cut: c.Cut}}
				byHash[c.Hash] = m
			}
			m.add(&c, most)
		}
	}
	var all []Merged
	for _, m := range byHash {
		m.Missing = total - m.Missing
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b Merged) int {
		return cmp.Or(cmp.Compare(b.Count.Count, a.Count.Count), slices.Compare(a.Key, b.Key), cmp.Compare(a.Hash, b.Hash))
	})
	return all[:min(n, len(all))]
}

// Merged is what several sketches know of a key.
type Merged struct {
	Count
	Missing uint64 // by how much Count may be too small
}

// add adds what one sketch knows, which has most at most of keys that it does not know.
func (m *Merged) add(c *Count, most uint64) {
	m.Count.Count += c.Count
	m.Error += c.Error
	if m.Squares += c.Squares; m.Squares < c.Squares {
		m.Squares = math.MaxUint64
	}
	m.Largest = max(m.Largest, c.Largest)
	m.Missing += most
}

// Of returns a sketch of keys that were merged, of which the others have no more than the last one.
func Of(all []Merged) Top {
	t := New(make([]uint64, len(all)*EntryWords))
	for i := range all {
		m, e := &all[i], t.at(i*EntryWords)
		e[hashWord], e[countWord], e[errorWord], e[largestWord], e[squaresWord] = m.Hash, m.Count.Count, m.Error, m.Largest, m.Squares
		e.storeKey(m.Key)
		if m.Cut {
			e[keyWord] = e[keyWord]&^0xff | MaxKey + 1
		}
	}
	return t
}

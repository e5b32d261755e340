// The ring against the definition of its lookup, and the points of ketama against C.

package shard

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"testing"
)

// linearOwner is the definition: the first point at or after slot, else the lowest one.
func linearOwner(points []point, slot uint32) int {
	sorted := slices.Clone(points)
	slices.SortStableFunc(sorted, func(a, b point) int { return cmp.Compare(a.value(), b.value()) })
	for _, p := range sorted {
		if p.value() >= slot {
			return p.server()
		}
	}
	if len(sorted) == 0 {
		return -1
	}
	return sorted[0].server()
}

// The input is read as point values; servers are numbered in the order of appending, as SetLive appends them.
func FuzzRing(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 128, 255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, data []byte) {
		var r ring
		r.points = append(r.points, newPoint(7, 99), newPoint(8, 98))
		r.seal(math.MaxUint32)
		r.reset() // nothing of an earlier ring may remain
		var points []point
		greatest := uint32(0)
		for ; len(data) >= 4; data = data[4:] {
			value := binary.LittleEndian.Uint32(data)
			points = append(points, newPoint(value, len(points)))
			greatest = max(greatest, value)
		}
		r.points = append(r.points, points...)
		if len(data) > 0 {
			greatest = math.MaxUint32
		}
		r.seal(greatest)
		slots := []uint32{0, 1, greatest / 2, greatest}
		for _, p := range points {
			slots = append(slots, p.value()-1, p.value(), p.value()+1)
		}
		for _, slot := range slots {
			if slot > greatest {
				continue
			}
			if got, want := r.owner(slot), linearOwner(points, slot); got != want {
				t.Fatalf("owner(%#x) = %d, want %d, points %x", slot, got, want, points)
			}
		}
	})
}

// A lookup must stay short: the buckets have about one point each, for any number of servers.
func TestRingStepsAreFew(t *testing.T) {
	for _, n := range []int{2, 5, 16, 50, 500} {
		m := NewMap(Ketama, nil, HashTag{}, equalServers(n))
		steps, lookups := 0, 0
		for slot := uint32(0); slot < math.MaxUint32-1<<16; slot += 1 << 16 {
			steps += m.ring.find(slot) - int(m.ring.buckets[slot>>m.ring.shift])
			lookups++
		}
		if mean := float64(steps) / float64(lookups); mean > 1 {
			t.Errorf("%d servers: %.2f steps on average", n, mean)
		}
	}
}

// Computed by the formula of nc_ketama.c, compiled with gcc for x86-64. In double precision, or with exact arithmetic,
// each of those marked would be one more.
func TestKetamaDigests(t *testing.T) {
	for _, test := range []struct {
		weight int
		total  uint64
		live   int
		want   int
	}{
		{1, 1, 1, 40},
		{1, 3, 3, 40},
		{1, 7, 7, 40},
		{1, 24, 24, 40},
		{1, 25, 25, 39}, // marked
		{1, 50, 50, 39}, // marked
		{1, 200, 200, 39},
		{1, 25, 5, 7},  // marked
		{4, 25, 5, 31}, // marked
		{6, 50, 5, 23}, // marked
		{5, 12, 5, 83},
		{1, 12, 5, 16},
		{1, 1000, 3, 0},
		{math.MaxInt32, math.MaxInt32, 1, 40},
	} {
		if got := ketamaDigests(test.weight, test.total, test.live); got != test.want {
			t.Errorf("weight %d of %d, %d live: %d digests, want %d", test.weight, test.total, test.live, got, test.want)
		}
	}
}

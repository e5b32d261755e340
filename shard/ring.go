// The ring: who owns a slot, found in constant time however many servers there are.

package shard

import (
	"math"
	"math/bits"
	"slices"
)

// point is a place on the ring and the server that owns the slots from the previous point up to it: value in the upper
// half, server in the lower. As one number, points sort by value and, where values are equal, by server.
//
// twemproxy leaves the order of equal points to qsort. glibc's is a stable merge sort that is fed the servers in name
// order, which is the order by server.
type point uint64

func newPoint(value uint32, server int) point { return point(value)<<32 | point(uint32(server)) }

func (p point) value() uint32 { return uint32(p >> 32) }
func (p point) server() int   { return int(int32(p)) }

// ring is the continuum of a pool for one set of live servers.
type ring struct {
	// points are sorted; the last is a sentinel of the greatest value that leads back to the first server, or to -1 on
	// an empty ring. So a lookup neither wraps nor runs over the end.
	points []point

	// buckets[b] is the first point whose value is ≥ b<<shift. There are a few buckets to a point, so that most lookups are one
	// load here and one there: a step more is cheap, but not to foresee that there is none.
	buckets []uint32
	shift   uint8
}

// bucketBits is the power of two by which there are more buckets than points, at least.
const bucketBits = 2

// reset empties the ring and keeps its memory. Points may then be appended, in any order, until seal.
func (r *ring) reset() { r.points = r.points[:0] }

// seal makes the ring answer for the points appended since reset. It will not be asked for a slot beyond greatest.
func (r *ring) seal(greatest uint32) {
	slices.Sort(r.points)
	first := -1
	if len(r.points) > 0 {
		first = r.points[0].server()
	}
	r.points = append(r.points, newPoint(math.MaxUint32, first))

	indexBits := min(bits.Len(uint(len(r.points)))+bucketBits, bits.Len32(greatest))
	r.shift = uint8(bits.Len32(greatest) - indexBits)
	r.buckets = slices.Grow(r.buckets[:0], 1<<indexBits)
	next := uint32(0)
	for b := range uint32(1) << indexBits {
		for r.points[next].value() < b<<r.shift {
			next++
		}
		r.buckets = append(r.buckets, next)
	}
}

// find returns the index of the first point whose value is ≥ slot.
func (r *ring) find(slot uint32) int {
	i := int(r.buckets[slot>>r.shift])
	for want := newPoint(slot, 0); r.points[i] < want; {
		i++
	}
	return i
}

// owner returns the server that owns slot, or -1 on an empty ring.
func (r *ring) owner(slot uint32) int { return r.points[r.find(slot)].server() }

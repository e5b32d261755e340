// How many keys another map looks for elsewhere, to be told before it takes effect.

package shard

import (
	"math"
	"strconv"
)

// sampledKeys is how many keys are asked for where arcs of two rings cannot be laid side by side: a part of them is right to within
// about a sixth of a per cent.
const sampledKeys = 100_000

// Moved returns which part of all keys, 0 to 1, another map finds in another place: same says whether server i of m and server j of to
// are one place. With one hash function, sameHash, the arcs of two ketama rings are compared, else the places of made-up keys. All
// servers are taken as they are now, live or not.
func (m *Map) Moved(to *Map, sameHash bool, same func(i, j int) bool) float64 {
	if sameHash && m.distribution == Ketama && to.distribution == Ketama {
		return m.movedArcs(to, same)
	}
	moved := 0
	key := []byte("key:")
	for i := range sampledKeys {
		key = strconv.AppendInt(key[:len("key:")], int64(i), 10)
		if a, b := m.Server(key), to.Server(key); a < 0 || b < 0 || !same(a, b) {
			moved++
		}
	}
	return float64(moved) / sampledKeys
}

// movedArcs goes round both rings at once. Of points of one value the first has the arc.
func (m *Map) movedArcs(to *Map, same func(i, j int) bool) float64 {
	a, b := m.ring.points, to.ring.points
	if len(m.servers) == 1 { // as Server: all of the ring leads to it
		a = a[len(a)-1:]
	}
	if len(to.servers) == 1 {
		b = b[len(b)-1:]
	}
	moved := uint64(0)
	for from := uint64(0); from <= math.MaxUint32; {
		next := uint64(min(a[0].value(), b[0].value()))
		if i, j := a[0].server(), b[0].server(); i < 0 || j < 0 || !same(i, j) {
			moved += next + 1 - from
		}
		from = next + 1
		a, b = beyond(a, next), beyond(b, next)
	}
	return float64(moved) / (1 << 32)
}

// beyond leaves out points whose arcs are behind, but for the last.
func beyond(points []point, value uint64) []point {
	for len(points) > 1 && uint64(points[0].value()) <= value {
		points = points[1:]
	}
	return points
}

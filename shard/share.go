// How much of all keys each server has, to be shown.

package shard

import "math"

// Shares returns which part of all keys each server has, 0 to 1, by how much of the ring leads to it: keys whose hashes are spread
// evenly are shared so. Without a live server all are 0.
func (m *Map) Shares() []float64 {
	shares := make([]float64, len(m.servers))
	if m.liveCount == 0 {
		return shares
	}
	greatest := uint64(math.MaxUint32)
	if m.distribution != Ketama {
		greatest = uint64(m.slots) - 1
	}
	from := uint64(0)
	for _, p := range m.ring.points {
		next := min(uint64(p.value()), greatest) + 1
		shares[p.server()] += float64(next-from) / float64(greatest+1)
		from = next
	}
	return shares
}

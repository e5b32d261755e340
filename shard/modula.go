// The modula distribution: slots in a row, owned by one server after the other.

package shard

import "math"

// placeModula gives each live server, in order, as many slots as its weight (modula_update in nc_modula.c). Not each
// slot but each server is a point: it stands on the server's last slot.
func (m *Map) placeModula() {
	var slots uint64
	for i, s := range m.servers {
		if m.live[i] {
			slots += uint64(s.Weight)
			m.ring.points = append(m.ring.points, newPoint(uint32(min(slots-1, math.MaxUint32)), i))
		}
	}
	m.slots = uint32(min(slots, math.MaxUint32))
}

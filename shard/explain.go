// The answer of Map.Server with its reasons, for people.

package shard

// Explanation says where a key lives and why. Fields that took no part in the answer are zero.
type Explanation struct {
	Server   int  // index of the owner; -1 if no server is live, or if the distribution is random
	Live     int  // number of live servers
	Shortcut bool // the pool has one server, so nothing was hashed

	Part []byte // what was hashed: the key, or what its hash tag encloses; aliases the key
	Hash uint32

	Slots uint32 // modula: the total weight of the live servers
	Slot  uint32 // modula: Hash mod Slots

	Points  int    // ketama: the number of points on the ring
	Ordinal int    // ketama: the owning point, counted from 0 in ring order
	Point   uint32 // ketama: its value, the first that is ≥ Hash, or the lowest if none is
}

// Explain returns what Server answers for key and how it comes about. It allocates nothing either, and leaves the
// sequence of a random distribution alone.
func (m *Map) Explain(key []byte) Explanation {
	e := Explanation{Server: -1, Live: m.liveCount}
	if m.liveCount == 0 {
		return e
	}
	if len(m.servers) == 1 {
		e.Server, e.Shortcut = 0, true
		return e
	}
	if m.distribution == Random {
		return e
	}
	e.Part = m.tag.Part(key)
	e.Hash = m.keyHash(e.Part)
	if m.distribution == Modula {
		e.Slots = m.slots
		e.Slot = e.Hash % m.slots
		e.Server = m.ring.owner(e.Slot)
		return e
	}
	e.Points = len(m.ring.points) - 1
	e.Ordinal = m.ring.find(e.Hash)
	if e.Ordinal == e.Points { // the sentinel stands for the first point
		e.Ordinal = 0
	}
	owner := m.ring.points[e.Ordinal]
	e.Server, e.Point = owner.server(), owner.value()
	return e
}

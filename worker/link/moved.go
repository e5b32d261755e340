// How many clients a pool has in all generations while clients move between them. A client that moves must count exactly once
// for client_connections: not twice, which would turn others away, and not zero times.

package link

import "sync/atomic"

// A client that moves is counted by one worker after the other, and for a moment by neither. So each worker also counts its
// moves: how many more clients it has received from other workers than moved to them. Its clients less its moves are those
// that it has accepted and that have not ended anywhere, a number that a move does not change:
//
//	clients of the pool = clients of this generation + clients that others have accepted − moves of this generation
//
// The master writes what other generations have accepted into the slot Legacy. That need not be at once: moving does not
// change it.

// layMoved places the words: per slot, and for Legacy, one of each pool.
func (l *layout) layMoved() {
	l.beginPart(movedWord, 0, 0)
	b := block{Of: ofPool, Words: states("moved"), First: l.end, Slots: l.Slots + 1, PerSlot: roundUp(len(l.Servers))}
	for pool := range l.Servers {
		b.Pools = append(b.Pools, pool)
	}
	l.add(b)
	l.end += b.Slots * b.PerSlot
}

// Moved is how many more clients of a pool a slot's workers have received than moved away; it may be negative. The worker of
// the slot writes it with atomic stores: before it counts a client that it has received, and after it has stopped counting
// one that moved away. nil: the memory has no such word.
func (s *Shared) Moved(slot, pool int) *uint64 { return s.at(s.moved, slot, pool, 0) }

// Balance returns how many more clients of a pool the workers of all slots have received than moved away; false: the memory
// does not tell.
func (s *Shared) Balance(pool int) (moved int64, known bool) {
	if s.moved.block == nil {
		return 0, false
	}
	for slot := range s.dir.Slots {
		moved += int64(atomic.LoadUint64(s.Moved(slot, pool)))
	}
	return moved, true
}

// Here returns how many clients of a pool the workers of this generation have.
func (s *Shared) Here(pool int) (clients uint64) {
	for slot := range s.dir.Slots {
		clients += atomic.LoadUint64(s.PoolCounter(slot, pool, ClientConnections))
	}
	return clients
}

// Elsewhere is Moved for Legacy: how many clients of a pool the workers of other generations have accepted that have not
// ended there. The master writes it.
func (s *Shared) Elsewhere(pool int) *uint64 { return s.Moved(s.Legacy(), pool) }

// Others returns how many clients of a pool the workers of other generations have, including those in flight.
func (s *Shared) Others(pool int) (clients int, known bool) {
	moved, known := s.Balance(pool)
	if !known {
		return 0, false
	}
	return int(max(int64(atomic.LoadUint64(s.Elsewhere(pool)))-moved, 0)), true
}

// Clients returns how many clients a pool has, in all generations. One that moves counts once, or for an instant not at all:
// clients are read before moves, and written after.
func (s *Shared) Clients(pool int) uint64 {
	here := s.Here(pool)
	others, known := s.Others(pool)
	if !known {
		return here + atomic.LoadUint64(s.PoolCounter(s.Legacy(), pool, ClientConnections))
	}
	return here + uint64(others)
}

// How many clients a pool has in all generations, while clients move from one to the other: a client must neither count
// twice, so that others are turned away for it, nor not at all.

package link

import "sync/atomic"

// Whoever moves is counted by one worker after the other, and for a moment by neither. So each worker also counts how
// many more clients it has taken from other workers than it has given to others, and what it has beyond that, accepted
// and not ended, does not change when a client moves:
//
//	clients of the pool = clients here + clients that others have accepted − how many more of them were taken here than given
//
// What others have accepted is the master's to say, in the slot Legacy. It need not hurry: moving does not change it.

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

// Moved is how many more clients of a pool a slot's workers have taken than given, a number that may be below zero. The
// worker of the slot writes it with atomic stores: before it counts a client that it has taken, and after it has ceased
// to count one that it gave. nil: whoever made the memory does not know it.
func (s *Shared) Moved(slot, pool int) *uint64 { return s.at(s.moved, slot, pool, 0) }

// Balance returns how many more clients of a pool the workers of all slots have taken than given; false: nobody knows.
func (s *Shared) Balance(pool int) (moved int64, known bool) {
	if s.moved.block == nil {
		return 0, false
	}
	for slot := range s.dir.Slots {
		moved += int64(atomic.LoadUint64(s.Moved(slot, pool)))
	}
	return moved, true
}

// Here returns how many clients of a pool the workers of all slots have.
func (s *Shared) Here(pool int) (clients uint64) {
	for slot := range s.dir.Slots {
		clients += atomic.LoadUint64(s.PoolCounter(slot, pool, ClientConnections))
	}
	return clients
}

// Elsewhere is what Moved is for Legacy: how many clients of a pool the workers of other generations have accepted, and
// that have not ended there. The master writes it.
func (s *Shared) Elsewhere(pool int) *uint64 { return s.Moved(s.Legacy(), pool) }

// Others returns how many clients of a pool the workers of other generations have, those on their way included.
func (s *Shared) Others(pool int) (clients int, known bool) {
	moved, known := s.Balance(pool)
	if !known {
		return 0, false
	}
	return int(max(int64(atomic.LoadUint64(s.Elsewhere(pool)))-moved, 0)), true
}

// Clients returns how many clients a pool has, in all generations. One that moves counts once, or for an instant not at
// all: clients are read before moves, and written after.
func (s *Shared) Clients(pool int) uint64 {
	here := s.Here(pool)
	others, known := s.Others(pool)
	if !known {
		return here + atomic.LoadUint64(s.PoolCounter(s.Legacy(), pool, ClientConnections))
	}
	return here + uint64(others)
}

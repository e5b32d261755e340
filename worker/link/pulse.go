// Signs of life: that a worker turns, and that a server has sent it something. They are no counters, since nobody adds
// them up or inherits them, and the statistics port does not show them.

package link

import "sync/atomic"

// The signs stand behind the counters, and the second word of the header says where. So a build that knows none reads the
// counters of one that does, and the other way round: then there are no signs.
const pulseWord = 1 // of the header: the first word of the signs; 0: there are none

// layPulse places the signs behind everything else: per slot, that slot's worker's, which begin a cache line.
func (s *Shared) layPulse() {
	s.pulse0 = s.slot0 + (s.slots+1)*s.perSlot
	next := 1
	for _, n := range s.servers {
		s.heard = append(s.heard, next)
		next += n
	}
	s.perPulse = roundUp(next)
}

// CounterBytes returns how much of the mapping every build lays out alike: everything but the signs of life.
func CounterBytes(servers []int, slots int) int { return newShared(servers, slots).pulse0 * wordBytes }

// Turns counts the turns of a slot's worker, which writes it with plain stores; nil: whoever made the memory knows no
// signs of life.
func (s *Shared) Turns(slot int) *uint64 {
	if !s.alive {
		return nil
	}
	return &s.words[s.pulse0+slot*s.perPulse]
}

// Heard is when a slot's worker last got a byte from a server, in ns of CLOCK_MONOTONIC, which every process sees alike;
// 0: never. The worker writes it with plain stores; nil as for Turns.
func (s *Shared) Heard(slot, pool, server int) *uint64 {
	if !s.alive {
		return nil
	}
	return &s.words[s.pulse0+slot*s.perPulse+s.heard[pool]+server]
}

// LastHeard returns when any worker last got a byte from a server; false: nobody can tell.
func (s *Shared) LastHeard(pool, server int) (ns uint64, known bool) {
	for slot := range s.slots {
		word := s.Heard(slot, pool, server)
		if word == nil {
			return 0, false
		}
		ns = max(ns, atomic.LoadUint64(word))
	}
	return ns, true
}

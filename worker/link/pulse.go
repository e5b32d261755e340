// Signs of life: that a worker turns, and that a server has sent it something. They are no counters, since nobody adds
// them up or inherits them, and the statistics port does not show them.

package link

import "sync/atomic"

// layPulse places the signs: per slot, that slot's worker's, which begin a cache line.
func (l *layout) layPulse() {
	servers, words := l.beginPart(pulseWord, 1, 1)
	b := block{First: l.end, Slots: l.Slots, PerSlot: roundUp(words)}
	turns, heard := b, b
	turns.Of, turns.Words = ofWorker, states("turns")
	heard.Of, heard.Words, heard.Pools, heard.PerServer = ofServer, states("heard"), servers, 1
	l.add(turns)
	l.add(heard)
	l.end += b.Slots * b.PerSlot
}

// Turns counts the turns of a slot's worker, which writes it with plain stores; nil: the memory, of another build, has no
// such word.
func (s *Shared) Turns(slot int) *uint64 { return s.at(s.turns, slot, 0, 0) }

// Heard is when a slot's worker last got a byte from a server, in ns of CLOCK_MONOTONIC, which every process sees alike;
// 0: never. The worker writes it with plain stores; nil as for Turns.
func (s *Shared) Heard(slot, pool, server int) *uint64 { return s.at(s.heard, slot, pool, server) }

// InheritHeard notes that workers of another generation have heard from a server, however long ago, before any of this one has.
func (s *Shared) InheritHeard(pool, server int) {
	const longAgo = 1
	for slot := range s.dir.Slots {
		if word := s.Heard(slot, pool, server); word != nil {
			atomic.CompareAndSwapUint64(word, 0, longAgo)
		}
	}
}

// LastHeard returns when any worker last received a byte from a server; false: unknown.
func (s *Shared) LastHeard(pool, server int) (ns uint64, known bool) {
	for slot := range s.dir.Slots {
		word := s.Heard(slot, pool, server)
		if word == nil {
			return 0, false
		}
		ns = max(ns, atomic.LoadUint64(word))
	}
	return ns, true
}

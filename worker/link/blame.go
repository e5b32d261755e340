// When each server last failed, for all workers: one blip of a server breaks many connections, and counts once.

package link

// layBlame places the words: those of all workers, which write them seldom.
func (l *layout) layBlame() {
	servers, words := l.beginPart(blameWord, 0, 1)
	l.add(block{Of: ofServer, Words: states("failed_at"), First: l.end, Pools: servers, PerServer: 1})
	l.end = roundUp(l.end + words)
}

// Blamed is when a failure of a server was last counted, in ns of CLOCK_MONOTONIC; 0: never. Any worker writes it, by
// compare-and-swap. nil: the memory, of another build, has no such word.
func (s *Shared) Blamed(pool, server int) *uint64 { return s.at(s.blamed, 0, pool, server) }

// When each server last failed, for all workers: one blip of a server breaks many connections, and counts once.

package link

// These words stand behind those about clients that move, and the fourth word of the header says where.
const blameWord = 3 // of the header: the first of these words; 0: there are none

// layBlame places the words behind everything else: those of all workers, which write them seldom.
func (s *Shared) layBlame() {
	next := s.blame0
	for _, n := range s.servers {
		s.blamed = append(s.blamed, next)
		next += n
	}
	s.found0 = roundUp(next)
}

// Blamed is when a failure of a server was last counted, in ns of CLOCK_MONOTONIC; 0: never. Any worker writes it, by
// compare-and-swap. nil: whoever made the memory does not know it.
func (s *Shared) Blamed(pool, server int) *uint64 {
	if !s.blames {
		return nil
	}
	return &s.words[s.blamed[pool]+server]
}

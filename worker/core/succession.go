// Where a worker stands between the generation before it and the one after.

package core

import "github.com/pinion-proxy/pinion/worker/link"

// succession is what a worker knows of that. Loop only.
type succession struct {
	serving bool // has accepted at some time, or was told to
	settled bool // nothing is rolled back any more
	orphan  bool // the master is dead

	serverCheck serverCheck
	rendezvous  rendezvous
	origins     [2]int // the memory files of spec and shared, for the next master; read-only
}

func (s *succession) init(l *loop) {
	s.serving = !l.spec.Takeover
	s.serverCheck.l = l
	s.rendezvous.l, s.rendezvous.fd = l, -1
	s.origins = [...]int{link.FDSpec, link.FDShared}
}

// unsettled tells whether everything may still be rolled back to the generation before this worker's.
func (l *loop) unsettled() bool { return l.spec.Takeover && !l.succession.settled }

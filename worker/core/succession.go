// The worker's place between the generation before it and the one after.

package core

import "github.com/pinion-proxy/pinion/worker/link"

// succession is whether the worker serves, and whether it may have to roll back. Loop only.
type succession struct {
	serving bool // has accepted at some time, or was told to
	settled bool // there is no roll-back any more
	orphan  bool // the master is dead

	serverCheck serverCheck
	rendezvous  rendezvous
	origins     [2]int // the memory files of spec and shared, to be sent to the next master; read-only
}

func (s *succession) init(l *loop) {
	s.serving = !l.spec.Takeover
	s.serverCheck.l = l
	s.rendezvous.l, s.rendezvous.fd = l, -1
	s.origins = [...]int{link.FDSpec, link.FDShared}
}

// unsettled tells whether this worker's generation may still be rolled back.
func (l *loop) unsettled() bool { return l.spec.Takeover && !l.succession.settled }

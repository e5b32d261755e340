// Cover: while the worker of a slot does not accept, because it hangs, was told by a signal to end, or dies again and again,
// another worker of its generation accepts from its listeners, so that no connection waits in their queues.

package master

import (
	"slices"

	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/link"
)

// cover is the worker that accepts from the listeners of another slot. The zero value is none.
type cover struct {
	slot    *slot // of that worker
	process *process.Worker
}

// lives reports whether there is a cover, and its worker has not been replaced.
func (c cover) lives() bool { return c.slot != nil && c.slot.process == c.process }

// accepts reports whether the worker of a slot accepts connections.
func (s *slot) accepts() bool { return s.state == slotServing && !s.hangs() }

// coverSlots covers every slot of the generation that serves whose worker does not accept, and uncovers the others.
func (m *master) coverSlots() {
	if m.phase != serving {
		return
	}
	for _, s := range m.generations.serving.slots {
		if s.accepts() {
			m.uncover(s)
		} else {
			m.cover(s)
		}
	}
}

// cover makes another worker accept for a slot, the next one that can.
func (m *master) cover(s *slot) {
	g := s.generation
	if c := s.coveredBy; c.lives() && c.slot.accepts() {
		return
	}
	for i := 1; i < len(g.slots); i++ {
		other := g.slots[(s.index+i)%len(g.slots)]
		if other.accepts() {
			m.uncover(s) // a former cover that hangs may turn again
			m.acceptFor(other, s)
			return
		}
	}
}

// acceptFor passes a worker those listeners of another slot that no other worker accepts from.
func (m *master) acceptFor(other, s *slot) {
	layout := s.generation.layout()
	for _, l := range m.listeners.All() {
		if l.Slot == listen.EverySlot || !l.Queues || !layout.Serves(l) || !layout.Assigns(l, s.index) {
			continue
		}
		body := link.ListenBody{Listener: layout.Describe(l), For: 1 + s.index}
		body.Listener.Shared = true // the slot's own worker may accept, too, before this one is told to stop
		m.pass(other, link.Message{Kind: link.Listen, Body: link.Body(body)}, l.FD)
		s.coveredBy = cover{other, other.process}
	}
	if s.coveredBy.lives() {
		m.log.Event(logfile.WorkerCovers, other.index, s.index)
	}
}

// uncover ends the cover of a slot.
func (m *master) uncover(s *slot) {
	if c := s.coveredBy; c.lives() {
		m.pass(c.slot, link.Message{Kind: link.Unlisten, Body: link.Body(link.ListenBody{For: 1 + s.index})})
	}
	s.coveredBy = cover{}
}

// acceptForMissing makes other workers accept for slots without a worker, when no worker will be spawned there any more.
func (m *master) acceptForMissing(g *generation) {
	for _, s := range g.slots {
		if c := s.coveredBy; s.hasAcceptor() || c.lives() && c.slot.hasAcceptor() {
			continue
		}
		if k := slices.IndexFunc(g.slots, (*slot).hasAcceptor); k >= 0 {
			s.coveredBy = cover{}
			m.acceptFor(g.slots[k], s)
		}
	}
}

// hasAcceptor reports whether the slot has a worker that will accept what waits in its queues.
func (s *slot) hasAcceptor() bool {
	return s.state == slotStarting || s.state == slotServing || s.state == slotGiving
}

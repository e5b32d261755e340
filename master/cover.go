// Cover: where the worker of a slot does not accept, because it hangs, was told by a signal to end, or comes to life only
// to die, another one of its generation accepts from its listeners meanwhile, so that nobody waits in their queues.

package master

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// accepts tells whether the worker of a slot takes new connections.
func (s *slot) accepts() bool { return s.state == slotServing && !s.hangs() }

// coverSlots sees to all slots of the generation that serves.
func (m *master) coverSlots() {
	if m.phase != serving {
		return
	}
	for _, s := range m.generation.slots {
		if s.accepts() {
			m.uncover(s)
		} else {
			m.cover(s)
		}
	}
}

// cover has another worker accept for a slot, the next one that can.
func (m *master) cover(s *slot) {
	g := s.generation
	if c := s.coveredBy; c != nil && c.owner.process == c && c.owner.accepts() {
		return
	}
	for i := 1; i < len(g.slots); i++ {
		other := g.slots[(s.index+i)%len(g.slots)]
		if other.accepts() {
			m.uncover(s) // one that hangs, in case it turns again
			m.lendTo(other, s)
			return
		}
	}
}

// lendTo gives a worker the listeners of another slot that no other worker accepts from anyway.
func (m *master) lendTo(other, s *slot) {
	g := s.generation
	for i := range m.listeners {
		l := &m.listeners[i]
		if l.slot == everySlot || !l.queues || !g.serves(l) || !g.assigns(l, s.index) {
			continue
		}
		body := link.ListenBody{Listener: g.describe(l), For: 1 + s.index}
		body.Listener.Shared = true // the worker that it belongs to may accept, too, before this one is told
		m.pass(other, link.Message{Kind: link.Listen, Body: link.Body(body)}, l.fd)
		s.coveredBy = other.process
	}
	if s.coveredBy != nil {
		m.log.Printf(logfile.Info, "worker %d accepts for worker %d", other.index, s.index)
	}
}

// uncover ends that.
func (m *master) uncover(s *slot) {
	if c := s.coveredBy; c != nil && c.owner.process == c {
		m.pass(c.owner, link.Message{Kind: link.Unlisten, Body: link.Body(link.ListenBody{For: 1 + s.index})})
	}
	s.coveredBy = nil
}

// leaving follows when a signal has told a worker to end. One of a generation that is to take over is missed there: then
// the attempt fails while everyone who has moved can go back. One that gives goes on giving.
func (m *master) leaving(s *slot) {
	m.log.Printf(logfile.Notice, "a signal has told worker %d (pid %d) to end", s.index, s.process.pid)
	s.leaves = true
	switch {
	case s.generation == m.coming:
		m.target.missing(s)
	case s.state == slotServing:
		m.drainSlot(s)
	}
}

// drainSlot follows when a worker drains by itself.
func (m *master) drainSlot(s *slot) {
	until := time.Time{}
	if timeout := s.generation.config.Global.ShutdownTimeout; timeout > 0 {
		until = m.world.now().Add(timeout + grace)
	}
	s.become(slotDraining, until)
	m.coverSlots()
	m.renew()
}

// renew has another generation of the same configuration follow where no worker is left that accepts, since all drain.
func (m *master) renew() {
	g := m.generation
	if m.phase != serving || m.occupied() || m.after != nothing || slices.ContainsFunc(g.slots, (*slot).accepts) {
		return
	}
	r := wish{kind: kindReload}
	if g.revived { // only a part of its configuration is known
		m.demand(r)
		return
	}
	m.log.Printf(logfile.Notice, "no worker is left that accepts: making others")
	m.follow(r, g.config, nil)
}

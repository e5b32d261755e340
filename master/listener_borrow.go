// Borrowing: a master that has found workers but not their listening sockets asks them for copies. Without those the next
// generation could not accept where this one does, and a worker that follows one of these would hear nobody.

package master

import (
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// borrowTimeout is how long workers may take to answer. Those of earlier versions never do.
const borrowTimeout = 2 * time.Second

// borrowing is under way: nothing replaces the generation before it is over.
type borrowing struct {
	asked map[*slot]bool // who has not answered in full
	until time.Time
}

// missingListeners returns the listeners that the slots of a generation should have and have not.
func (m *master) missingListeners(g *generation) (all []string) {
	for i := range g.config.Pools {
		address := g.config.Pools[i].Listen
		if address.Network == "unix" {
			if m.listeners.Count(address) == 0 {
				all = append(all, listen.Name(address.Network, address.Address, listen.EverySlot))
			}
			continue
		}
		for _, slot := range m.slotsWithout(g, address) {
			all = append(all, listen.Name(address.Network, address.Address, slot))
		}
	}
	return all
}

// slotsWithout returns the slots whose workers do not accept on the address. A master that ends has given up all listeners.
func (m *master) slotsWithout(g *generation, address config.Listen) (slots []int) {
	if m.phase != serving && m.phase != starting {
		return nil
	}
	for _, s := range g.slots {
		if !m.acceptsOn(s, address) {
			slots = append(slots, s.index)
		}
	}
	return slots
}

// acceptsOn reports whether a worker of the slot accepts on the address.
func (m *master) acceptsOn(s *slot, address config.Listen) bool {
	return m.listeners.Hears(s.generation.layout(), address, s.index)
}

// missingAddresses returns the addresses on which a worker of the slot would not accept.
func (m *master) missingAddresses(s *slot) (all []string) {
	for i := range s.generation.config.Pools {
		if address := s.generation.config.Pools[i].Listen; !m.acceptsOn(s, address) {
			all = append(all, address.Text)
		}
	}
	return all
}

// borrow asks all workers of a generation that was left behind, if listeners are missing, and tells whether it has.
func (m *master) borrow(g *generation) bool {
	missing := m.missingListeners(g)
	if len(missing) == 0 {
		return false
	}
	m.log.Printf(logfile.Error, "listening sockets of generation %d are missing (%s): their workers have died%s; "+
		"asking those that are there", g.number, strings.Join(missing, ", "), m.storeHint())
	m.borrowing = &borrowing{asked: map[*slot]bool{}, until: m.world.now().Add(borrowTimeout)}
	for _, s := range g.slots {
		if s.state == slotServing {
			m.borrowing.asked[s] = true
			m.pass(s, link.Message{Kind: link.Lend})
		}
	}
	m.checkBorrowed()
	return true
}

// lent takes the listeners that a worker has lent, as far as they are missing. Of several at one address the first is that
// of its slot.
func (m *master) lent(s *slot, body link.LentBody, fds []int) {
	for i, l := range body.Listeners {
		if i >= len(fds) || m.borrowing == nil {
			return
		}
		at := m.listeners.Lent(l, s.index, len(s.generation.slots), fds[i])
		if m.listeners.Taken(at.Network, at.Address, at.Slot) || m.listeners.Holds(fds[i]) {
			continue
		}
		m.listeners.Add(at)
		fds[i] = -1
		m.log.Printf(logfile.Notice, "%s was lent by worker %d (pid %d)", at.Name, s.index, s.process.PID)
	}
	if !body.More {
		m.borrowAnswered(s)
	}
}

// borrowAnswered is called when a worker has lent what it has, or is gone.
func (m *master) borrowAnswered(s *slot) {
	if m.borrowing != nil && m.borrowing.asked[s] {
		delete(m.borrowing.asked, s)
		m.checkBorrowed()
	}
}

// checkBorrowed goes on when all have answered.
func (m *master) checkBorrowed() {
	if m.borrowing != nil && len(m.borrowing.asked) == 0 {
		m.borrowed()
	}
}

// borrowed replaces what could not be borrowed, and has the workers that were left behind hand over. A new socket beside
// one that only an old worker has is as good, but for those who wait in the other when that worker ends.
func (m *master) borrowed() {
	m.borrowing = nil
	if m.phase != serving {
		return
	}
	for i := range m.generations.serving.config.Pools {
		m.replaceMissing(&m.generations.serving.config.Pools[i])
	}
	m.storeSockets()
	m.replaceRevived()
}

func (m *master) replaceMissing(p *config.Pool) {
	before := len(m.listeners.All())
	err := m.listeners.ClaimPool(p, len(m.generations.serving.slots), m.patience())
	for _, l := range m.listeners.All()[before:] {
		if err != nil {
			break
		}
		m.log.Printf(logfile.Error, "%s was not lent: a new socket takes its place, and who waits in the other is lost with its worker", l.Name)
		l.Fresh, l.Queues = false, true
		if errListen := m.world.sockets.Listen(l.FD, p.Backlog); errListen != nil {
			err = listen.Error(p, errListen)
		}
	}
	if err != nil {
		m.log.Printf(logfile.Error, "generation %d has lost listening sockets: %v", m.generations.serving.number, err)
	}
}

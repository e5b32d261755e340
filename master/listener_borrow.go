// Borrowing: a master that has taken over workers but not their listening sockets asks the workers for copies. Without these
// neither the next generation nor a worker that replaces one of them could accept.

package master

import (
	"slices"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// borrowTimeout is how long workers may take to answer. Workers of earlier versions never answer.
const borrowTimeout = 2 * time.Second

// borrowing is the state while answers are awaited. No reload or upgrade begins before it is over.
type borrowing struct {
	asked map[*slot]bool // workers that have not answered in full
	until time.Time
}

// missingListeners returns the names of listeners that a generation should have and has not.
func (m *master) missingListeners(g *generation) (all []string) {
	for _, address := range listenAddresses(g.config) {
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

// slotsWithout returns the slots that have no listener at the address. It returns none when the master ends: then all
// listeners are closed.
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

// slotsWithoutAny returns the slots that have no listener at one of the addresses of a pool.
func (m *master) slotsWithoutAny(g *generation, p *config.Pool) (slots []int) {
	for _, at := range p.Listens() {
		slots = append(slots, m.slotsWithout(g, at)...)
	}
	slices.Sort(slots)
	return slices.Compact(slots)
}

// acceptsOn reports whether a worker of the slot has a listener at the address.
func (m *master) acceptsOn(s *slot, address config.Listen) bool {
	return m.listeners.Hears(s.generation.layout(), address, s.index)
}

// missingAddresses returns the addresses at which a worker of the slot would not accept.
func (m *master) missingAddresses(s *slot) (all []string) {
	for _, address := range listenAddresses(s.generation.config) {
		if !m.acceptsOn(s, address) {
			all = append(all, address.Text)
		}
	}
	return all
}

// borrow asks the workers of a revived generation for listeners if some are missing, and reports whether it has.
func (m *master) borrow(g *generation) bool {
	missing := m.missingListeners(g)
	if len(missing) == 0 {
		return false
	}
	m.log.Event(logfile.ListenersMissing, g.number, strings.Join(missing, ", "), m.storeHint())
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

// lent takes over the listeners that a worker has passed, if they are missing. Of several at one address the first is that
// of the worker's slot.
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
		m.log.Event(logfile.ListenerLent, at.Name, s.index, s.process.PID)
	}
	if !body.More {
		m.borrowAnswered(s)
	}
}

// borrowAnswered is called when a worker has passed all its listeners, or is gone.
func (m *master) borrowAnswered(s *slot) {
	if m.borrowing != nil && m.borrowing.asked[s] {
		delete(m.borrowing.asked, s)
		m.checkBorrowed()
	}
}

// checkBorrowed ends the borrowing when all workers have answered.
func (m *master) checkBorrowed() {
	if m.borrowing != nil && len(m.borrowing.asked) == 0 {
		m.endBorrowing()
	}
}

// endBorrowing ends the borrowing: it opens new sockets for listeners that are still missing, and has the revived workers
// replaced. Connections that wait in a socket that only an old worker has are lost when that worker ends.
func (m *master) endBorrowing() {
	m.borrowing = nil
	if m.phase != serving {
		return
	}
	for i := range m.generations.serving.config.Pools {
		m.replaceMissing(&m.generations.serving.config.Pools[i])
	}
	m.storeSockets()
	m.seekHolders(func() {})
	m.replaceRevived()
}

func (m *master) replaceMissing(p *config.Pool) {
	before := len(m.listeners.All())
	err := m.listeners.ClaimPool(p, len(m.generations.serving.slots), m.patience())
	for _, l := range m.listeners.All()[before:] {
		if err != nil {
			break
		}
		m.log.Event(logfile.ListenerNotLent, l.Name)
		l.Fresh, l.Queues = false, true
		if errListen := m.world.sockets.Listen(l.FD, p.Backlog); errListen != nil {
			err = listen.ErrorOf(p, l, errListen)
		}
	}
	if err != nil {
		m.log.Event(logfile.ListenersLost, m.generations.serving.number, err)
	}
}

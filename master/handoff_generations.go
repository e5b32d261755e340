// What the new master of an upgrade takes over from the old one: workers with clients that could not move, and the shared
// memory with their counters. The new master reads the counters and ends the workers, as after a reload.

package master

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// tellGenerations sends the new master the counters of all generations, the latest first. Each inherits the totals of those
// before it, so a new master that cannot read the earlier ones loses nothing.
func (o *oldSide) tellGenerations() error {
	m := o.m
	line := m.generations.latestFirst()
	before := m.totals.Past
	for _, g := range slices.Backward(line) {
		g.counters.Inherit(before)
		before = before.Add(g.counters.Sum(false))
	}
	for _, g := range line {
		msg, err := m.countersMessage(g)
		if err != nil {
			return fmt.Errorf("passing on the counters of generation %d: %w", g.number, err)
		}
		o.other.send(msg)
	}
	return nil
}

// countersMessage returns the message that carries the counters of a generation.
func (m *master) countersMessage(g *generation) (message, error) {
	own, err := m.world.dup(g.sharedFD)
	return message{
		Kind: messageCounters, Generation: g.number, Slots: len(g.slots), Pools: poolNames(g.pools), Listens: g.listenTexts(),
		Bytes: link.CounterBytes(link.ServerCounts(g.pools), len(g.slots)), fds: []int{own},
	}, err
}

// poolNames returns what identifies pools and servers: enough to know which counters belong to which.
func poolNames(pools []link.Pool) (all []link.Pool) {
	for i := range pools {
		p := link.Pool{Name: pools[i].Name, Seeds: pools[i].Seeds}
		for _, s := range pools[i].Servers {
			p.Servers = append(p.Servers, link.Server{Name: s.Name, Network: s.Network, Address: s.Address})
		}
		all = append(all, p)
	}
	return all
}

// mapOldCounters maps the counters of a generation of the old master.
func (n *newSide) mapOldCounters(msg message) {
	if n.unreadable {
		return
	}
	g, err := n.m.generationOf(&msg)
	if err != nil {
		n.unreadable = true
		n.m.log.Event(logfile.OldCountsLost, msg.Generation, err)
		return
	}
	n.oldGenerations = append(n.oldGenerations, g)
}

// mapNewCounters maps the counters of the new master's generation, so that this master's statistics are complete while both
// serve.
func (m *master) mapNewCounters(msg message) {
	if m.generations.ofNewMaster != nil {
		return // it has said so
	}
	g, err := m.generationOf(&msg)
	if err != nil {
		m.log.Event(logfile.NewCountsLate, err)
		return
	}
	m.generations.ofNewMaster = g
}

// dropNewCounters is called when a new master has ended without taking over. The totals of its workers are kept.
func (m *master) dropNewCounters() {
	g := m.generations.ofNewMaster
	if g == nil {
		return
	}
	m.generations.ofNewMaster = nil
	m.forget(g)
	m.forgetNames()
}

// generationOf makes a generation without workers from another master's message about its counters.
func (m *master) generationOf(msg *message) (*generation, error) {
	if len(msg.fds) != 1 || msg.Slots < 1 || msg.Slots > maxSlots {
		return nil, fmt.Errorf("there are %d descriptors, and %d slots", len(msg.fds), msg.Slots)
	}
	g := &generation{number: msg.Generation, config: &config.Config{}, pools: msg.Pools, addresses: msg.Listens, specFD: -1, revived: true}
	for i := range msg.Slots {
		g.slots = append(g.slots, &slot{generation: g, index: i, cpu: -1})
	}
	if msg.Bytes != link.CounterBytes(link.ServerCounts(g.pools), len(g.slots)) {
		return nil, errOtherLayout
	}
	m.guessListens(g)
	if err := m.mapCounters(g, msg.fds[0]); err != nil {
		return nil, err
	}
	msg.fds[0] = -1
	return g, nil
}

// guessListens fills in the addresses of a generation of which only the names of pools are known, from pools of the same
// name here.
func (m *master) guessListens(g *generation) {
	if len(g.addresses) == len(g.pools) {
		return
	}
	g.addresses = nil
	for i := range g.pools {
		address := "pool " + g.pools[i].Name
		for _, own := range [...]*generation{m.generations.coming, m.generations.serving} {
			if own == nil {
				continue
			}
			k := slices.IndexFunc(own.pools, func(p link.Pool) bool { return p.Name == g.pools[i].Name })
			if k >= 0 {
				address = own.listenTexts()[k]
				break
			}
		}
		g.addresses = append(g.addresses, address)
	}
}

// maxSlots is more than any machine has processors.
const maxSlots = 1 << 16

var errOtherLayout = errors.New("this version lays them out otherwise")

// mapCounters maps counters that another master has made. On success it owns fd.
func (m *master) mapCounters(g *generation, fd int) error {
	mem, err := m.world.mapMemory(fd)
	if err != nil {
		return err
	}
	shared, err := link.ReopenShared(mem, link.ServerCounts(g.pools), len(g.slots))
	if err != nil {
		m.world.unmap(mem)
		return err
	}
	g.useCounters(shared, fd, mem)
	return nil
}

// tellWorkers hands over to the new master the worker links of workers that still have clients.
func (o *oldSide) tellWorkers() {
	m := o.m
	for _, g := range m.generations.latestFirst() {
		for _, old := range g.slots {
			if old.process == nil {
				continue
			}
			way, err := m.world.detach(old.process)
			if err != nil {
				m.log.Event(logfile.HandoffLinkFailed, o.status.Kind, old.index, old.process.PID, err)
				continue
			}
			msg := message{Kind: messageWorker, Generation: g.number, Slot: old.index, PID: old.process.PID, fds: []int{way}}
			if !old.until.IsZero() || old.state == slotDying {
				msg.Left = max(old.until.Sub(m.world.now()), grace)
			}
			o.other.send(msg)
		}
	}
}

// adopt takes over a worker of the old master that still has clients.
func (m *master) adopt(msg message) {
	i := slices.IndexFunc(m.generations.ofOldMaster, func(g *generation) bool { return g.number == msg.Generation })
	if i < 0 || len(msg.fds) != 1 || msg.Slot < 0 || msg.Slot >= len(m.generations.ofOldMaster[i].slots) || m.generations.ofOldMaster[i].slots[msg.Slot].process != nil {
		return
	}
	s := m.generations.ofOldMaster[i].slots[msg.Slot]
	p, err := m.world.adopt(msg.Slot, msg.PID, msg.fds[0], m.reporterOf(s))
	if err != nil { // it has ended meanwhile
		s.generation.counters.ZeroGauges(s.index)
		return
	}
	msg.fds[0] = -1
	s.occupy(p, m.world.now())
	until := time.Time{}
	if msg.Left > 0 {
		until = m.world.now().Add(msg.Left)
	}
	s.become(slotDraining, until)
	if i > 0 { // the latest generation of the old master is connected already
		m.connectAdopted(s)
	}
}

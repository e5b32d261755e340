// Listening: the master opens every socket and keeps its copy for as long as the address is served, so that neither the
// death of a worker nor the change of a generation closes a queue in which clients wait.

package master

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// listenPrefix begins the names of the sockets that Pinion has opened itself.
const listenPrefix = "listen/"

func ownName(name string) bool { return strings.HasPrefix(name, listenPrefix) }

// everySlot is the slot of a listener from which the workers of all slots accept.
const everySlot = -1

// listener is one socket on a configured address. Slots only grow: with fewer workers than sockets, a worker accepts from
// several.
type listener struct {
	name    string // see listenerName; of one that the service manager has opened: what that calls it
	network string // with address: which socket it is, see config.Listen
	address string
	slot    int
	fresh   bool // was opened for the generation that is being made; nobody relies on it yet
	queues  bool // listens; a fresh one only takes its address until then
	foreign bool // was opened by the service manager
	stored  bool // the service manager has a copy
	socket
}

// socket is a descriptor and what is left of it in the file system.
type socket struct {
	fd     int
	inode  uint64 // by which the kernel lists it
	spot   spot   // where it is in the file system, if that is known
	unlink func() // nil for TCP
}

// at tells whether the listener serves the address of a pool.
func (l *listener) at(address config.Listen) bool {
	return address.ID() == config.ListenID{Network: l.network, Address: l.address}
}

// listen opens what a first generation needs. Of the sockets, those of its first worker listen at once, which keeps another
// master from the addresses, and the others when they have a worker: were this process killed before, who waits there would
// be lost, while others serve already.
func (m *master) listen(g *generation) error {
	return m.world.alone(func() error {
		if err := m.claim(g); err != nil {
			return err
		}
		return m.queueFor(g.slots[0])
	})
}

// claim takes the addresses of a generation: one SO_REUSEPORT socket per TCP address and slot, and one socket per unix
// path, as far as they are not there already. They do not listen yet: until the generation serves, nobody may connect to
// where nobody accepts. Addresses that are new are probed first: a group of SO_REUSEPORT sockets would be joined
// silently, and two Pinions would share the clients. Our own sockets, on a wider or narrower address or on their way out,
// are no obstacle.
func (m *master) claim(g *generation) error {
	pools := g.config.Pools
	for i := range pools {
		if m.sockets(pools[i].Listen) > 0 {
			continue
		}
		if err := m.world.probe(pools[i].Listen, m.own(pools[i].Listen)); err != nil {
			return listenError(&pools[i], err)
		}
	}
	for i := range pools {
		if err := m.claimPool(&pools[i], len(g.slots)); err != nil {
			return err
		}
	}
	return nil
}

func (m *master) claimPool(p *config.Pool, slots int) error {
	if p.Listen.Network == "unix" {
		if m.sockets(p.Listen) > 0 {
			return nil
		}
		return m.bind(p, everySlot)
	}
	if m.shared(p.Listen) {
		return nil
	}
	for slot := range slots {
		if m.taken(&listener{network: p.Listen.Network, address: p.Listen.Address, slot: slot}) {
			continue
		}
		err := m.bind(p, slot)
		if errors.Is(err, syscall.EADDRINUSE) && m.lend(p.Listen) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sockets returns how many sockets there are on an address.
func (m *master) sockets(address config.Listen) (n int) {
	for i := range m.listeners {
		if m.listeners[i].at(address) {
			n++
		}
	}
	return n
}

// shared tells whether all workers accept from the sockets on an address.
func (m *master) shared(address config.Listen) bool {
	for i := range m.listeners {
		if m.listeners[i].at(address) && m.listeners[i].slot == everySlot {
			return true
		}
	}
	return false
}

// lend has all workers accept from the sockets on an address that the service manager has opened: its group does not
// take sockets of another user. It tells whether there are any.
func (m *master) lend(address config.Listen) (done bool) {
	for i := range m.listeners {
		if l := &m.listeners[i]; l.at(address) && l.foreign {
			l.slot = everySlot
			done = true
		}
	}
	return done
}

func (m *master) bind(p *config.Pool, slot int) error {
	name := listenerName(p.Listen.Network, p.Listen.Address, slot)
	patience := shortLockPatience
	if m.phase == starting && !m.successor {
		patience = lockPatience
	}
	s, err := m.world.bind(p.Listen, m.own(p.Listen), patience)
	if err != nil {
		return listenError(p, err)
	}
	m.listeners = append(m.listeners, listener{
		name: name, network: p.Listen.Network, address: p.Listen.Address, slot: slot, fresh: true, socket: s,
	})
	m.log.Printf(logfile.Debug, "%s takes %s", name, p.Listen.Text)
	return nil
}

// queue has the fresh sockets of a generation listen.
func (m *master) queue(g *generation) error {
	return m.queueWhere(g, func(*listener) bool { return true })
}

// queueFor has those listen from which the worker of a slot is to accept.
func (m *master) queueFor(s *slot) error {
	return m.queueWhere(s.generation, func(l *listener) bool { return !l.queues && s.generation.assigns(l, s.index) })
}

func (m *master) queueWhere(g *generation, chosen func(*listener) bool) error {
	for i := range m.listeners {
		l := &m.listeners[i]
		k := g.poolAt(l)
		if k < 0 || !l.fresh || !chosen(l) {
			continue
		}
		p := &g.config.Pools[k]
		if err := m.world.listen(l.fd, p.Backlog); err != nil {
			return listenError(p, err)
		}
		l.queues = true
	}
	return nil
}

// keep makes the sockets of a generation that serves now ordinary ones, and gives up those that it does not serve.
func (m *master) keep(g *generation) {
	m.closeWhere(func(l *listener) bool { return !g.serves(l) })
	for i := range m.listeners {
		l := &m.listeners[i]
		if !l.fresh {
			m.adjust(g, l)
		}
		l.fresh = false
	}
	m.watchPaths()
}

// adjust gives a socket that was there before the generation the backlog and the permissions that are configured now. What
// a generation is left behind with says nothing of them.
func (m *master) adjust(g *generation, l *listener) {
	if g.revived {
		return
	}
	p := &g.config.Pools[g.poolAt(l)]
	err := m.world.listen(l.fd, p.Backlog)
	if there, errThere := m.world.locate(l.address); err == nil && l.unlink != nil && p.Listen.Perm != 0 && errThere == nil && there == l.spot {
		err = m.world.chmod(l.address, p.Listen.Perm.Perm())
	}
	if err != nil {
		m.log.Printf(logfile.Error, "changing backlog and permissions: %v", listenError(p, cause(err)))
	}
}

// giveUp closes what was opened for a generation that will not serve. Where connections may wait already, and the
// generation that goes on serves the address, its workers accept from there too: closing would reset those who wait.
func (m *master) giveUp(serving *generation) {
	m.closeWhere(func(l *listener) bool { return l.fresh && !(l.queues && serving != nil && serving.serves(l)) })
	for i := range m.listeners {
		l := &m.listeners[i]
		if !l.fresh {
			continue
		}
		l.fresh = false
		for _, s := range serving.slots {
			if s.state == slotServing && serving.assigns(l, s.index) {
				m.passListener(s, l)
			}
		}
	}
}

// shelter has the queues of slots without a worker served by another one.
func (m *master) shelter(g *generation) {
	for _, s := range g.slots {
		if c := s.coveredBy; s.takes() || c != nil && c.owner.process == c && c.owner.takes() {
			continue
		}
		if k := slices.IndexFunc(g.slots, (*slot).takes); k >= 0 {
			s.coveredBy = nil
			m.lendTo(g.slots[k], s)
		}
	}
}

// takes tells whether the slot has a worker that will see to what waits in its queues.
func (s *slot) takes() bool {
	return s.state == slotStarting || s.state == slotServing || s.state == slotGiving
}

// passListener has a worker accept from a listener that its generation serves.
func (m *master) passListener(s *slot, l *listener) {
	m.pass(s, link.Message{Kind: link.Listen, Body: link.Body(link.ListenBody{Listener: s.generation.describe(l)})}, l.fd)
}

// closeWhere closes the master's copies of some listeners, and removes the paths of unix sockets. Nobody comes to them any
// more; who is there already is for the workers that have copies.
func (m *master) closeWhere(chosen func(*listener) bool) {
	m.unroute(chosen)
	kept := m.listeners[:0]
	for i := range m.listeners {
		l := m.listeners[i]
		if !chosen(&l) {
			kept = append(kept, l)
			continue
		}
		if l.stored {
			m.world.services.Unstore(l.name)
		}
		if l.unlink != nil {
			l.unlink()
		}
		m.noteFormer(&l)
		m.world.close(l.fd)
	}
	m.listeners = kept
}

// unroute has nobody come any more to those of chosen TCP listeners whose whole group goes. What the service manager has
// opened stays, and so does what another master may come to serve with.
func (m *master) unroute(chosen func(*listener) bool) {
	if m.source != nil && m.source.exchange != nil {
		return
	}
	groups := map[string][]*listener{} // by address; nil: it stays
	for i := range m.listeners {
		l := &m.listeners[i]
		if l.network == "unix" || l.fresh && !l.queues {
			continue
		}
		if before, is := groups[l.address]; l.foreign || !chosen(l) || is && before == nil {
			groups[l.address] = nil
		} else {
			groups[l.address] = append(before, l)
		}
	}
	for _, address := range slices.Sorted(maps.Keys(groups)) {
		group := groups[address]
		slices.SortStableFunc(group, func(a, b *listener) int { return a.slot - b.slot }) // as they have begun to listen
		var fds []int
		for _, l := range group {
			fds = append(fds, l.fd)
		}
		if len(fds) == 0 {
			continue
		}
		if err := m.world.unroute(fds...); err != nil {
			m.log.Printf(logfile.Debug, "turning connections away from %s: %v", address, err)
		}
	}
}

// closeListeners gives up all listeners.
func (m *master) closeListeners() { m.closeWhere(func(*listener) bool { return true }) }

// abandonListeners closes the master's copies and nothing else: another master has them, too.
func (m *master) abandonListeners() {
	for _, l := range m.listeners {
		m.world.close(l.fd)
	}
	m.listeners = nil
}

// serves tells whether a pool of the generation has the address of l.
func (g *generation) serves(l *listener) bool { return g.poolAt(l) >= 0 }

// poolAt returns the index of the pool that has the address of l; -1 if none has.
func (g *generation) poolAt(l *listener) int {
	for i := range g.config.Pools {
		if l.at(g.config.Pools[i].Listen) {
			return i
		}
	}
	return -1
}

// assigns tells whether the worker of a slot accepts from l, which the generation serves.
func (g *generation) assigns(l *listener, slot int) bool {
	return l.slot == everySlot || l.slot%len(g.slots) == slot
}

// describe returns what a worker of the generation is told of l, which the generation serves.
func (g *generation) describe(l *listener) link.Listener {
	return link.Listener{Pool: g.poolAt(l), Network: l.network, Address: l.address, Shared: l.slot == everySlot}
}

// bindSocket opens a socket that is to listen later. Sockets whose inodes are in own are no obstacle.
func bindSocket(l config.Listen, own []uint64, patience time.Duration) (socket, error) {
	if err := fault.Error("m.bind"); err != nil {
		return socket{}, err
	}
	if l.Network != "unix" {
		fd, err := sock.BindTCP(l.AddrPort, true)
		return socket{fd: fd, inode: sock.Inode(fd)}, err
	}
	return bindPath(l, own, patience)
}

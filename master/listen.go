// Listening: the master opens every socket and keeps its copy for as long as the address is served, so that neither the
// death of a worker nor the change of a generation closes a queue in which clients wait.

package master

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/master/config"
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
	unlink func() // nil for TCP
}

// at tells whether the listener serves the address of a pool.
func (l *listener) at(address config.Listen) bool {
	return address.ID() == config.ListenID{Network: l.network, Address: l.address}
}

// listen opens what a first generation needs.
func (m *master) listen(g *generation) error {
	if err := m.claim(g); err != nil {
		return err
	}
	return m.queue(g)
}

// claim takes the addresses of a generation: one SO_REUSEPORT socket per TCP address and slot, and one socket per unix
// path, as far as they are not there already. They do not listen yet: until the generation serves, nobody may connect to
// where nobody accepts. Addresses that are new are probed first: a group of SO_REUSEPORT sockets would be joined
// silently, and two Pinions would share the clients.
func (m *master) claim(g *generation) error {
	pools := g.config.Pools
	for i := range pools {
		if m.sockets(pools[i].Listen) > 0 {
			continue
		}
		if err := m.world.probe(pools[i].Listen); err != nil {
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
	s, err := m.world.bind(p.Listen)
	if err != nil {
		return listenError(p, err)
	}
	m.listeners = append(m.listeners, listener{
		name: name, network: p.Listen.Network, address: p.Listen.Address, slot: slot, fresh: true, socket: s,
	})
	m.log.printf(levelDebug, "%s takes %s", name, p.Listen.Text)
	return nil
}

// queue has the sockets of a generation listen. For those that do it sets the backlog, which may have changed.
func (m *master) queue(g *generation) error {
	for i := range g.config.Pools {
		p := &g.config.Pools[i]
		for k := range m.listeners {
			l := &m.listeners[k]
			if !l.at(p.Listen) {
				continue
			}
			if err := m.world.listen(l.fd, p.Backlog); err != nil {
				return listenError(p, err)
			}
			l.queues = true
			if l.unlink != nil && p.Listen.Perm != 0 {
				if err := m.world.chmod(l.address, p.Listen.Perm.Perm()); err != nil {
					return listenError(p, err)
				}
			}
		}
	}
	return nil
}

// keep makes the sockets of a generation that serves now ordinary ones, and gives up those that it does not serve.
func (m *master) keep(g *generation) {
	m.closeWhere(func(l *listener) bool { return !g.serves(l) })
	for i := range m.listeners {
		m.listeners[i].fresh = false
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
				m.pass(s, link.Message{Kind: link.Listen, Body: link.Body(link.ListenBody{Listener: serving.describe(l)})}, l.fd)
			}
		}
	}
}

// closeWhere closes the master's copies of some listeners, and removes the paths of unix sockets.
func (m *master) closeWhere(chosen func(*listener) bool) {
	kept := m.listeners[:0]
	for i := range m.listeners {
		l := m.listeners[i]
		if !chosen(&l) {
			kept = append(kept, l)
			continue
		}
		if l.stored {
			m.world.services.unstore(l.name)
		}
		if l.unlink != nil {
			l.unlink()
		}
		m.world.close(l.fd)
	}
	m.listeners = kept
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

func (m *master) listenStats() (err error) {
	address := net.JoinHostPort(m.opts.StatsAddr, strconv.Itoa(m.opts.StatsPort))
	m.stats, err = m.world.listenStats(address)
	if err == nil {
		return nil
	}
	hint := ""
	if errors.Is(err, syscall.EADDRINUSE) {
		hint = "; choose another port with -s"
	}
	return fmt.Errorf("listening on %q (statistics): %w%s", address, cause(err), hint)
}

// cause leaves out what net says around the error of a system call: operation, network, address, name of the call.
func cause(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err // a name that does not resolve
	}
	return err
}

// listenError says which address of which pool cannot be served, why, and what the operator can do.
func listenError(p *config.Pool, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && p.Listen.Network == "unix":
		hint = "; another process accepts connections there: stop it or choose another path"
	case errors.Is(err, syscall.EADDRINUSE):
		hint = fmt.Sprintf("; see who has it with: ss -ltnp 'sport = :%d'", p.Listen.AddrPort.Port())
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "; no interface of this machine has that address"
	case errors.Is(err, syscall.EACCES) && p.Listen.Network != "unix":
		hint = "; ports below 1024 need CAP_NET_BIND_SERVICE"
	}
	return fmt.Errorf("listening on %q (pool %q): %w%s", p.Listen.Text, p.Name, err, hint)
}

// probe fails with EADDRINUSE if another process serves the address.
func probe(l config.Listen) error {
	if l.Network == "unix" {
		fd, _, err := sock.ConnectUnix(l.Address)
		if err == nil {
			sock.Close(fd)
		}
		if err == nil || errors.Is(err, syscall.EAGAIN) { // EAGAIN: its queue is full
			return syscall.EADDRINUSE
		}
		return nil // nothing there, or nobody behind it: the listening will tell
	}
	// Without SO_REUSEPORT the kernel refuses an address that anybody listens on. Connections in TIME_WAIT are no
	// obstacle: SO_REUSEADDR is set.
	fd, err := sock.ListenTCP(l.AddrPort, 1, false)
	if err != nil {
		return err
	}
	return sock.Close(fd)
}

func bindSocket(l config.Listen) (socket, error) {
	if l.Network != "unix" {
		fd, err := sock.BindTCP(l.AddrPort, true)
		return socket{fd: fd}, err
	}
	fd, err := sock.BindUnix(l.Address, uint32(l.Perm.Perm()))
	if err != nil {
		return socket{}, err
	}
	return socket{fd: fd, unlink: unlinkOwn(l.Address)}, nil
}

// unlinkOwn returns a function that removes the socket which is at path now, and no later one at the same path.
func unlinkOwn(path string) func() {
	own, err := os.Lstat(path)
	return func() {
		if now, errNow := os.Lstat(path); err == nil && errNow == nil && os.SameFile(own, now) {
			os.Remove(path)
		}
	}
}

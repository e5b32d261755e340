// The listening sockets of the service. The set owns each from the moment in which it is opened or added to the moment in
// which nobody is to come to its address any more, so that neither the death of a worker nor the change of a generation
// closes a queue in which clients wait.

package listen

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Set is all listening sockets on addresses of pools. One goroutine may call it.
type Set struct {
	Kernel Kernel
	Log    *logfile.Logger
	Forget func(name string) // has the service manager close its copy of a socket

	all    []*Listener
	former []Former // the latest last
}

// All returns the listeners in the order in which they have come.
func (s *Set) All() []*Listener { return s.all }

// Open opens what a first generation needs. Of the sockets, those of its first slot listen at once, which keeps another
// master from the addresses, and the others when they have a worker: were this process killed before, who waits there would
// be lost, while others serve already.
func (s *Set) Open(y Layout, patience time.Duration) error {
	return s.Kernel.Alone(func() error {
		if err := s.Claim(y, patience); err != nil {
			return err
		}
		return s.ListenFor(y, 0)
	})
}

// Claim takes the addresses of a generation: one SO_REUSEPORT socket per TCP address and slot, and one socket per unix
// path, as far as they are not there already. They do not listen yet: until the generation serves, nobody may connect to
// where nobody accepts. Addresses that are new are probed first: a group of SO_REUSEPORT sockets would be joined
// silently, and two Pinions would share the clients. Our own sockets, on a wider or narrower address or on their way out,
// are no obstacle. Another process that binds in the same directory is waited for as long as patience says.
func (s *Set) Claim(y Layout, patience time.Duration) error {
	for i := range y.Pools {
		if err := s.probe(&y.Pools[i]); err != nil {
			return err
		}
	}
	for i := range y.Pools {
		if err := s.ClaimPool(&y.Pools[i], y.Slots, patience); err != nil {
			return err
		}
	}
	return nil
}

// probe finds another process that listens at an address of a pool where this service does not yet.
func (s *Set) probe(p *config.Pool) error {
	for _, at := range p.Listens() {
		if s.Count(at) > 0 {
			continue
		}
		if err := s.Kernel.Probe(at, s.Own(at)); err != nil {
			return Error(p.Name, &at, err)
		}
	}
	return nil
}

// ClaimPool does the same for one pool, whose addresses are not probed.
func (s *Set) ClaimPool(p *config.Pool, slots int, patience time.Duration) error {
	for _, at := range p.Listens() {
		if err := s.claimAt(poolAddress{p.Name, at}, slots, patience); err != nil {
			return err
		}
	}
	return nil
}

// poolAddress is an address of a pool.
type poolAddress struct {
	pool string
	config.Listen
}

func (p *poolAddress) error(err error) error { return Error(p.pool, &p.Listen, err) }

func (s *Set) claimAt(p poolAddress, slots int, patience time.Duration) error {
	if p.Network == "unix" {
		if s.Count(p.Listen) > 0 {
			return nil
		}
		return s.bind(p, EverySlot, patience)
	}
	if s.shared(p.Listen) {
		return s.join(p, slots, patience)
	}
	for slot := range slots {
		if s.Taken(p.Network, p.Address, slot) {
			continue
		}
		err := s.bind(p, slot, patience)
		if errors.Is(err, syscall.EADDRINUSE) && s.share(p.Listen) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) bind(p poolAddress, slot int, patience time.Duration) error {
	bound, err := s.Kernel.Bind(p.Listen, s.Own(p.Listen), patience)
	if err != nil {
		return p.error(err)
	}
	l := &Listener{Name: Name(p.Network, p.Address, slot), Network: p.Network, Address: p.Address, Slot: slot, Fresh: true, Socket: bound}
	s.all = append(s.all, l)
	s.Log.Event(logfile.SocketTaken, l.Name, p.Text)
	return nil
}

// Count returns how many sockets there are on an address.
func (s *Set) Count(address config.Listen) (n int) {
	for _, l := range s.all {
		if l.At(address) {
			n++
		}
	}
	return n
}

// shared reports whether all workers accept from the sockets on an address.
func (s *Set) shared(address config.Listen) bool {
	return slices.ContainsFunc(s.all, func(l *Listener) bool { return l.At(address) && l.Slot == EverySlot })
}

// share has all workers accept from the sockets on an address that the service manager has opened: its group does not
// take sockets of another user. It tells whether there are any.
func (s *Set) share(address config.Listen) (done bool) {
	for _, l := range s.all {
		if l.At(address) && l.Foreign {
			l.Slot = EverySlot
			done = true
		}
	}
	return done
}

// ShareAgain does the same for what an earlier master has given to workers that serve on.
func (s *Set) ShareAgain(given []link.Listener) {
	for _, l := range given {
		if l.Shared {
			s.share(config.Listen{Network: l.Network, Address: l.Address})
		}
	}
}

// Taken reports whether there is a listener at an address for a slot, or one for all slots.
func (s *Set) Taken(network, address string, slot int) bool {
	return slices.ContainsFunc(s.all, func(l *Listener) bool {
		return l.Network == network && l.Address == address && (l.Slot == slot || l.Slot == EverySlot)
	})
}

// Hears reports whether the worker of a slot has a listener on an address of the generation.
func (s *Set) Hears(y Layout, address config.Listen, slot int) bool {
	return slices.ContainsFunc(s.all, func(l *Listener) bool { return l.At(address) && y.Assigns(l, slot) })
}

// Holds reports whether a descriptor is of a socket that is there already.
func (s *Set) Holds(fd int) bool {
	return slices.ContainsFunc(s.all, func(l *Listener) bool { return s.Kernel.Same(l.FD, fd) })
}

// Find returns the listener at a path that has an inode; nil if there is none.
func (s *Set) Find(inode uint64) *Listener {
	for _, l := range s.all {
		if l.Inode == inode && l.Unlink != nil {
			return l
		}
	}
	return nil
}

// Lent makes a listener, which is still to be added, of a copy that the worker of a slot of so many has lent. Of several at
// one address the first is that of its slot.
func (s *Set) Lent(what link.Listener, slot, slots, fd int) Listener {
	l := Listener{Network: what.Network, Address: what.Address, Slot: slot, Queues: true, Socket: Socket{FD: fd, Inode: s.Kernel.Inode(fd)}}
	if what.Shared {
		l.Slot = EverySlot
	}
	for l.Slot != EverySlot && s.Taken(l.Network, l.Address, l.Slot) && !s.Taken(l.Network, l.Address, EverySlot) {
		l.Slot += slots
	}
	if l.Network == "unix" {
		l.Unlink = s.Kernel.Unlinker(l.Address)
		l.Spot, _ = s.Kernel.Locate(l.Address)
	}
	l.Name = Name(l.Network, l.Address, l.Slot)
	return l
}

// Add takes over a socket from elsewhere, which listens.
func (s *Set) Add(l Listener) { s.all = append(s.all, &l) }

// Listen has the fresh sockets of a generation listen.
func (s *Set) Listen(y Layout) error {
	return s.listenWhere(y, func(*Listener) bool { return true })
}

// ListenFor calls listen on the sockets from which the worker of a slot will accept.
func (s *Set) ListenFor(y Layout, slot int) error {
	return s.listenWhere(y, func(l *Listener) bool { return !l.Queues && y.Assigns(l, slot) })
}

func (s *Set) listenWhere(y Layout, chosen func(*Listener) bool) error {
	for _, l := range s.all {
		k := y.PoolAt(l)
		if k < 0 || !l.Fresh || !chosen(l) {
			continue
		}
		p := &y.Pools[k]
		if err := s.Kernel.Listen(l.FD, p.Backlog); err != nil {
			return ErrorOf(p, l, err)
		}
		l.Queues = true
	}
	return nil
}

// Adjust gives the sockets that were there before a generation the backlog and the permissions that are configured now.
func (s *Set) Adjust(y Layout) {
	for _, l := range s.all {
		if !l.Fresh && y.Serves(l) {
			s.adjust(&y.Pools[y.PoolAt(l)], l)
		}
	}
}

func (s *Set) adjust(p *config.Pool, l *Listener) {
	err := s.Kernel.Listen(l.FD, p.Backlog)
	perm := p.ListenAt(l.ID()).Perm
	if there, errThere := s.Kernel.Locate(l.Address); err == nil && l.Unlink != nil && perm != 0 && errThere == nil && there == l.Spot {
		err = s.Kernel.Chmod(l.Address, perm.Perm())
	}
	if err != nil {
		s.Log.Event(logfile.SocketChangeFailed, ErrorOf(p, l, Cause(err)))
	}
}

// Settle makes all sockets ordinary ones, on which somebody relies, and returns those that were fresh.
func (s *Set) Settle() (fresh []*Listener) {
	for _, l := range s.all {
		l.group = settled[l.group]
		if l.Fresh {
			l.Fresh = false
			fresh = append(fresh, l)
		}
	}
	return fresh
}

// Close closes the copies that the master has of some listeners, and removes the paths of unix sockets. Nobody comes to them
// any more; who is there already is for the workers that have copies. Where another master may come to serve with a copy, a
// socket must not be unrouted.
func (s *Set) Close(unroute bool, chosen func(*Listener) bool) {
	if unroute {
		s.leave(chosen)
		s.unroute(chosen)
	}
	s.all = slices.DeleteFunc(s.all, func(l *Listener) bool {
		if !chosen(l) {
			return false
		}
		if l.Stored {
			s.Forget(l.Name)
		}
		if l.Unlink != nil && !l.IsElsewhere() {
			l.Unlink()
		}
		s.noteFormer(l)
		s.Kernel.Close(l.FD)
		return true
	})
}

// unroute stops new connections to chosen TCP listeners whose whole group is closed. What the service manager has opened
// stays.
func (s *Set) unroute(chosen func(*Listener) bool) {
	groups := map[string][]*Listener{} // by address; nil: it stays
	for _, l := range s.all {
		if l.Network == "unix" || l.Fresh && !l.Queues {
			continue
		}
		if before, is := groups[l.Address]; l.Foreign || !chosen(l) || is && before == nil || l.IsElsewhere() {
			groups[l.Address] = nil
		} else {
			groups[l.Address] = append(before, l)
		}
	}
	for _, address := range slices.Sorted(maps.Keys(groups)) {
		group := groups[address]
		slices.SortStableFunc(group, func(a, b *Listener) int { return a.Slot - b.Slot }) // as they have begun to listen
		var fds []int
		for _, l := range group {
			fds = append(fds, l.FD)
		}
		if len(fds) == 0 {
			continue
		}
		if err := s.Kernel.Unroute(fds...); err != nil {
			s.Log.Event(logfile.QueueNotEmptied, address, err)
		}
	}
}

// Abandon closes the copies that the master has and does nothing else: another master has them, too.
func (s *Set) Abandon() {
	for _, l := range s.all {
		s.Kernel.Close(l.FD)
	}
	s.all = nil
}

// Replace puts a new socket in the place of one whose path was removed.
func (s *Set) Replace(l *Listener, by Socket) {
	if l.Stored {
		s.Forget(l.Name)
		l.Stored = false
	}
	s.noteFormer(l)
	s.Kernel.Close(l.FD)
	l.Socket = by
}

// maxFormer is how many former sockets are remembered, the latest ones. The kernel hardly ever gives a number again.
const maxFormer = 256

func (s *Set) noteFormer(l *Listener) {
	s.former = append(s.former, Former{Network: l.Network, Address: l.Address, Inode: l.Inode})
	s.former = s.former[max(0, len(s.former)-maxFormer):]
}

// Former returns sockets that were of the set and that workers may still have, the latest last.
func (s *Set) Former() []Former { return s.former }

// Remember takes over those of another master.
func (s *Set) Remember(former []Former) { s.former = former }

// Own returns the inodes of the service's sockets that could be in the way of an address; nil if there are none.
func (s *Set) Own(address config.Listen) (inodes []uint64) {
	all := slices.Clone(s.former)
	for _, l := range s.all {
		all = append(all, Former{Network: l.Network, Address: l.Address, Inode: l.Inode})
	}
	for _, f := range all {
		at, _ := netip.ParseAddrPort(f.Address) // none of a unix socket
		other := config.Listen{Network: f.Network, Address: f.Address, AddrPort: at}
		if address.ID() == other.ID() || address.Overlaps(other) {
			inodes = append(inodes, f.Inode)
		}
	}
	return inodes
}

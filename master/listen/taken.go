// Sockets that another program has opened and has, too. At first all workers accept from such a one, so that nothing need be undone
// if the start fails. With the next generation, sockets of the other slots join it in one SO_REUSEPORT group.

package listen

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
)

// group is what becomes of a socket that another program has opened.
type group uint8

const (
	ordinary group = iota // nothing, as of all others
	taken                 // it is of the first generation, which does not serve yet
	lone                  // sockets of other slots are to join it
	joined                // they have, for a coming generation
)

// settled is what follows when the coming generation serves.
var settled = [...]group{ordinary: ordinary, taken: lone, lone: lone, joined: ordinary}

// Take adds a copy of a socket of another program, and returns it.
func (s *Set) Take(network, address string, fd int, of *Other) *Listener {
	l := &Listener{
		Name: Name(network, address, EverySlot), Network: network, Address: address, Slot: EverySlot, Queues: true,
		Socket: Socket{FD: fd, Inode: s.Kernel.Inode(fd)}, Other: of, group: taken,
	}
	if network == "unix" { // which workers share in any case
		l.group = ordinary
		l.Spot, _ = s.Kernel.Locate(address)
		l.Unlink = s.Kernel.UnlinkAt(address, l.Spot)
	}
	s.all = append(s.all, l)
	return l
}

// Lone reports whether the workers of a layout accept from a socket of another program to which those of other slots are to join.
func (s *Set) Lone(y Layout) bool {
	return y.Slots > 1 && slices.ContainsFunc(s.all, func(l *Listener) bool { return l.group == lone && y.Serves(l) })
}

// First returns the inode of the first socket on an address, which is the one that is left to another program; 0: there is none.
func (s *Set) First(address config.Listen) uint64 {
	for _, l := range s.all {
		if l.At(address) && l.leads() {
			return l.Inode
		}
	}
	return 0
}

// leads reports whether the listener is the first of its group, or alone.
func (l *Listener) leads() bool { return l.Slot == 0 || l.Slot == EverySlot }

// LeaveTo notes that another program has the first socket on each address, too.
func (s *Set) LeaveTo(other *Other) {
	for _, l := range s.all {
		if l.leads() && !l.Foreign {
			l.Other = other
		}
	}
}

// IsElsewhere reports whether another program has the socket, too, and serves there when this one does not.
func (l *Listener) IsElsewhere() bool { return l.Other != nil && l.Other.Lives() }

// join opens the sockets that are missing beside those of another program on an address. Where the kernel refuses that, as of sockets
// of another user, all workers go on accepting from those that are there.
func (s *Set) join(p poolAddress, slots int, patience time.Duration) error {
	var there []*Listener
	for _, l := range s.all {
		if l.At(p.Listen) && l.group == lone {
			there = append(there, l)
		}
	}
	if len(there) == 0 || slots < 2 {
		return nil
	}
	for _, l := range there {
		undo, err := s.Kernel.OpenGroup(l.FD)
		if err != nil {
			return s.stayAlone(there, p, err)
		}
		if l.closeGroup == nil {
			l.closeGroup = undo
		}
	}
	for slot := len(there); slot < slots; slot++ {
		if s.has(p.Listen, slot) { // of an attempt that failed
			continue
		}
		err := s.bind(p, slot, patience)
		if errors.Is(err, syscall.EADDRINUSE) {
			return s.stayAlone(there, p, Cause(err))
		}
		if err != nil {
			return err
		}
	}
	for slot, l := range there {
		l.Slot, l.group = slot, joined
	}
	return nil
}

func (s *Set) has(address config.Listen, slot int) bool {
	return slices.ContainsFunc(s.all, func(l *Listener) bool { return l.At(address) && l.Slot == slot })
}

// stayAlone gives up to open sockets beside those of another program.
func (s *Set) stayAlone(there []*Listener, p poolAddress, why error) error {
	for _, l := range there {
		l.group = ordinary
	}
	s.all = slices.DeleteFunc(s.all, func(l *Listener) bool {
		mine := l.At(p.Listen) && l.Fresh && !l.Queues
		if mine {
			s.Kernel.Close(l.FD)
		}
		return mine
	})
	s.Log.Event(logfile.SocketAlone, p.Text, why)
	return nil
}

// Part has all workers accept again from sockets of another program whose group was to be completed, after that has failed.
func (s *Set) Part() {
	for _, l := range s.all {
		if l.group == joined {
			l.Slot, l.group = EverySlot, lone
		}
	}
}

// leave has the kernel route connections to sockets that another program has, too, and no more to those beside them, which are about
// to be closed.
func (s *Set) leave(chosen func(*Listener) bool) {
	for _, l := range s.all {
		if !chosen(l) || !l.IsElsewhere() || l.Network == "unix" {
			continue
		}
		if l.Slot == 0 && s.countQueues(l) > 1 {
			if err := s.Kernel.Steer(l.FD); err != nil {
				s.Log.Event(logfile.SocketNotLeft, l.Address, err)
			}
		}
		if l.closeGroup != nil {
			l.closeGroup()
		}
	}
}

// countQueues returns how many sockets of the group of a listener take connections.
func (s *Set) countQueues(l *Listener) (n int) {
	for _, other := range s.all {
		if other.Network == l.Network && other.Address == l.Address && other.Queues {
			n++
		}
	}
	return n
}

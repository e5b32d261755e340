// Where a generation listens, and which of its workers accepts from which socket.

package listen

import (
	"slices"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Layout is where a generation listens: the addresses of its pools, each for so many slots.
type Layout struct {
	Pools []config.Pool
	Slots int // at least one
}

// Serves reports whether a pool has the address of l.
func (y Layout) Serves(l *Listener) bool { return y.PoolAt(l) >= 0 }

// Closes reports whether nobody needs l any more, while a pool of the layout needs what it has. What the service manager has
// opened stays open there, and could not be opened again by this process: it is kept for a configuration that has it again.
func (y Layout) Closes(l *Listener) bool { return !y.Serves(l) && !l.Foreign }

// Idle reports whether l is a socket of the service manager to which clients come, though no pool listens there.
func (y Layout) Idle(l *Listener) bool { return !y.Serves(l) && l.Foreign }

// PoolAt returns the index of the pool that has the address of l; -1 if none has.
func (y Layout) PoolAt(l *Listener) int {
	return slices.IndexFunc(y.Pools, func(p config.Pool) bool { return slices.ContainsFunc(p.Listens(), l.At) })
}

// Assigns reports whether the worker of a slot accepts from l, which is on one of the addresses.
func (y Layout) Assigns(l *Listener, slot int) bool {
	return l.Slot == EverySlot || l.Slot%y.Slots == slot
}

// Describe returns the description of l for a worker; l is on one of the layout's addresses.
func (y Layout) Describe(l *Listener) link.Listener {
	d := link.Listener{Pool: y.PoolAt(l), Network: l.Network, Address: l.Address, Shared: l.Slot == EverySlot}
	if d.Pool >= 0 {
		d.TLS = y.Pools[d.Pool].ListenAt(l.ID()).TLS
	}
	return d
}

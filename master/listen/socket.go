// What a listening socket is, and what it is called.

package listen

import (
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/master/config"
)

// prefix begins the names of the sockets that Pinion has opened itself.
const prefix = "listen/"

// OwnName reports whether Pinion has opened the socket of that name.
func OwnName(name string) bool { return strings.HasPrefix(name, prefix) }

// EverySlot is the slot of a listener from which the workers of all slots accept.
const EverySlot = -1

// Listener is one socket on a configured address. Slots only grow: with fewer workers than sockets, a worker accepts from
// several.
type Listener struct {
	Name    string // see Name; of one that the service manager has opened: what that calls it
	Network string // with address: which socket it is, see config.Listen
	Address string
	Slot    int
	Fresh   bool // was opened for the coming generation; it can still be closed, see Settle
	Queues  bool // listens; a fresh one only takes its address until then
	Foreign bool // was opened by the service manager
	Stored  bool // the service manager has a copy
	Socket

	Other *Other // has it, too; nil: nobody

	// Of a socket that another program has opened, see Take.
	group      group
	closeGroup func() // has the kernel let none join any more, as before; nil: it never did
}

// Other is a program, no Pinion of this service, that serves from a socket when this one does not.
type Other struct {
	PID      int
	Identity uint64 // see takeover.Program; 0: not known
	Lives    func() bool
}

// Process returns the pid, and when it began; 0: there is nobody.
func (o *Other) Process() (pid int, identity uint64) {
	if o == nil {
		return 0, 0
	}
	return o.PID, o.Identity
}

// Socket is a descriptor and what is left of it in the file system.
type Socket struct {
	FD     int
	Inode  uint64 // by which the kernel lists it
	Spot   Spot   // where it is in the file system, if that is known
	Unlink func() // nil for TCP
}

// ID returns the address of the listener.
func (l *Listener) ID() config.ListenID {
	return config.ListenID{Network: l.Network, Address: l.Address}
}

// At reports whether the listener serves the address of a pool.
func (l *Listener) At(address config.Listen) bool {
	return address.ID() == l.ID()
}

// Name returns the name under which the service manager keeps a listener. It is made of the
// address and not of the pool: the same pool may listen elsewhere later, and systemd removes all descriptors of one name at once.
func Name(network, address string, slot int) string {
	name := prefix + network + "/" + address
	if slot == EverySlot {
		return name
	}
	return name + "/" + strconv.Itoa(slot)
}

// Former was one of our listeners. Workers may have it for a while, or for as long as they hang.
type Former struct {
	Network string `json:"network"`
	Address string `json:"address"`
	Inode   uint64 `json:"inode"`
}

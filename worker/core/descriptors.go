// The budget of descriptors: clients leave a share to server connections and to clients that are still to move here, and
// server connections take no more than their share.

package core

import (
	"fmt"
	"math"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// descriptorBudget is how many of the worker's descriptors are in use, and whether some are reserved. Loop only.
type descriptorBudget struct {
	spares        bool // clients leave some for servers, and for a handoff
	newest        int  // that of the client that came last, or another that is about as high
	fixed         int  // that are no connections of any kind, about
	toServers     int  // of connections to servers
	serverSockets int  // that those may need, all together
	perServer     int  // connections that a server may have
}

// shareDescriptors reserves descriptors for server connections. If that is too many, each server gets fewer connections, none
// of which is open yet; the master has logged it.
func (l *loop) shareDescriptors(limit int) {
	l.descriptors.spares = true
	d := link.Divide(limit, len(l.spec.Listeners), l.spec.Pools)
	l.descriptors.serverSockets = 0
	l.descriptors.perServer = d.PerServer
	for e := range l.everyEndpoint {
		l.descriptors.share(e)
		if e.pool.spec.Ejects() && e.prober != nil {
			l.descriptors.serverSockets++ // of the prober
		}
	}
}

// share reserves descriptors for the connections of an endpoint, which none has yet.
func (d *descriptorBudget) share(e *endpoint) {
	if d.perServer > 0 {
		e.conns = e.conns[:min(len(e.conns), d.perServer)]
	}
	d.serverSockets += len(e.conns)
}

// forServers returns how many of limit descriptors are reserved for servers. The limit can change at any time.
func (l *loop) forServers(limit int) int {
	return link.ForServers(limit, len(l.spec.Listeners), l.descriptors.serverSockets)
}

// ceiling returns the descriptor number from which on none is a client's. The limit can change at any time.
func (l *loop) ceiling() int {
	if !l.descriptors.spares {
		return math.MaxInt
	}
	limit, err := sock.MaxDescriptors()
	if err != nil {
		return math.MaxInt
	}
	return limit - link.Spared(limit) - max(0, l.forServers(limit)-l.descriptors.toServers)
}

// closeToCeiling is how few descriptors are left when each is looked at.
const closeToCeiling = 32

// reachesCeiling tells whether the next descriptor would be at ceiling or above. The kernel gives the lowest free one, so it
// need only be looked at when the last one was close, or few are free: the last one may have filled the only gap.
func (l *loop) reachesCeiling(ceiling int) bool {
	if l.descriptors.newest+1 < ceiling && l.openDescriptors()+closeToCeiling < ceiling {
		return false
	}
	next, err := sock.FreeDescriptor()
	if err != nil {
		return ceiling < math.MaxInt
	}
	l.descriptors.newest = next - 1
	return next >= ceiling
}

// isCrowded tells whether one more client would leave too few descriptors for those that may still move here. Those cannot
// wait in a queue: one without a descriptor stays with a worker that is about to end. Descriptors are counted, since clients
// that have moved here can be above the ceiling, and those that have left make gaps below it.
func (l *loop) isCrowded(ceiling int) bool {
	return l.descriptors.spares && ceiling < math.MaxInt && l.openDescriptors()+l.expected()+l.mover.returnable() >= ceiling
}

// expected returns how many descriptors of clients, and of their dedicated connections, may still come from the old generation until
// that is settled. All of them may come here, if the other workers were faster.
func (l *loop) expected() int {
	if !l.unsettled() {
		return 0
	}
	clients := l.expectedClients()
	if clients == 0 {
		return 0
	}
	dedicated := 0
	for _, p := range l.pools {
		for _, s := range p.servers {
			if len(s.primary.conns) == 0 { // a place without a node
				continue
			}
			here, elsewhere := l.shared.ServerNow(p.index, s.index, link.DedicatedConnections)
			dedicated += max(int(elsewhere)-int(here), 0)
		}
	}
	return clients + dedicated
}

// expectedClients returns how many clients may still come: as many as the others have, by the master's count, but no more than room
// was made for.
func (l *loop) expectedClients() int {
	elsewhere, arrived := 0, 0
	for _, p := range l.pools {
		n, known := l.shared.Others(p.index)
		if !known {
			return max(l.spec.Clients/2-l.clients, 0)
		}
		elsewhere += n
		arrived += int(int64(atomic.LoadUint64(p.moved)))
	}
	if l.spec.Clients == 0 {
		return elsewhere
	}
	return min(elsewhere, max(l.spec.Clients-arrived, 0))
}

// openDescriptors returns about how many descriptors are open.
func (l *loop) openDescriptors() int {
	return l.descriptors.fixed + int(*l.counters[link.CurrConnections]) + l.mover.descriptors()
}

// errServerShare is own trouble, see isOwnTrouble.
var errServerShare = fmt.Errorf("%w, but for those of clients", unix.EMFILE)

// makeRoom makes sure that there is a descriptor for c. If servers have used up their share, or there are more clients than
// were planned for, the connection that has been idle for the longest is closed. For one that is only opened ahead nothing is
// closed: it fails.
func (l *loop) makeRoom(c *conn) error {
	if !l.descriptors.spares {
		return nil
	}
	if c.own != nil {
		return l.makeRoomAmongClients(c)
	}
	limit, err := sock.MaxDescriptors()
	if err != nil {
		return nil
	}
	share := l.forServers(limit)
	full := l.descriptors.toServers >= share && share < l.descriptors.serverSockets
	crowded := l.isCrowded(limit-link.Spared(limit)) || !l.succession.serving && l.openDescriptors()+l.spec.Clients/2 >= limit-link.Spared(limit)
	if (full || crowded) && !l.closeIdlest(c) && (full || c.mustAnswerFirst()) {
		return errServerShare
	}
	return nil
}

// makeRoomAmongClients makes sure that there is a descriptor for a dedicated connection, as for one more client.
func (l *loop) makeRoomAmongClients(c *conn) error {
	if ceiling := l.ceiling(); (l.reachesCeiling(ceiling) || l.isCrowded(ceiling)) && !l.closeIdlest(c) {
		return errOwnDescriptor
	}
	return nil
}

// closeIdlest closes the server connection that has been idle for the longest, so that c can open, unless c is only opened
// ahead. It returns whether there was one.
func (l *loop) closeIdlest(c *conn) bool {
	if c.mustAnswerFirst() {
		return false
	}
	idle := l.idlest()
	if idle == nil {
		return false
	}
	idle.retireAtOnce()
	return true
}

// idlest returns the server connection that owes nothing and has been silent for the longest; nil: there is none.
func (l *loop) idlest() (idle *conn) {
	for e := range l.everyEndpoint {
		for c := range e.everyConn {
			if c.state == connReady && c.head == nil && (idle == nil || c.heard < idle.heard) {
				idle = c
			}
		}
		for _, c := range e.dedicated.idle {
			if idle == nil || c.heard < idle.heard {
				idle = c
			}
		}
	}
	return idle
}

// countDescriptor counts a descriptor of the share that servers have: those of dedicated connections are the clients'.
func (c *conn) countDescriptor(change int) {
	if c.own == nil {
		c.endpoint.pool.l.descriptors.toServers += change
	}
}

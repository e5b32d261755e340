// The share of descriptors that servers have: clients do not take it, and servers take no more.

package worker

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// shareDescriptors sets apart what the connections to servers need. Where that is too much, each server gets fewer
// connections, none of which is open yet; the master has said so.
func (l *loop) shareDescriptors(limit int) {
	l.spares = true
	d := link.Divide(limit, len(l.spec.Listeners), l.spec.Pools)
	l.serverSockets = 0
	for _, p := range l.pools {
		for _, s := range p.servers {
			s.conns = s.conns[:min(len(s.conns), d.PerServer)]
			l.serverSockets += len(s.conns)
			if p.spec.AutoEjectHosts {
				l.serverSockets++ // of the prober
			}
		}
	}
}

// forServers returns how many descriptors are kept for servers, of so many. The limit can change at any time.
func (l *loop) forServers(limit int) int {
	return link.ForServers(limit, len(l.spec.Listeners), l.serverSockets)
}

// errServerShare is own trouble, see isOwnTrouble.
var errServerShare = fmt.Errorf("%w, but for those of clients", unix.EMFILE)

// makeRoom sees to it that there is a descriptor for c. Where servers have had their share, or there are more clients than
// were to be or are to come, one goes that nobody needs at present. One that nobody needs yet does not open then.
func (l *loop) makeRoom(c *conn) error {
	if !l.spares {
		return nil
	}
	limit, err := sock.MaxDescriptors()
	if err != nil {
		return nil
	}
	share := l.forServers(limit)
	full := l.toServers >= share && share < l.serverSockets
	crowded := l.crowds(limit-link.Spared(limit)) || !l.serving && l.used()+l.spec.Clients/2 >= limit-link.Spared(limit)
	if (full || crowded) && !l.sacrifice(c) && (full || c.sounds()) {
		return errServerShare
	}
	return nil
}

// sacrifice closes the connection to a server that was idle for the longest time, so that c can open; not for one that nobody
// needs yet. It reports whether there was one.
func (l *loop) sacrifice(c *conn) bool {
	if c.sounds() {
		return false
	}
	idle := l.idlest()
	if idle == nil {
		return false
	}
	idle.retire()
	return true
}

// idlest returns the connection to a server that owes nothing and was last heard the longest time ago; nil: there is none.
func (l *loop) idlest() (idle *conn) {
	for _, p := range l.pools {
		for _, s := range p.servers {
			for _, c := range s.conns {
				if c.state == connReady && c.head == nil && (idle == nil || c.heard < idle.heard) {
					idle = c
				}
			}
		}
	}
	return idle
}

// A new topology: servers are at other addresses, and their keys with them.

package core

import (
	"errors"
	"fmt"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

var errMoved = errors.New("server has moved")

// handleTopology takes the worker's specification as it is now. Who comes after the master finds it in place of the first one.
func (c *masterLink) handleTopology(m link.Message, fds []int) error {
	if len(fds) != 1 {
		sock.CloseAll(fds)
		return fmt.Errorf("a topology came with %d descriptors", len(fds))
	}
	text, err := sock.ReadAll(fds[0])
	var spec *link.Spec
	if err == nil {
		spec, err = link.ParseSpec(text)
	}
	if err != nil {
		sock.CloseAll(fds)
		return err
	}
	l := c.l
	sock.Close(l.succession.origins[0])
	l.succession.origins[0] = fds[0]
	for i := range spec.Topology.Pools {
		l.relocate(&spec.Topology.Pools[i])
	}
	return nil
}

// relocate has the servers of a pool be where its topology says, if that is news.
func (l *loop) relocate(t *link.PoolTopology) {
	if !l.spec.Topology.Replace(*t) {
		return
	}
	for _, p := range l.pools {
		if p.name != t.Pool {
			continue
		}
		for _, s := range p.servers {
			if at, ok := t.Primary(s.spec.Name); ok {
				s.moveTo(at)
			}
		}
	}
}

// address returns where the topology has the server or, if it does not say, the configuration.
func (s *server) address() (network, address string) {
	if t := s.pool.l.spec.Topology.Pool(s.pool.name); t != nil {
		if at, ok := t.Primary(s.spec.Name); ok {
			return at.Network, at.Address
		}
	}
	return s.spec.Network, s.spec.Address
}

// moveTo sends what comes from now on to another address. What is on its way to the old one is answered from there.
func (s *server) moveTo(at link.Endpoint) {
	old := s.primary
	if at.Network == old.network && at.Address == old.address {
		return
	}
	s.logLimited(levelNotice, fmt.Sprintf("pool %q: server %q moves from %s to %s", s.pool.name, s.spec.Name, old.address, at.Address))
	queue := old.prober.close()
	old.prober.failRequests(queue, errMoved)
	s.primary = newEndpoint(s, at.Network, at.Address)
	for _, c := range old.conns {
		if c.head == nil && c.state != connClosed {
			old.noteAttempt(c, errMoved)
			c.retire()
		}
	}
	if s.pool.spec.Preconnect {
		s.primary.preconnect()
	}
}

// isFormer tells whether the server has moved away: nothing new comes here, and nothing here speaks of the server.
func (e *endpoint) isFormer() bool { return e.server.primary != e }

// A new topology: servers are at other addresses, and their keys with them.

package core

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/sock"
)

var (
	errMoved     = errors.New("server has moved")
	errNoAddress = errors.New("no sentinel has said where the server is")
)

// handleTopology stores the worker's specification with the new topology, which later masters get in place of the first one.
func (c *masterLink) handleTopology(m link.Message, fds []int) error {
	if len(fds) != 1 {
		sock.CloseAll(fds)
		return fmt.Errorf("the master has said that servers have moved, and where to has not come (%d descriptors, and not 1); raise LimitNOFILE= (ulimit -n)", len(fds))
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
	c.send(link.Switched, nil)
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
		if p.cluster != nil {
			p.cluster.apply(l.spec.Topology.Pool(p.name))
			continue
		}
		for _, s := range p.servers {
			if at, ok := t.Primary(s.spec.Name); ok {
				s.moveTo(at)
				s.near = p.isNear(at.Zone)
			}
			if at := t.Server(s.spec.Name); at != nil {
				s.locate(at.Replicas())
			}
		}
	}
}

// doubtPause is the least time between two doubts about a server, in ns.
const doubtPause = int64(200 * time.Millisecond)

// doubt tells the master that whoever is at this address does not do the server's work: perhaps the topology is out of date.
func (e *endpoint) doubt() {
	s, l := e.server, e.pool.l
	if e.pool.cluster != nil {
		e.pool.cluster.tellStale()
		return
	}
	if e.isFormer() || !s.discovers() || l.master == nil || s.doubtedAt != 0 && l.now-s.doubtedAt < doubtPause {
		return
	}
	s.doubtedAt = l.now
	l.master.trySend(link.Stale, link.Body(link.StaleBody{Pool: s.pool.index, Server: s.index}))
}

// discovers tells whether the server may come to be elsewhere.
func (s *server) discovers() bool {
	t := s.pool.l.spec.Topology.Pool(s.pool.name)
	return t != nil && t.Discovers
}

// address returns the server's address in the topology or, if it has none there, in the configuration.
func (s *server) address() (network, address string) {
	if t := s.pool.l.spec.Topology.Pool(s.pool.name); t != nil {
		if at, ok := t.Primary(s.spec.Name); ok {
			return at.Network, at.Address
		}
	}
	return s.spec.Network, s.spec.Address
}

// moveTo sends further requests to another address. All connections to the old one end at once: whoever is there may take writes
// for seconds, of which nothing is left in the end, and nobody else would tell. What it owes has an unknown outcome.
func (s *server) moveTo(at link.Endpoint) {
	old := s.primary
	if at.Network == old.network && at.Address == old.address {
		return
	}
	s.logLimited(logevent.ServerMoved, s.pool.name, s.spec.Name, old.address, at.Address)
	queue := old.prober.close()
	old.prober.failRequests(queue, errMoved)
	old.troubles.End()
	s.primary = newEndpoint(s, at.Network, at.Address)
	s.primary.checked, old.checked = old.checked, false
	for _, c := range slices.Backward(old.dedicated.all) {
		c.leaveServer()
	}
	s.moveRequests(old)
	for _, conns := range old.others {
		s.pool.l.descriptors.serverSockets -= len(conns)
	}
	if word := s.liveness(); !word.Alive() && s.swap(word, word.Hasten(s.pool.l.liveMillis())) {
		s.tryRetry()
	}
	switch {
	case s.primary.checked:
		s.primary.openForCheck()
	case s.pool.spec.Preconnect:
		s.primary.preconnect()
	}
}

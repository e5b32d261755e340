// Dedicated connections on their way to another worker, with the client that they belong to.

package core

import (
	"bytes"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// maxMovedConns is how many connections of its own a client may have and still move: with the client's they fit into one batch.
const maxMovedConns = handoff.MaxBatch - 1

// longestPatience is more than anybody waits for.
const longestPatience = 100 * 365 * 24 * time.Hour

// isBusy tells whether the connection cannot move in this moment. Only a request that waits in the server may be unanswered.
func (c *conn) isBusy() bool {
	return c.state != connReady || c.stream.Unwritten() > 0 || c.own.off.begun || c.own.renews != nil || c.discards || c.head != nil && !c.isParked()
}

// record returns the connection's record. The descriptor goes with it.
func (c *conn) record() handoff.Record {
	e := c.endpoint
	r := handoff.Record{
		Protocol: string(e.pool.spec.Protocol), Network: e.network, Address: e.address, Server: e.server.spec.Name,
		Purposes: uint32(c.own.purposes), Number: c.own.off.number, Input: c.stream.Kept(), HasDB: true, DB: uint32(c.greeting.db),
	}
	if c.greeting.version == resp.RESP3 {
		r.RESP = uint32(resp.RESP3)
	}
	if c.own.purposes&forSubscription != 0 {
		r.Subscriptions = c.own.client.session.subscriptions.recordOf(e.pool, e.server.index)
	}
	if c.isParked() {
		r.Waiting, r.Key = c.head.command.Name, string(c.own.client.session.waitsFor)
		r.Request = c.own.client.session.waitsAs
		r.Patience = uint64(c.patienceLeft() / int64(time.Millisecond))
	}
	tls := c.stream.TLSState()
	r.TLS, r.TLSInput, r.TLSOutput = tls.Records, tls.Input, tls.Output
	return r
}

// patienceLeft returns for how many ns, a ms at least, the request that waits in the server still does so at most; 0: without an end.
func (c *conn) patienceLeft() int64 {
	if c.own.patience == 0 {
		return 0
	}
	return max(c.own.patience-(c.endpoint.pool.l.now-c.head.sent), int64(time.Millisecond))
}

// inFlightConn stands in the loop's table for a connection of a client in flight.
type inFlightConn struct{ c *conn }

// ready ignores the event: the worker that has the connection in the end begins by reading.
func (inFlightConn) ready(poll.Event) {}

// watchDedicated reads the client's own connections again, whose events were ignored, and looks whether the client is still there.
func (c *client) watchDedicated() {
	for _, own := range c.session.dedicated {
		c.pool.l.setHandler(own.token, own)
		own.own.inFlight = false
		own.stream.Thaw()
		own.stream.Unread = true
		own.nextTurn()
		own.awaitExpiry()
	}
	for _, own := range slices.Clone(c.session.dedicated) {
		if own.endpoint.isFormer() {
			own.leaveServer()
		}
	}
	c.pool.unblockMisplaced()
	c.checkSubscriptions()
	c.checkHangup()
}

// adopt takes over the connections of a client that another worker still owns. One to a server that is not there, or at another
// address, is left: it has ended then, as far as the client can tell.
func (g *preparedClient) adopt(records []handoff.Record, fds []int) error {
	for i := range records {
		r := &records[i]
		g.c.adoptSubscriptions(r)
		if i == 0 { // the client itself
			continue
		}
		if r.Waiting != "" {
			g.waiting = r.Waiting
			g.c.changeSession(func(s *session) { s.waitsFor, s.waitsAs = []byte(r.Key), bytes.Clone(r.Request) })
		}
		e, why := g.c.endpointOf(r), purpose(r.Purposes)
		if !g.c.pool.goesOnWatching(records[0].Watch) {
			why &^= forWatching
		}
		if e == nil || why == 0 {
			continue
		}
		*e.counters[link.DedicatedConnections]++
		own := e.addDedicated(g.c.session.greeting)
		fd := fds[i]
		fds[i] = -1
		if err := own.adopt(fd, r); err != nil {
			own.retire()
			return err
		}
		own.own.client, own.own.purposes, own.own.off.number = g.c, why, r.Number
		g.c.changeSession(func(s *session) {
			s.dedicated = append(s.dedicated, own)
			if r.Waiting != "" {
				s.waitsOn = own
				own.own.patience = int64(min(r.Patience, uint64(longestPatience/time.Millisecond))) * int64(time.Millisecond)
			}
			if why&forWatching != 0 {
				g.c.goOnWatching(own)
			}
			if why&forMonitoring != 0 {
				s.monitor = own
			}
		})
	}
	return nil
}

// endpointOf returns the endpoint to which a connection goes, a former one for what waits at a server that is not there any more; nil: it
// is not taken over, as the server is not there, connections are encrypted that were not, or the client's connections speak another protocol, or are to another database now.
func (c *client) endpointOf(r *handoff.Record) *endpoint {
	if (c.pool.tls != nil) != (len(r.TLS) > 0) {
		return nil
	}
	g, why := c.session.greeting, purpose(r.Purposes)
	server, current := c.pool.servers[0], (*endpoint)(nil)
	for _, s := range c.pool.servers {
		if s.spec.Name != r.Server {
			continue
		}
		if server = s; s.primary.network == r.Network && s.primary.address == r.Address {
			current = s.primary
			break
		}
	}
	goesOn := int(r.DB) == g.db && max(resp.RESP2, resp.Version(r.RESP)) == g.version
	switch {
	case why == forMonitoring:
		goesOn = c.pool.mayMonitor()
	case why == forSubscription:
		goesOn = max(resp.RESP2, resp.Version(r.RESP)) == g.version
	}
	switch {
	case current != nil && goesOn:
		return current
	case why == forBlocking: // until that is called off
		return newEndpoint(server, r.Network, r.Address)
	}
	return nil
}

// adopt makes c the connection that fd is, which is ready. Its events are ignored until watchDedicated.
func (c *conn) adopt(fd int, r *handoff.Record) error {
	l := c.endpoint.pool.l
	token, err := l.register(fd, inFlightConn{c})
	if err != nil {
		sock.Close(fd)
		return err
	}
	c.token, c.own.inFlight = token, true
	c.stream.SetFD(fd)
	l.descriptors.newest = fd
	c.become(connReady)
	*c.endpoint.counters[link.ServerConnections]++
	*l.counters[link.CurrConnections]++
	c.heard = l.now
	if err = sock.SetInherited(fd); err != nil {
		return err
	}
	if err = c.stream.AdoptTLS(l.io, stream.TLSState{Records: r.TLS, Input: r.TLSInput, Output: r.TLSOutput}, nil); err != nil {
		return err
	}
	return c.stream.Keep(l.memory, r.Input)
}

// wait has the client that moves here go on waiting for its server. Where its connection has not come along, it waits no more.
func (g *preparedClient) wait() {
	c := g.c
	if g.waiting == "" {
		return
	}
	own := c.session.waitsOn
	if own == nil {
		c.respond(unblockedByMove)
		return
	}
	r := c.pool.l.requests.get()
	r.command, r.state = resp.Lookup([]byte(g.waiting)), isBlocking
	c.push(r)
	c.waitBehind()
	own.continueWaiting(r)
}

// continueWaiting lets r wait for the reply that a server owes to another worker.
func (c *conn) continueWaiting(r *request) {
	l := c.endpoint.pool.l
	r.state |= inConn | isParked
	r.sent = l.now
	c.head, c.tail, c.waiting, c.begun, c.owed = r, r, r, r, 1
	r.deadline = c.patienceEnds()
	*c.endpoint.pool.counters[link.BlockedClients]++
	l.busy--
}

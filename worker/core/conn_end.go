// The end of a connection to a server, and of the requests whose replies do not come.

package core

import (
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// fail ends a connection that broke, and counts it.
func (c *conn) fail(err error) {
	if !c.onlyTries() {
		c.countFailure(err)
	}
	c.end(err)
}

// onlyTries tells whether the connection opens for a generation that does not serve yet, and may never do so: the counters are
// those of the server of the same name that clients have now, perhaps at another address.
func (c *conn) onlyTries() bool {
	return c.tentative && c.head == nil && !c.endpoint.pool.l.succession.serving
}

func (c *conn) countFailure(err error) {
	n := &c.endpoint.counters
	switch err {
	case io.EOF:
		if c.own == nil || !c.own.off.begun { // else it was asked to
			*n[link.ServerEOF]++
		}
	case unix.ETIMEDOUT: // counts with each request that waits
		if c.head == nil {
			*n[link.ServerTimedout]++
		}
	default:
		*n[link.ServerErr]++
	}
}

// end closes the connection and answers everything that waited on it with what happened. That a server closes an idle
// connection is its right and no failure.
func (c *conn) end(err error) {
	said := c.tlsEnd(err)
	idle := err == io.EOF && c.head == nil
	own := isOwnTrouble(err)
	if !own && (c.state < connReady || err == unix.ETIMEDOUT) {
		c.endpoint.tryNextAddress(c.addr)
	}
	if c.own != nil && c.own.off.begun && err == io.EOF {
		c.failRequests(c.close(), errCalledOff)
		return
	}
	tentative := c.tentative && c.head == nil
	c.tentative = false
	client, purposes := c.owner()
	if c.endpoint.pool.cluster != nil && c.state != connReady && client != nil && !client.tracksBroadcast() {
		purposes &^= forTracking // nothing was read over it, and there may be many attempts in a row
	}
	monitors := purposes&forMonitoring != 0 && c.head == nil
	c.endpoint.noteAttempt(c, said)
	if cl := c.endpoint.pool.cluster; cl != nil && c.head != nil {
		cl.count()
	}
	rest := c.takeRest()
	queue := c.close()
	if c.hold != nil {
		queue = c.holdRequests(queue, &rest, err)
	}
	if c.preconnecting {
		c.endpoint.notePreconnect(c, false)
	}
	switch {
	case c.reads != nil:
	case onlySessionsAsk(err):
		c.endpoint.complainOfSession(err)
	case tentative, own, c.isHolding():
		c.endpoint.complain(said)
	case !idle:
		c.endpoint.failed(said, c.provenSince(err))
	}
	c.failRequests(queue, err)
	if client != nil && purposes&forSubscription != 0 {
		client.lostSubscriptions(c.endpoint.server)
	}
	if client != nil && purposes&forTracking != 0 {
		client.lostTracking()
	}
	if monitors {
		client.lostMonitor()
	}
}

// failRequests answers all requests of a queue with the error of their connection. A timeout counts once for each request,
// as for those that were late one by one.
func (c *conn) failRequests(queue *request, err error) {
	p := c.endpoint.pool
	text := p.errorText(err)
	for queue != nil {
		r := queue
		queue = r.behind
		r.behind = nil
		r.state &^= inConn
		c.passed(r)
		switch {
		case r.state&isExpired != 0, err == unix.ETIMEDOUT && r.errand != nil, err == errCalledOff:
		case err == unix.ETIMEDOUT:
			*c.endpoint.counters[link.ServerTimedout]++
		default:
			*p.counters[link.ForwardError]++
		}
		if r.errand != nil {
			r.errand.notSent, r.errand.failure = isOwnTrouble(err), err
		}
		if r.state&isSubscription != 0 && p.cluster != nil && p.cluster.subscriptionLost(c, r, err) {
			continue
		}
		c.endHold(r)
		p.l.answer(r, c.parting(r, text), nil)
	}
}

// parting returns what r gets that is on a connection which has ended, for the reason that text gives.
func (c *conn) parting(r *request, text []byte) []byte {
	if c.own != nil && c.own.off.begun {
		return c.own.off.parting
	}
	return c.endpoint.pool.failure(r, text, r.state&isUnsent == 0)
}

// retire closes the connection, on which no client waits any more.
func (c *conn) retire() {
	if len(c.endpoint.pool.l.partings.all) < mostParting {
		c.part()
	}
	c.retireAtOnce()
}

// retireAtOnce does so with its descriptor, too.
func (c *conn) retireAtOnce() { c.forgetQueue(c.close()) }

// forgetQueue forgets requests that nobody waits for.
func (c *conn) forgetQueue(queue *request) {
	for queue != nil {
		r := queue
		queue = r.behind
		r.behind = nil
		r.state &^= inConn
		c.passed(r)
		c.endHold(r)
		l := c.endpoint.pool.l
		switch {
		case r.partOf() != nil: // the others may still be under way
			l.answer(r, nil, nil)
			continue
		case r.parent != nil:
			l.endPart(r.parent)
		}
		l.forget(r)
	}
}

// close frees the connection's descriptor and buffers and returns its in queue. The next request opens it again.
func (c *conn) close() (queue *request) {
	l := c.endpoint.pool.l
	n := &c.endpoint.counters
	c.hangUp()
	if c.state >= connHandshaking {
		*n[link.ServerConnections]--
		if c != c.endpoint.prober { // which ends with each probe
			c.endpoint.transacts = false
		}
	}
	queue = c.head
	for r := queue; r != nil; r = c.head {
		c.head = r.behind
		c.uncount(r)
	}
	if c.state != connClosed {
		c.become(connClosed)
	}
	l.timers.Stop(&c.deadlines)
	l.timers.Stop(&c.shareRetry)
	c.head, c.tail, c.waiting, c.begun, c.unsent = nil, nil, nil, nil, nil
	c.owed, c.unbegun, c.fragments, c.promised, c.lead = 0, 0, 0, 0, 0
	c.gauge.reset(c.endpoint.pool.firstOwed())
	c.stream.Drop(l.memory)
	c.hold.drop(l.memory)
	c.progress = progress{}
	c.meta = metaUnknown
	if c.leaving {
		s := c.endpoint.server
		c.leaving, s.leaving = false, slices.DeleteFunc(s.leaving, func(other *conn) bool { return other == c })
	}
	c.paused, c.blamed, c.discards, c.outOfService = false, false, false, nil
	if c.own != nil {
		c.unlist()
	}
	return queue
}

// hangUp closes the descriptor, if there is one.
func (c *conn) hangUp() {
	if c.stream.FD() < 0 {
		return
	}
	l := c.endpoint.pool.l
	l.poller.Remove(c.stream.FD())
	l.removeEntry(c.token)
	c.stream.Farewell()
	sock.Close(c.stream.FD())
	c.stream.SetFD(-1)
	c.countDescriptor(-1)
	l.closed()
}

// Clients of a cluster that track keys: what they ask goes over connections of their own, to each node that they ask, and follows slots as all
// requests do. Keys that leave a node are gone there, of which it tells; and with each change of the map clients forget all that they have read.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// trackedConn returns the connection over which r goes, a request of c, which tracks. The node is told first what CLIENT CACHING has said of r.
// nil: there is none, and r is answered.
func (cl *cluster) trackedConn(r *request, c *client, server int) *conn {
	to, err := c.trackedConn(cl.nodeOf(server))
	if err != nil {
		cl.failUnsent(r, err)
		return nil
	}
	c.session.tracking.tellCaching(to)
	return to
}

// connAgain returns the connection over which r goes, which has waited at its gate and goes to the owner of its slot now. Whatever CLIENT
// CACHING has said of it, it is one that its client hears of. nil: there is none, and r is answered.
func (cl *cluster) connAgain(r *request) *conn {
	c, server := r.owner(), int(r.slot)-1
	t := c.session.tracking
	if t == nil {
		return c.serverConn(server)
	}
	to, err := c.trackedConn(cl.nodeOf(server))
	if err != nil {
		cl.failUnsent(r, err)
		return nil
	}
	if t.asked.OptIn {
		to.tell(redisCachingYes)
	}
	return to
}

// connToAsk returns the connection over which a client's requests go to a node by ASK; nil: there is none.
func (cl *cluster) connToAsk(c *client, place int) *conn {
	if c.session.tracking == nil {
		return c.serverConn(firstNode + place)
	}
	to, err := c.trackedConn(place)
	if err != nil {
		return nil
	}
	return to
}

// failUnsent answers r, for which there is no connection.
func (cl *cluster) failUnsent(r *request, err error) {
	p := cl.pool
	r.slot = 0
	*p.counters[link.ForwardError]++
	p.l.answer(r, p.failure(r, p.errorText(err), false), nil)
}

// forgetAsked is called when r, which was sent by ASK, is about to be answered. With OPTIN its node cannot be told to track it, as ASKING must
// come right before it: so the client is told to forget what it has read.
func (cl *cluster) forgetAsked(r *request) {
	if c := r.owner(); c != nil && c.session.tracking != nil && c.session.tracking.asked.OptIn {
		cl.pool.l.agenda.nextTurn(forgetsAll{c})
	}
}

// forgetsAll is a client that has got the reply to what no node tracks.
type forgetsAll struct{ c *client }

func (f forgetsAll) receive() {
	if f.c.session.tracking != nil && f.c.life == clientOpen && !f.c.moving.inFlight() {
		f.c.deliverInvalidation([]byte(resp.InvalidateAll), nil)
	}
}

// What servers send to subscribers without being asked, and where it goes among the replies.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// pushed handles what a server has sent on a dedicated connection without being asked, and tells whether this is such a thing.
func (c *conn) pushed(reply []byte) bool {
	push := resp.IsPush(reply)
	if c.own.purposes&forMonitoring != 0 {
		return c.monitored(reply)
	}
	if !push && c.own.purposes&forSubscription == 0 {
		return false
	}
	switch resp.NoticeOf(reply) {
	case resp.Published:
		c.delayAcknowledgements()
		if client := c.own.client; client != nil {
			client.deliverPush(reply, c)
		}
		return true
	case resp.Confirmed:
		return c.endpoint.pool.cluster != nil && c.endsUnasked(reply)
	}
	if client := c.own.client; client != nil && c.own.purposes&forTracking != 0 && resp.IsInvalidation(reply) {
		client.deliverInvalidation(reply, &c.stream)
	}
	return push
}

// delayAcknowledgements is called for each message. The kernel acknowledges it as soon as it is read, unless something is sent to the
// server soon: it never is, and these are an eighth of what a message costs.
func (c *conn) delayAcknowledgements() {
	now, own := c.endpoint.pool.l.now, c.own
	switch pause := now - own.published; {
	case pause >= int64(sock.DelayedAcknowledgement): // by now it does so again
		own.delayed = false
	case !own.delayed && c.endpoint.network == "tcp":
		own.delayed = true
		sock.DelayAcknowledgements(c.stream.FD())
	}
	own.published = now
}

// deliverPush writes what a server has pushed, between replies. It comes behind the confirmations that were sent before it over the
// same connection, and before those that were not.
func (c *client) deliverPush(b []byte, from *conn) {
	l := c.pool.l
	next := c.nextConfirmed(from)
	switch {
	case c.isMerging(), next == nil && c.awaitsConfirmation():
		c.holdPush(b, &from.stream, nil)
	case next != nil && next != c.head:
		c.holdPush(b, &from.stream, next)
	default:
		if claimed := from.stream.Claim(b); claimed != nil {
			c.stream.Out.Adopt(claimed)
		} else {
			c.stream.Out.Append(l.memory, b)
		}
	}
	l.io.Spent += requestToll
	if c.life != clientClosed {
		c.markDirty()
	}
}

// holdPush has a push wait in front of a request that is in the out queue and not at its head; nil: behind all. No error may stand in its
// place, which would be taken for a reply, so without memory the client ends.
func (c *client) holdPush(b []byte, in *stream.Stream, next *request) {
	h := heldReply{}
	if len(b) < memory.ClaimBytes {
		h = c.holdReply(b, in)
	} else {
		whole, err := in.ClaimOrCopy(c.pool.l.memory, b)
		if err != nil {
			c.pool.l.log(logevent.NoMemory, c.pool.name, c.id, c.peer(), errNoMemory)
			c.fail(errNoMemory)
			return
		}
		h.b = whole
		c.held += whole.Cost()
	}
	if next == nil {
		c.respondLater(h)
	} else {
		c.respondBefore(next, h)
	}
}

// awaitsConfirmation tells whether a confirmation of a subscription is to come.
func (c *client) awaitsConfirmation() bool {
	return c.head != nil && c.session.subscriptions != nil && c.session.subscriptions.pending > 0
}

// nextConfirmed returns the client's request that the next confirmation over one of its connections is for, or for a part of; nil:
// none is to come.
func (c *client) nextConfirmed(from *conn) *request {
	for r := from.head; r != nil; r = r.behind {
		if r.owner() == c && r.state&isSubscription != 0 {
			if r.parent != nil {
				return r.parent
			}
			return r
		}
	}
	return nil
}

// respondBefore has a reply wait in front of a request that is in the out queue and not at its head.
func (c *client) respondBefore(next *request, reply heldReply) {
	r := c.pool.l.requests.get()
	r.reply, r.state, r.next = reply, isDone|inClient, next
	before := c.head
	for before.next != next {
		before = before.next
	}
	before.next = r
	c.owed++
}

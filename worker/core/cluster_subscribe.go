// Subscriptions of a cluster. A channel of a shard is where its slot is. When that leaves a node, the node ends the subscription unasked:
//
//	SSUBSCRIBE ──► the owner of the slot ─┬─ confirmed ──► on it ──┬─ the topology has the slot elsewhere ──► asked for there
//	                  ▲                   │                        └─ sunsubscribe, unasked ──► asked for again, which gets MOVED
//	                  │                   └─ MOVED, CLUSTERDOWN, the connection ends ──► nowhere
//	                  └────────────── as soon as another owner is known, or after a pause ◄──┘
//
// A client does not hear of any of that. One whose own request is not confirmed within failover_wait gets an error.

package core

import (
	"bytes"
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// askedSubscription is what a node is asked about a subscription.
type askedSubscription struct {
	subscription
	ends  bool  // it is to end
	moves int   // how often it was asked elsewhere, since the last pause
	until int64 // ns: when its client gets an error, once a node has refused it; 0: none has
}

// askedBytes is what one takes that is kept until the node has answered.
const askedBytes = int(unsafe.Sizeof(askedSubscription{}))

// placeOf is pool.placeOf for a cluster. Its nodes tell each other what is published, but for keyspace events and shards.
func (cl *cluster) placeOf(kind channelKind, name []byte) (server int, live bool) {
	if kind != kindShardChannel && bytes.HasPrefix(name, []byte("__key")) {
		return everywhere, len(cl.masters) > 0
	}
	pl := &cl.pool.placement
	if server = pl.index(pl.one(name)); server < 0 && kind != kindShardChannel {
		server = pl.index(pl.fixed())
	}
	if server < 0 {
		return nowhere, false
	}
	return server, true
}

// noteAsked notes what the server is asked about a subscription, if it is a node that may answer with MOVED.
func (c *conn) noteAsked(asked askedSubscription) {
	if c.endpoint.pool.cluster == nil {
		return
	}
	c.own.asked = append(c.own.asked, asked)
	c.own.charged += askedBytes
	c.endpoint.pool.l.memory.Charge(askedBytes)
	if asked.ends && asked.kind == kindShardChannel {
		c.own.mayHold, c.own.mayRepeat = true, true
	}
}

// takeAsked returns what the node has answered now.
func (c *conn) takeAsked() (asked askedSubscription) {
	o := c.own
	if len(o.asked) > 0 {
		asked = o.asked[0]
		if o.asked = o.asked[1:]; len(o.asked) == 0 {
			o.asked = nil
		}
		if o.charged > 0 { // or the connection has ended
			o.charged -= askedBytes
			c.endpoint.pool.l.memory.Uncharge(askedBytes)
		}
	}
	return asked
}

// endsUnasked is called with what looks like a confirmation, and tells whether it is none: a slot has left the node, and the
// subscriptions in it have ended with that.
func (c *conn) endsUnasked(reply []byte) bool {
	o := c.own
	name, ends := resp.EndedShardChannel(reply)
	confirms := c.head != nil && c.head.state&isSubscription != 0 && len(o.asked) > 0
	if first := confirms && ends && o.asked[0].ends && o.asked[0].kind == kindShardChannel && o.asked[0].name == string(name); ends && !first {
		c.endpoint.pool.cluster.ended(c, string(name))
		return true
	}
	if confirms {
		c.takeAsked()
	}
	return false
}

// ended is called when a node has ended a subscription to a channel unasked. Asked for it once more, it says where the slot is.
func (cl *cluster) ended(c *conn, name string) {
	cl.tellStale()
	client, server := c.own.client, c.endpoint.server.index
	if client == nil || client.life != clientOpen || client.session.subscriptions == nil || client.dedicatedTo(server) != c {
		return
	}
	if on, ok := client.session.subscriptions.byName[kindShardChannel][name]; ok && on == server {
		client.tellSubscription(server, askedSubscription{subscription: subscription{kindShardChannel, name}})
	}
}

// endsTwice tells whether a reply that nobody waits for is a node's to SUNSUBSCRIBE, which came when it had ended the subscription
// already: that was taken for the answer.
func (c *conn) endsTwice(reply []byte) bool {
	return c.own != nil && c.endpoint.pool.cluster != nil && resp.ClusterErrorOf(reply) == resp.Moved
}

// isAmbiguous tells of a reply to the head whether it may as well be the one that endsTwice tells of: nothing that comes behind it could be
// told apart.
func (c *conn) isAmbiguous(reply []byte) bool {
	return c.own != nil && c.own.mayRepeat && c.head.state&isSubscription == 0 && resp.ClusterErrorOf(reply) == resp.Moved
}

// subscribeLater has the client wait for a subscription for which there is no node at present.
func (c *client) subscribeLater(cmd *resp.Command, kind channelKind, name string) {
	s := c.ownSubscriptions()
	c.changeSession(func(*session) { s.add(kind, name, nowhere) })
	r := c.pushSubscription(cmd, 0, s.count(kind))
	r.state |= inConn
	c.pool.cluster.resubscribe(resubscribed{askedSubscription: askedSubscription{subscription: subscription{kind, name}}, client: c, r: r}, nowhere)
}

// subscriptionRefused is refused for a request about a subscription.
func (cl *cluster) subscriptionRefused(c *conn, r *request, reply []byte) (answer []byte, again bool) {
	asked, client, from := c.takeAsked(), c.own.client, c.endpoint.server.index
	kind := resp.ClusterErrorOf(reply)
	switch {
	case client == nil, r.parent != nil, kind == resp.NoClusterError && !resp.IsOutOfService(reply):
		return reply, false
	case asked.ends:
		return asked.appendEnd(client), false
	}
	if kind == resp.Moved {
		to, place, known := cl.readRedirect(c.endpoint, kind, reply)
		mine := known && asked.kind == kindShardChannel && to.Slot == cl.pool.placement.one([]byte(asked.name))
		if mine && cl.nodeOf(to.Slot) == from {
			cl.setOwner(to.Slot, place)
			cl.hurry()
		}
	}
	cl.tellStale()
	if r.client == nil {
		r.state &^= isSubscription
		cl.pool.l.forget(r)
		r = nil
	} else {
		r.state |= inConn
	}
	cl.resubscribe(resubscribed{askedSubscription: asked, client: client, r: r}, from)
	return nil, true
}

// subscriptionLost is called when r is on a connection that has ended, and tells whether it was about a subscription that is asked for
// again, or has ended with it.
func (cl *cluster) subscriptionLost(c *conn, r *request, err error) bool {
	asked, client := c.takeAsked(), r.client
	switch {
	case client == nil || client.life != clientOpen || !isOutage(err):
		return false
	case r.skips > 0: // on several servers
		return false
	case asked.ends:
		cl.pool.l.answer(r, asked.appendEnd(client), nil)
	default:
		r.state |= inConn
		cl.resubscribe(resubscribed{askedSubscription: asked, client: client, r: r}, c.endpoint.server.index)
	}
	return true
}

// appendEnd returns a confirmation that a subscription has ended.
func (s subscription) appendEnd(c *client) []byte { return s.confirmation(c, unsubscribeEnds[s.kind]) }

// confirmation returns one for the client, whose number is still to be put in.
func (s subscription) confirmation(c *client, notice string) []byte {
	out := resp.AppendBulkString(c.version().AppendPush(nil, 3), notice)
	return resp.AppendInt(resp.AppendBulkString(out, s.name), 0)
}

// What servers call confirmations.
var (
	subscribeBegins = [channelKinds]string{"subscribe", "psubscribe", "ssubscribe"}
	unsubscribeEnds = [channelKinds]string{"unsubscribe", "punsubscribe", "sunsubscribe"}
)

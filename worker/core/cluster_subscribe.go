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

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// askedSubscription is what a node is asked about a subscription.
type askedSubscription struct {
	subscription
	ends  bool  // it is to end
	moves int   // how often it was asked elsewhere, since the last pause
	until int64 // ns: when its client gets an error, once a node has refused it; 0: none has
}

// resubscriptions are subscriptions that are nowhere, and on their way to where they belong. Those that are not go there with the next
// topology. Loop only.
type resubscriptions struct {
	all   []resubscribed
	timer timer.Timer
}

// resubscribed is one of them.
type resubscribed struct {
	askedSubscription
	client *client
	r      *request // for whose confirmation the client waits; nil: it has heard of it before
	due    int64    // ns: when it is asked for again
}

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
	if asked.ends && asked.kind == kindShardChannel {
		c.own.mayHold, c.own.mayRepeat = true, true
	}
}

// takeAsked returns what the node has answered now.
func (o *ownConn) takeAsked() (asked askedSubscription) {
	if len(o.asked) > 0 {
		asked = o.asked[0]
		if o.asked = o.asked[1:]; len(o.asked) == 0 {
			o.asked = nil
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
		o.takeAsked()
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
	asked, client, from := c.own.takeAsked(), c.own.client, c.endpoint.server.index
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
	asked, client := c.own.takeAsked(), r.client
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

// resubscribe has a subscription that the server from has refused be asked for where it belongs.
func (cl *cluster) resubscribe(s resubscribed, from int) {
	l := cl.pool.l
	if s.until == 0 {
		s.until = l.now + int64(cl.pool.spec.FailoverWait)
	}
	if subs := s.client.session.subscriptions; subs != nil {
		if _, ok := subs.byName[s.kind][s.name]; ok {
			subs.place(s.kind, s.name, nowhere)
		}
	}
	s.due = l.now
	if now, live := cl.pool.placeOf(s.kind, []byte(s.name)); !live || now == from || s.moves >= redirectsAtOnce {
		s.moves = 0
		s.pause(l.now)
	}
	s.moves++
	cl.nowhere.all = append(cl.nowhere.all, s)
	if t := &cl.nowhere.timer; !t.Armed() || s.due < t.Due() {
		l.timers.Set(t, s.due)
	}
}

// pause has it be asked for in a while: soon, if somebody waits for it.
func (s *resubscribed) pause(now int64) {
	s.due = now + int64(subscribePause)
	if s.r != nil {
		s.due = now + redirectPause
	}
}

// subscribeAgain asks for what is nowhere and due.
func (cl *cluster) subscribeAgain() {
	l, all := cl.pool.l, cl.nowhere.all
	cl.nowhere.all = nil
	for _, s := range all {
		if s.due > l.now || !cl.place(&s) {
			cl.nowhere.all = append(cl.nowhere.all, s)
		}
	}
	for _, s := range cl.nowhere.all {
		if t := &cl.nowhere.timer; !t.Armed() || s.due < t.Due() {
			l.timers.Set(t, s.due)
		}
	}
}

// place asks for a subscription where it belongs, and tells whether there is no more to be done.
func (cl *cluster) place(s *resubscribed) (done bool) {
	l, c, r := cl.pool.l, s.client, s.r
	subs := c.session.subscriptions
	if r != nil && r.client == nil || c.life != clientOpen || subs == nil || r == nil && c.moving.inFlight() { // see watchDedicated
		s.end(nil)
		return true
	}
	on, ok := subs.byName[s.kind][s.name]
	if !ok || on != nowhere && r == nil { // it has ended meanwhile, or is where it belongs
		s.end(s.confirmation(c, subscribeBegins[s.kind]))
		return true
	}
	place, live := cl.pool.placeOf(s.kind, []byte(s.name))
	switch {
	case r != nil && s.until <= l.now:
		cause := error(errSlotMoves)
		if !live {
			cause = errNoOwner
		}
		*cl.pool.counters[link.ForwardError]++
		s.end(cl.pool.failure(r, cl.pool.errorText(cause), false))
		return true
	case !live:
		s.pause(l.now)
		cl.tellStale()
		return false
	}
	own, err := c.subscribedConn(place)
	subs.place(s.kind, s.name, place)
	switch {
	case err != nil && r == nil:
		cl.pool.servers[place].subscribeLater(c)
	case err != nil:
		*cl.pool.counters[link.ForwardError]++
		s.end(cl.pool.errorText(err))
	case r == nil:
		c.tellSubscription(place, s.askedSubscription)
	default:
		r.state &^= inConn
		l.scratch = s.appendRequest(l.scratch[:0], false)
		c.owedSize += uint32(len(l.scratch)) - uint32(r.bytes)
		own.noteAsked(s.askedSubscription)
		own.send(r, l.scratch, nil)
	}
	return true
}

// end answers the request for it, if somebody waits for that.
func (s *resubscribed) end(answer []byte) {
	if s.r != nil {
		s.r.state &^= inConn
		s.client.pool.l.answer(s.r, answer, nil)
	}
}

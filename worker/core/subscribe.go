// Subscriptions: a channel lives on the server that its name hashes to, as a key would; patterns, and the channels of keyspace events,
// are subscribed on every server. Of a cluster any node has a channel or pattern, since they tell each other what is published, but for
// those of keyspace events, and channels of a shard live where their slot does (cluster_subscribe.go). The client has a connection of its own to each server that holds one of its subscriptions, and
// gets what that sends, as it comes.
//
// subscriptions.go has what a client has subscribed to, which it stays subscribed to whatever happens to servers (subscribe_again.go), and
// subscribe_push.go what servers send.

package core

import (
	"bytes"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Requests to servers, by kind.
var (
	subscribeNames   = [channelKinds]string{"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"}
	unsubscribeNames = [channelKinds]string{"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"}
)

// placeOf returns the server of a channel or pattern: everywhere, or resp's noServer if none is live.
func (p *pool) placeOf(kind channelKind, name []byte) (server int, live bool) {
	if p.cluster != nil {
		return p.cluster.placeOf(kind, name)
	}
	if kind == kindPattern || kind == kindChannel && bytes.HasPrefix(name, []byte("__key")) {
		return everywhere, true
	}
	server = p.placement.one(name)
	return server, server >= 0
}

// changeSubscriptions answers SUBSCRIBE, UNSUBSCRIBE and their kin.
func (c *client) changeSubscriptions(cmd *resp.Command, b []byte, args []resp.Span, count int) {
	if s := c.session.subscriptions; (s == nil || int(c.owed) != s.pending) && !c.caughtUp() {
		return
	}
	kind := kindOfChannel(cmd)
	switch {
	case len(args) < count:
		c.walkChannels(cmd, b, args[0].End(), count-1)
	case count == 1 && cmd.Local == resp.LocalUnsubscribe:
		c.unsubscribeAll(cmd, kind)
	default:
		for _, arg := range args[1:] {
			c.onSubscription(cmd, kind, arg.Of(b))
		}
	}
}

// onSubscription does what the command asks with one channel or pattern.
func (c *client) onSubscription(cmd *resp.Command, kind channelKind, name []byte) {
	if cmd.Local == resp.LocalSubscribe {
		c.subscribe(cmd, kind, name)
	} else {
		c.unsubscribe(cmd, kind, string(name))
	}
}

// subscribe subscribes to one channel or pattern. The client hears of it when all servers that it is on have confirmed it.
func (c *client) subscribe(cmd *resp.Command, kind channelKind, name []byte) {
	if c.life != clientOpen { // one before it has failed
		return
	}
	server, live := c.pool.placeOf(kind, name)
	if !live && c.pool.cluster != nil && server != everywhere {
		c.subscribeLater(cmd, kind, string(name))
		return
	}
	if !live {
		*c.pool.counters[link.ForwardError]++
		c.failSubscription(c.pool.errorText(c.pool.errNoServer()))
		return
	}
	s := c.ownSubscriptions()
	for i := range c.pool.serversOf(server) {
		if _, err := c.subscribedConn(i); err != nil {
			*c.pool.counters[link.ForwardError]++
			c.failSubscription(c.pool.errorText(err))
			return
		}
	}
	c.changeSession(func(*session) { s.add(kind, string(name), server) })
	c.sendSubscription(cmd, subscription{kind, string(name)}, server, s.count(kind))
}

// failSubscription answers a subscription that did not come about, and ends the connection: the client would go on to listen to
// what nobody tells it.
func (c *client) failSubscription(text []byte) {
	c.respond(text)
	c.leave(link.ServerLost)
}

// sendSubscription sends a request about one channel or pattern to the servers that it is on, and lets the client wait until all have
// confirmed it. The confirmation says count.
func (c *client) sendSubscription(cmd *resp.Command, s subscription, server, count int) {
	l, ends := c.pool.l, cmd.Local == resp.LocalUnsubscribe
	l.scratch = s.appendRequest(l.scratch[:0], ends)
	r := c.pushSubscription(cmd, len(l.scratch), count)
	if server != everywhere {
		own := c.dedicatedTo(server)
		own.noteAsked(askedSubscription{subscription: s, ends: ends})
		own.send(r, l.scratch, nil)
		return
	}
	for i := range c.pool.serversOf(everywhere) {
		if own := c.dedicatedTo(i); own != nil {
			part := l.requests.get()
			part.parent, part.state = r, isSubscription
			r.skips, r.state = r.skips+1, r.state|inConn
			own.noteAsked(askedSubscription{subscription: s, ends: ends})
			own.send(part, l.scratch, nil)
		}
	}
}

// pushSubscription returns a request of so many bytes for a confirmation that says count, for which the client waits.
func (c *client) pushSubscription(cmd *resp.Command, size, count int) *request {
	r := c.pool.l.requests.get()
	r.command, r.state, r.fragment, r.bytes = cmd, isSubscription, int32(count), int32(size)
	c.push(r)
	c.session.subscriptions.pending++
	return r
}

// endPart is called when a part of whole is not under way any more. Until the last one is not, parts know whole.
func (l *loop) endPart(whole *request) {
	if whole.skips--; whole.skips > 0 {
		return
	}
	whole.state &^= inConn
	if whole.client == nil {
		l.forget(whole)
	}
}

// appendRequest appends the request by which it begins, or ends.
func (s subscription) appendRequest(dst []byte, ends bool) []byte {
	request := subscribeNames[s.kind]
	if ends {
		request = unsubscribeNames[s.kind]
	}
	dst = resp.AppendArray(dst, 2)
	dst = resp.AppendBulkString(dst, request)
	return resp.AppendBulkString(dst, s.name)
}

// unsubscribe ends one subscription. Servers confirm it, so that nothing comes after the confirmation; without a server it is
// answered here.
func (c *client) unsubscribe(cmd *resp.Command, kind channelKind, name string) {
	s := c.session.subscriptions
	if s == nil {
		c.confirmHere(cmd, []byte(name), 0)
		return
	}
	server, ok := s.byName[kind][name]
	if ok {
		c.changeSession(func(*session) { s.remove(kind, name) })
	}
	connected := false
	for i := range c.pool.serversOf(server) {
		connected = connected || c.dedicatedTo(i) != nil
	}
	if !ok || !connected {
		c.confirmHere(cmd, []byte(name), s.count(kind))
		return
	}
	c.sendSubscription(cmd, subscription{kind, name}, server, s.count(kind))
}

// unsubscribeAll ends all subscriptions of a kind.
func (c *client) unsubscribeAll(cmd *resp.Command, kind channelKind) {
	s := c.session.subscriptions
	if s == nil || len(s.byName[kind]) == 0 {
		count := 0
		if s != nil {
			count = s.count(kind)
		}
		c.confirmHere(cmd, nil, count)
		return
	}
	if len(s.byName[kind]) > mostHeadArgs {
		c.walkAllChannels(cmd, kind)
		return
	}
	for name := range s.byName[kind] {
		c.unsubscribe(cmd, kind, name)
	}
}

// confirmHere answers UNSUBSCRIBE where there is no such subscription; name is nil: of any name.
func (c *client) confirmHere(cmd *resp.Command, name []byte, count int) {
	out := c.version().AppendPush(c.pool.l.scratch[:0], 3)
	out = resp.AppendBulkString(out, cmd.Name)
	if name == nil {
		out = c.version().AppendNull(out)
	} else {
		out = resp.AppendBulk(out, name)
	}
	c.pool.l.scratch = resp.AppendInt(out, int64(count))
	c.respondAlways(c.pool.l.scratch)
}

// answerSubscription gives a request about a subscription its confirmation, with the client's own count in place of the server's. With
// an error in its place the client ends.
func (l *loop) answerSubscription(r *request, reply []byte) {
	whole, c := r, r.client
	if r.parent != nil {
		whole, c = r.parent, r.parent.client
		r.parent = nil
		l.endPart(whole)
	}
	if whole != r || c == nil {
		l.forget(r)
	}
	if c == nil { // it has nobody who waits, or has failed
		return
	}
	s := c.session.subscriptions
	failed := resp.NoticeOf(reply) != resp.Confirmed
	if failed && !resp.IsError(reply) {
		reply = c.pool.errorText(errGarbage)
	}
	if whole.skips > 0 && !failed {
		return
	}
	s.pending--
	c.unqueueParts(whole)
	whole.client = nil
	if !failed {
		l.scratch = append(l.scratch[:0], reply[:bytes.LastIndexByte(reply, ':')]...)
		reply = resp.AppendInt(l.scratch, int64(whole.fragment))
		l.scratch = reply
	}
	c.answered(whole, reply, nil)
	l.forget(whole)
	if failed && c.life == clientOpen {
		c.leave(link.ServerLost) // which ends the other parts
	}
}

// unqueueParts is called when whole has its answer: the client waits for none of its parts any more that are still to be sent.
func (c *client) unqueueParts(whole *request) {
	if whole.skips == 0 {
		return
	}
	for _, own := range c.session.dedicated {
		for r := own.head; r != nil; r = r.behind {
			if r.parent == whole {
				r.unqueue()
			}
		}
	}
}

// allowsCommand tells whether a client may ask this while it has subscriptions, or answers that it may not. In RESP2, pushes look
// like replies, so Redis allows few commands. In RESP3 those that are answered elsewhere wait for the confirmations before them.
func (c *client) allowsCommand(cmd *resp.Command) bool {
	s := c.session.subscriptions
	switch cmd.Local {
	case resp.LocalSubscribe, resp.LocalUnsubscribe, resp.LocalPing, resp.LocalQuit:
		return true
	}
	if s.none() || c.version() == resp.RESP3 || cmd.Local == resp.LocalReset {
		return s.pending == 0 || c.caughtUp()
	}
	c.respondScratch(resp.AppendOnlySubscriber(c.pool.l.scratch[:0], cmd))
	return false
}

// pingsLikePushes tells whether PING is answered in the form of a push.
func (c *client) pingsLikePushes() bool { return c.isSubscriber() && c.version() == resp.RESP2 }

// Subscriptions: a channel lives on the server that its name hashes to, as a key would; patterns, and the channels of keyspace events,
// are subscribed on every server. The client has a connection of its own to each server that holds one of its subscriptions, and
// gets what that sends, as it comes.
//
// What a client has subscribed it stays subscribed to, whatever happens to servers: subscribe_again.go.

package core

import (
	"bytes"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// channelKind is what a name that is subscribed to stands for. The numbers go to other workers.
type channelKind uint8

const (
	kindChannel      channelKind = 0
	kindPattern      channelKind = 1
	kindShardChannel channelKind = 2
	channelKinds                 = 3
)

// Requests to servers, by kind.
var (
	subscribeNames   = [channelKinds]string{"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"}
	unsubscribeNames = [channelKinds]string{"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"}
)

// everywhere stands for all servers.
const everywhere = -1

// subscriptionBytes is about what one subscription costs beside its name.
const subscriptionBytes = 64

// subscriptions are those of one client. Loop only.
type subscriptions struct {
	of      [channelKinds]map[string]int // by name: the server that it is subscribed on, or everywhere
	on      []int32                      // for each server how many there are on it
	pending int                          // confirmations that the client waits for
	left    map[*request]int             // for each of those that several servers send: how many have not
	bytes   int                          // that all this takes, about
}

// kindOfChannel returns what the arguments of a command on subscriptions are.
func kindOfChannel(cmd *resp.Command) channelKind {
	switch {
	case cmd.Name[0] == 'p':
		return kindPattern
	case strings.HasPrefix(cmd.Name, "ss"), strings.HasPrefix(cmd.Name, "sun"):
		return kindShardChannel
	}
	return kindChannel
}

// count returns what a confirmation says: how many subscriptions of its kind are left. Channels and patterns count together.
func (s *subscriptions) count(kind channelKind) int {
	if kind == kindShardChannel {
		return len(s.of[kindShardChannel])
	}
	return len(s.of[kindChannel]) + len(s.of[kindPattern])
}

// number returns how many subscriptions of a kind there are; s may be nil.
func (s *subscriptions) number(kind channelKind) int {
	if s == nil {
		return 0
	}
	return len(s.of[kind])
}

// none tells whether the client has no subscription.
func (s *subscriptions) none() bool { return s.count(kindChannel)+s.count(kindShardChannel) == 0 }

// add adds a subscription on a server, or everywhere, unless it is there already.
func (s *subscriptions) add(kind channelKind, name string, server int) {
	if _, ok := s.of[kind][name]; ok {
		return
	}
	if s.of[kind] == nil {
		s.of[kind] = map[string]int{}
	}
	s.of[kind][name] = server
	s.bytes += subscriptionBytes + len(name)
	s.counts(server, 1)
}

// remove removes a subscription.
func (s *subscriptions) remove(kind channelKind, name string) {
	server := s.of[kind][name]
	delete(s.of[kind], name)
	s.bytes -= subscriptionBytes + len(name)
	s.counts(server, -1)
}

func (s *subscriptions) counts(server int, change int32) {
	if server != everywhere {
		s.on[server] += change
		return
	}
	for i := range s.on {
		s.on[i] += change
	}
}

// serversOf calls do for each server that a subscription on server is on.
func (s *subscriptions) serversOf(server int) func(do func(int) bool) {
	return func(do func(int) bool) {
		for i := range s.on {
			if (server == everywhere || server == i) && !do(i) {
				return
			}
		}
	}
}

// cost returns how many bytes are kept; s may be nil.
func (s *subscriptions) cost() int {
	if s == nil {
		return 0
	}
	return s.bytes
}

// ownSubscriptions returns the client's subscriptions, made when first needed.
func (c *client) ownSubscriptions() *subscriptions {
	if c.session.subscriptions == nil {
		c.changeSession(func(s *session) {
			s.subscriptions = &subscriptions{on: make([]int32, len(c.pool.servers)), left: map[*request]int{}, bytes: 256 + 4*len(c.pool.servers)}
		})
		*c.pool.counters[link.Subscribers]++
	}
	return c.session.subscriptions
}

// dropSubscriptions forgets what the client has subscribed to.
func (c *client) dropSubscriptions() {
	if c.session.subscriptions != nil {
		*c.pool.counters[link.Subscribers]--
		c.changeSession(func(s *session) { s.subscriptions = nil })
	}
}

// placeOf returns the server of a channel or pattern: everywhere, or resp's noServer if none is live.
func (p *pool) placeOf(kind channelKind, name []byte) (server int, live bool) {
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
	if !live {
		*c.pool.counters[link.ForwardError]++
		c.failSubscription(c.pool.errorText(unix.ECONNREFUSED))
		return
	}
	s := c.ownSubscriptions()
	for i := range s.serversOf(server) {
		if _, err := c.dedicate(i, forSubscription); err != nil {
			*c.pool.counters[link.ForwardError]++
			c.failSubscription(c.pool.errorText(err))
			return
		}
	}
	c.changeSession(func(*session) { s.add(kind, string(name), server) })
	c.sendSubscription(cmd, subscribeNames[kind], name, server, s.count(kind))
}

// failSubscription answers a subscription that did not come about, and ends the connection: the client would go on to listen to
// what nobody tells it.
func (c *client) failSubscription(text []byte) {
	c.respond(text)
	c.leave()
}

// sendSubscription sends a request about one channel or pattern to the servers that it is on, and lets the client wait until all have
// confirmed it. The confirmation says count.
func (c *client) sendSubscription(cmd *resp.Command, request string, name []byte, server, count int) {
	l, s := c.pool.l, c.session.subscriptions
	l.scratch = appendSubscription(l.scratch[:0], request, name)
	r := l.requests.get()
	r.command, r.state, r.fragment, r.bytes = cmd, isSubscription, int32(count), int32(len(l.scratch))
	c.push(r)
	s.pending++
	if server != everywhere {
		c.dedicatedTo(server).send(r, l.scratch, nil)
		return
	}
	for i := range s.on {
		if own := c.dedicatedTo(i); own != nil {
			s.left[r]++
			part := l.requests.get()
			part.parent, part.state = r, isSubscription
			own.send(part, l.scratch, nil)
		}
	}
}

func appendSubscription(dst []byte, request string, name []byte) []byte {
	dst = resp.AppendArray(dst, 2)
	dst = resp.AppendBulkString(dst, request)
	return resp.AppendBulk(dst, name)
}

// unsubscribe ends one subscription. Servers confirm it, so that nothing comes after the confirmation; without a server it is
// answered here.
func (c *client) unsubscribe(cmd *resp.Command, kind channelKind, name string) {
	s := c.session.subscriptions
	if s == nil {
		c.confirmHere(cmd, []byte(name), 0)
		return
	}
	server, ok := s.of[kind][name]
	if ok {
		c.changeSession(func(*session) { s.remove(kind, name) })
	}
	connected := false
	for i := range s.serversOf(server) {
		connected = connected || c.dedicatedTo(i) != nil
	}
	if !ok || !connected {
		c.confirmHere(cmd, []byte(name), s.count(kind))
		return
	}
	c.sendSubscription(cmd, unsubscribeNames[kind], []byte(name), server, s.count(kind))
}

// unsubscribeAll ends all subscriptions of a kind.
func (c *client) unsubscribeAll(cmd *resp.Command, kind channelKind) {
	s := c.session.subscriptions
	if s == nil || len(s.of[kind]) == 0 {
		count := 0
		if s != nil {
			count = s.count(kind)
		}
		c.confirmHere(cmd, nil, count)
		return
	}
	if len(s.of[kind]) > mostHeadArgs {
		c.walkAllChannels(cmd, kind)
		return
	}
	for name := range s.of[kind] {
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
	whole := r
	if r.parent != nil {
		whole, r.parent = r.parent, nil
		l.forget(r)
	}
	c := whole.client
	if c == nil { // it has nobody who waits, or has failed
		l.forget(whole)
		return
	}
	s := c.session.subscriptions
	failed := resp.NoticeOf(reply) != resp.Confirmed
	if failed && !resp.IsError(reply) {
		reply = c.pool.errorText(errGarbage)
	}
	if s.left[whole] > 1 && !failed {
		s.left[whole]--
		return
	}
	delete(s.left, whole)
	s.pending--
	whole.client = nil
	if failed {
		c.answered(whole, reply, nil)
		if c.life == clientOpen {
			c.leave()
		}
	} else {
		l.scratch = append(l.scratch[:0], reply[:bytes.LastIndexByte(reply, ':')]...)
		l.scratch = resp.AppendInt(l.scratch, int64(whole.fragment))
		c.answered(whole, l.scratch, nil)
	}
	l.forget(whole)
}

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
		return false
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
		c.respondLater(c.holdReply(b, &from.stream))
	case next != nil && next != c.head:
		c.respondBefore(next, c.holdReply(b, &from.stream))
	default:
		if claimed := from.stream.Claim(b); claimed != nil {
			c.stream.Out.Adopt(claimed)
		} else {
			c.stream.Out.Append(l.memory, b)
		}
	}
	l.io.Spent += requestToll
	c.markDirty()
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

// isSubscriber tells whether the client has a subscription.
func (c *client) isSubscriber() bool {
	return c.session.subscriptions != nil && !c.session.subscriptions.none()
}

// pingsLikePushes tells whether PING is answered in the form of a push.
func (c *client) pingsLikePushes() bool { return c.isSubscriber() && c.version() == resp.RESP2 }

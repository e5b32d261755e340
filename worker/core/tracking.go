// Client-side caching: a client that says CLIENT TRACKING ON is told when keys change that it has read. All that it asks goes over
// connections of its own, one to each server, on which that server has been told the same. So what the server pushes is for this
// client, and comes behind each reply that it may make out of date.
//
// Where such a connection ends, what the server would have said is lost, so the client is told to forget all that it has read. One
// that listens to whole prefixes (BCAST) would go on to miss what changes, so its own connection ends, too.

package core

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// maxTrackingBytes is how much a client may ask of tracking, all prefixes together: each server keeps it, and so does the worker.
const maxTrackingBytes = 16 << 10

// tracking is what a client has asked. Loop only.
type tracking struct {
	asked    resp.Tracking
	requests [][]byte // CLIENT TRACKING ON, as they came: what a new connection is told first
	bytes    int      // of them
	asks     []byte   // one with BCAST, which not all servers have answered; nil: none
	caching  caching  // what CLIENT CACHING applies to
}

// caching is to which request CLIENT CACHING applies.
type caching uint8

const (
	cachingNone caching = iota
	cachingNext         // the next one, or the next transaction
	cachingThis         // the one at hand, or the transaction at hand
)

// cost returns how many bytes are kept; t may be nil.
func (t *tracking) cost() int {
	if t == nil {
		return 0
	}
	return 128 + t.bytes + 32*len(t.requests) + len(t.asks)
}

// add notes one more request.
func (t *tracking) add(request []byte) {
	_, args, _ := resp.ConsumeRequest(request, nil)
	asked, _ := resp.ParseTracking(request, args[3:], nil)
	asked.Prefixes = append(t.asked.Prefixes, asked.Prefixes...)
	t.asked = asked
	t.requests = append(t.requests, request)
	t.bytes += len(request)
}

// track answers CLIENT TRACKING, unless it has to wait.
func (c *client) track(_ *resp.Command, b []byte, args []resp.Span, count int) {
	t, failure := c.session.tracking, ""
	on := bytes.EqualFold(args[2].Of(b), []byte("ON"))
	switch {
	case len(args) < count, len(b) > maxTrackingBytes, t != nil && t.bytes+len(b) > maxTrackingBytes:
		failure = fmt.Sprintf("ERR CLIENT TRACKING of more than %d bytes is not supported by pinion", maxTrackingBytes)
	case !on && (count > 3 || !bytes.EqualFold(args[2].Of(b), []byte("OFF"))):
		failure = resp.SyntaxError
	case on:
		failure = c.trackingFailure(b, args[3:])
	}
	switch {
	case failure != "":
		c.respondScratch(resp.AppendError(c.pool.l.scratch[:0], failure))
	case (t != nil) != on && !c.caughtUp(): // from here on requests go over other connections
	case on:
		c.startTracking(b, args)
	default:
		c.stopTracking()
		c.respondScratch(resp.AppendSimple(c.pool.l.scratch[:0], "OK"))
	}
}

// trackingFailure returns the text of the error if the client may not track what it asks.
func (c *client) trackingFailure(b []byte, options []resp.Span) (text string) {
	var before *resp.Tracking
	if t := c.session.tracking; t != nil {
		before = &t.asked
	}
	if _, text = resp.ParseTracking(b, options, before); text == "" && c.version() != resp.RESP3 {
		text = resp.TrackingNeedsRESP3
	}
	return text
}

// startTracking begins to track, or asks more. Where it is about keys that the client has not read, each server must agree before
// it is so; else a server hears it before the first request that it gets.
func (c *client) startTracking(b []byte, args []resp.Span) {
	if c.session.tracking == nil {
		c.changeSession(func(s *session) { s.tracking = new(tracking) })
		c.session.eachRequest = true
		c.pool.trackers++
	}
	t, request := c.session.tracking, bytes.Clone(b)
	if asked, _ := resp.ParseTracking(b, args[3:], nil); asked.Broadcast {
		c.changeSession(func(*session) { t.asks = request })
		c.forwardAll(resp.TrackEverywhere, b, args)
		c.waitBehind()
		return
	}
	c.tellAllTracking(request)
	c.respondScratch(resp.AppendSimple(c.pool.l.scratch[:0], "OK"))
	c.changeSession(func(*session) { t.add(request) })
}

// trackedEverywhere is called with what the replies to BCAST amount to. If a server has refused it, or has no connection for it, the
// client tracks what it has tracked before.
func (c *client) trackedEverywhere(reply []byte) {
	t := c.session.tracking
	request := t.asks
	c.changeSession(func(*session) { t.asks = nil })
	switch {
	case !resp.IsError(reply):
		c.changeSession(func(*session) { t.add(request) })
		c.leaveUnlessTracked()
	case len(t.requests) == 0:
		c.stopTracking()
	}
}

// stopTracking ends it.
func (c *client) stopTracking() {
	if c.session.tracking == nil {
		return
	}
	c.tellAllTracking(redisTrackingOff)
	c.dropTracking()
	for _, own := range slices.Clone(c.session.dedicated) {
		if own.own.purposes&forTracking != 0 {
			own.release(forTracking)
		}
	}
}

// dropTracking forgets what the client tracks. Its connections are still told of it.
func (c *client) dropTracking() {
	if c.session.tracking != nil {
		c.changeSession(func(s *session) { s.tracking = nil })
		c.pool.trackers--
	}
}

// trackedConn returns the client's own connection to a server, which has been told what it tracks.
func (c *client) trackedConn(server int) (*conn, error) {
	own := c.dedicatedTo(server)
	if own != nil && own.own.purposes&forTracking != 0 {
		return own, nil
	}
	own, err := c.dedicate(server, forTracking)
	if err != nil {
		return nil, err
	}
	for _, request := range c.session.tracking.requests {
		own.tell(request)
	}
	return own, nil
}

// tellAllTracking sends a request over all connections of the client that track.
func (c *client) tellAllTracking(request []byte) {
	for _, own := range c.session.dedicated {
		if own.own.purposes&forTracking != 0 {
			own.tell(request)
		}
	}
}

// setCaching appends the reply to CLIENT CACHING.
func (c *client) setCaching(out, word []byte) []byte {
	t := c.session.tracking
	yes := bytes.EqualFold(word, []byte("YES"))
	switch {
	case t == nil:
		return resp.AppendError(out, resp.CachingNoTracking)
	case yes && !t.asked.OptIn:
		return resp.AppendError(out, resp.CachingYes)
	case yes:
	case !bytes.EqualFold(word, []byte("NO")):
		return resp.AppendError(out, resp.SyntaxError)
	case !t.asked.OptOut:
		return resp.AppendError(out, resp.CachingNo)
	}
	t.caching = cachingNext
	return resp.AppendSimple(out, "OK")
}

// forNext returns what CLIENT CACHING applies to when the next request comes.
func (a caching) forNext() caching {
	if a == cachingNext {
		return cachingThis
	}
	return cachingNone
}

// tellCaching has the server know what CLIENT CACHING has said of the request that it gets next.
func (t *tracking) tellCaching(own *conn) {
	switch {
	case t.caching != cachingThis:
	case t.asked.OptIn:
		own.tell(redisCachingYes)
	default:
		own.tell(redisCachingNo)
	}
}

var (
	redisTrackingOff = []byte("*3\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$3\r\nOFF\r\n")
	redisCachingYes  = []byte("*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$3\r\nYES\r\n")
	redisCachingNo   = []byte("*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$2\r\nNO\r\n")
)

// deliverInvalidation writes what a server has pushed about keys: behind all replies that have come, whole or in part, since it may
// be about what they say, and before all others, which need not come soon.
func (c *client) deliverInvalidation(b []byte, in *stream.Stream) {
	var last *request
	for r := c.head; r != nil; r = r.next {
		if r.state&isDone != 0 || r.fanout != nil && r.fanout.left < len(r.fanout.parts) {
			last = r
		}
	}
	switch {
	case last == nil:
		c.stream.Out.Append(c.pool.l.memory, b)
	case last.next == nil:
		c.holdPush(b, in, nil)
	default:
		c.holdPush(b, in, last.next)
	}
	c.pool.l.io.Spent += requestToll
	if c.life != clientClosed {
		c.markDirty()
	}
}

// lostTracking is called when a connection of the client that tracks has ended.
func (c *client) lostTracking() {
	if c.session.tracking == nil || len(c.session.tracking.requests) == 0 || c.life != clientOpen {
		return
	}
	c.deliverInvalidation([]byte(resp.InvalidateAll), nil)
	if c.session.tracking.asked.Broadcast {
		c.leave(link.ServerLost)
	}
}

// tracksBroadcast tells whether the client tracks with BCAST.
func (c *client) tracksBroadcast() bool {
	return c.session.tracking != nil && c.session.tracking.asked.Broadcast
}

// retrack has the client forget what it has read, and its connections end: the next requests go over others.
func (c *client) retrack() {
	if c.session.tracking == nil {
		return
	}
	for _, own := range slices.Clone(c.session.dedicated) {
		if own.own.purposes&forTracking != 0 {
			own.retire()
		}
	}
	c.checkSubscriptions()
	c.lostTracking()
}

// record writes down what a client tracks; t may be nil.
func (t *tracking) record(r *handoff.Record, transaction bool) {
	if t != nil {
		r.Tracking, r.Caching = bytes.Join(t.requests, nil), t.caching == cachingNext || transaction && t.caching == cachingThis
	}
}

// restoreTracking gives a session that comes from another worker what its record says of tracking.
func (p *pool) restoreTracking(s *session, r *handoff.Record) {
	for b := r.Tracking; len(b) > 0; {
		n, args, err := resp.ConsumeRequest(b, nil)
		if n == 0 || err != nil || len(args) < 3 {
			return
		}
		if s.tracking == nil {
			s.tracking, s.eachRequest = new(tracking), true
			p.trackers++
		}
		s.tracking.add(bytes.Clone(b[:n]))
		b = b[n:]
	}
	if s.tracking != nil && r.Caching {
		s.tracking.caching = cachingNext
		if r.Transaction != nil {
			s.tracking.caching = cachingThis
		}
	}
}

// checkTracking is called when the client has come from another worker, where keys may have lived elsewhere: it is to forget what it
// has read. With BCAST it ends if one of its connections has not come along.
func (c *client) checkTracking() {
	t := c.session.tracking
	if t == nil {
		return
	}
	c.deliverInvalidation([]byte(resp.InvalidateAll), nil)
	c.leaveUnlessTracked()
}

// leaveUnlessTracked ends a client with BCAST of which a server does not know that it tracks.
func (c *client) leaveUnlessTracked() {
	for i := range c.pool.serversOf(everywhere) {
		own := c.dedicatedTo(i)
		if c.session.tracking.asked.Broadcast && (own == nil || own.own.purposes&forTracking == 0) && c.life == clientOpen {
			c.leave(link.ServerLost)
			return
		}
	}
}

// invalidateTracked tells all clients of the pool that track to forget what they have read: keys may live elsewhere now, where
// nobody knows what was read before. A cluster may have another master now.
func (p *pool) invalidateTracked() {
	for c := range p.l.everyClient {
		if c.pool == p && c.session.tracking != nil && c.life == clientOpen {
			c.deliverInvalidation([]byte(resp.InvalidateAll), nil)
			if p.cluster != nil && !c.moving.inFlight() {
				c.leaveUnlessTracked()
			}
		}
	}
}

// trackingInfo appends the reply to CLIENT TRACKINGINFO.
func (c *client) trackingInfo(out []byte) []byte {
	t, v := c.session.tracking, c.version()
	flags := []string{"off"}
	var prefixes [][]byte
	if t != nil {
		flags, prefixes = t.flags(), t.asked.Prefixes
	}
	out = v.AppendMap(out, 3)
	out = v.AppendSet(resp.AppendBulkString(out, "flags"), len(flags))
	for _, flag := range flags {
		out = resp.AppendBulkString(out, flag)
	}
	out = resp.AppendInt(resp.AppendBulkString(out, "redirect"), c.redirect())
	out = resp.AppendArray(resp.AppendBulkString(out, "prefixes"), len(prefixes))
	for _, prefix := range prefixes {
		out = resp.AppendBulk(out, prefix)
	}
	return out
}

// getRedirect appends the reply to CLIENT GETREDIR.
func (c *client) getRedirect(out []byte) []byte { return resp.AppendInt(out, c.redirect()) }

// redirect returns what CLIENT GETREDIR tells: 0 for a client that tracks, as none redirects.
func (c *client) redirect() int64 {
	if c.session.tracking == nil {
		return -1
	}
	return 0
}

// flags returns the words that stand for what is tracked, in the order of Redis.
func (t *tracking) flags() []string {
	flags := []string{"on"}
	for _, f := range []struct {
		set  bool
		word string
	}{
		{t.asked.Broadcast, "bcast"},
		{t.asked.OptIn, "optin"}, {t.asked.OptIn && t.caching != cachingNone, "caching-yes"},
		{t.asked.OptOut, "optout"}, {t.asked.OptOut && t.caching != cachingNone, "caching-no"},
		{t.asked.NoLoop, "noloop"},
	} {
		if f.set {
			flags = append(flags, f.word)
		}
	}
	return flags
}

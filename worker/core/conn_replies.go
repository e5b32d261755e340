// The way back: replies of servers to the requests that wait for them.

package core

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
)

func (c *conn) ready(ev poll.Event) {
	if c.state == connConnecting {
		if err := sock.Error(c.stream.FD()); err != nil {
			c.refused(err)
			return
		}
		if !ev.Writable {
			return
		}
		c.established()
		if c.state < connGreeting {
			return
		}
	}
	if c.state == connHandshaking {
		c.handshakeOn(ev)
		return
	}
	if ev.Writable && c.stream.Unwritten() > 0 {
		c.writeOn()
		if c.state == connClosed {
			return
		}
	}
	if ev.Readable {
		c.stream.Unread = true
		c.stream.Hangup = c.stream.Hangup || ev.Hangup
		if c.queued || len(c.stream.Kept()) >= stream.DirectBytes { // many replies, or a long one: others first
			c.thisTurn()
			return
		}
		c.recv()
	}
}

func (c *conn) receive() {
	c.queued = false
	if c.own != nil && c.own.inFlight {
		return
	}
	switch {
	case c.state == connHandshaking:
		c.shake()
	case c.state >= connGreeting && c.stream.Unread:
		c.recv()
	}
}

// recv reads one share of what the server has sent and delivers the replies.
func (c *conn) recv() {
	l := c.endpoint.pool.l
	b, err := c.stream.Recv(l.io)
	if c.stream.AnswersLate() {
		_ = l.overlook(c, unix.ENOBUFS)
	}
	if err == unix.ENOMEM && c.discard(errNoMemory) {
		if c.state != connClosed {
			c.saveRest(c.stream.Reread())
			c.stream.Unread = true
			c.nextTurn()
		}
		return
	}
	if err != nil {
		c.fail(c.tlsError(err))
		return
	}
	if b == nil {
		if c.stream.Unread {
			c.nextTurn()
		}
		return
	}
	c.heard, c.blamed, c.lockedOut = l.now, false, false
	before := *c.endpoint.counters[link.Responses]
	used, err := c.pairReplies(b)
	if err != nil {
		c.fail(err)
		return
	}
	if c.lockedOut {
		c.endpoint.spoke = true
	} else {
		*c.endpoint.heard = uint64(l.now)
	}
	if c.leaving && c.head == nil {
		c.retire()
	}
	if c.state == connClosed {
		return
	}
	c.saveRest(b[used:])
	if c.state == connClosed {
		return
	}
	served := *c.endpoint.counters[link.Responses] - before
	if served > 0 {
		l.io.Spent += int(served) * requestToll
		c.reportHealth()
	}
	c.gauge.answered(int(served), l.now, c.endpoint.pool.timeout/gaugePart, c.endpoint.pool.firstOwed())
	if c.paused {
		c.markDirty()
	}
	if c.stream.Unread {
		c.nextTurn()
	}
}

// reportHealth tells the endpoint what the replies of this turn say about the server.
func (c *conn) reportHealth() {
	if c.reads != nil {
		if c.outOfService == nil {
			c.reads.succeeded()
		}
		c.outOfService = nil
		return
	}
	if c.outOfService != nil {
		if c.outOfService != heldRefusal {
			c.endpoint.failed(c.outOfService, c.outOfServiceAt)
		}
		c.outOfService = nil
		return
	}
	c.endpoint.succeeded()
}

var (
	errUnsolicited = errors.New("server sent a reply that nobody asked for")
	errAmbiguous   = errors.New("server sent a reply that may be to what it has answered already")
	errGarbage     = errors.New("server sent what is no reply")
)

// refusal is an error that a server sent before it got a request, such as that it has too many clients already.
type refusal struct{ reply []byte }

func (r *refusal) Error() string {
	return fmt.Sprintf("server refuses: %.200s", bytes.TrimRight(r.reply, "\r\n"))
}

// isUnsolicited tells whether a reply that comes now belongs to no request.
func (c *conn) isUnsolicited() bool { return c.head == nil || c.head == c.unsent && c.lead <= 0 }

// unsolicitedError returns what such a reply means. An error reply answers all requests that wait.
func unsolicitedError(reply []byte) error {
	if resp.IsError(reply) || memcache.IsError(reply) {
		return &refusal{bytes.Clone(reply)}
	}
	return errUnsolicited
}

// pairReplies pairs the replies in b with the in queue and returns how many bytes they have.
func (c *conn) pairReplies(b []byte) (used int, err error) {
	for used < len(b) {
		size, next, err := c.endpoint.pool.consume(b[used:], c.progress)
		if err != nil {
			return used, fmt.Errorf("%w: %w", errGarbage, strangeReply(c.endpoint.pool.spec.Protocol, b[used:], err))
		}
		c.progress = next
		if size == 0 {
			return used, nil
		}
		c.progress = progress{}
		reply := b[used : used+size]
		used += size
		if err := c.pair(reply); err != nil || c.state == connClosed {
			return used, err
		}
	}
	return used, nil
}

// pair has a whole reply answer the request that it belongs to, if it belongs to one.
func (c *conn) pair(reply []byte) error {
	switch {
	case c.own != nil && c.pushed(reply):
		return nil
	case c.own == nil && resp.IsPush(reply): // nobody has subscribed to anything here, and no request waits for it
		return nil
	case c.state == connGreeting:
		return c.greeted(reply)
	case c.isUnsolicited() && c.endsTwice(reply):
		return nil
	case c.isUnsolicited():
		return unsolicitedError(reply)
	case c.isAmbiguous(reply):
		return errAmbiguous
	}
	n := &c.endpoint.counters
	*n[link.ResponseBytes] += uint64(len(reply))
	if c.head.skips > 0 {
		c.skipReply(reply)
		return nil
	}
	*n[link.Responses]++
	if c.endpoint.pool.countError(reply) {
		c.endpoint.noteProtest(reply)
		c.lockedOut = resp.RefusesConnection(reply) || memcache.RefusesConnection(reply)
	}
	r, said := c.pop(), reply
	if c.reads != nil && c.returnRefused(r, reply) {
		return nil
	}
	if c.endpoint.pool.cluster != nil && (resp.IsError(reply) && !c.discards || c.leaving) {
		var again bool
		if reply, again = c.refusedByNode(r, reply); again {
			return nil
		}
	} else if r.slot > 0 {
		c.endpoint.pool.cluster.overtaken(r)
	}
	if c.lacksPassword(reply) {
		c.lockedOut = true
		c.endpoint.complainOfPassword()
	}
	if resp.IsOutOfService(reply) && !c.discards && !r.isScript() && c.noteOutOfService(r, reply) {
		return nil
	}
	c.discards = false
	if r.state&(isBlocking|isCopied) != 0 {
		c.noteAnswered(r)
	} else {
		c.endpoint.latency[link.LatencyBucket(c.endpoint.pool.l.now-r.sent)]++
	}
	var err error
	switch {
	case r.command == toldCommand:
		err = c.noteTold(r, reply)
	case r.isTransaction():
		err = c.noteTransaction(said)
	case c.own != nil && r.state&isSubscription != 0 && resp.NoticeOf(said) != resp.Confirmed:
		c.own.mayHold = true // more than a fresh connection would
	}
	if parting := c.partingFor(r, reply); parting != nil {
		c.endpoint.pool.l.answer(r, parting, nil)
	} else {
		c.endpoint.pool.l.answer(r, reply, &c.stream)
	}
	if err == nil && c.own != nil {
		c.giveBackIfDone()
	}
	return err
}

// refusedByNode is called with an error reply of a node of a cluster. It tells whether r is sent again, and else returns what it is
// answered with.
func (c *conn) refusedByNode(r *request, reply []byte) (answer []byte, again bool) {
	sent, blocks := r.sent, r.state&isBlocking != 0
	answer, again = c.endpoint.pool.cluster.refused(c, r, reply)
	switch {
	case again && blocks:
		*c.endpoint.counters[link.BlockingResponses]++
	case again:
		c.endpoint.latency[link.LatencyBucket(c.endpoint.pool.l.now-sent)]++
		if c.own != nil && c.state == connReady {
			c.giveBackIfDone()
		}
	}
	return answer, again
}

// noteOutOfService is called when the server says that it cannot do its work for now, and tells whether r waits until it can.
func (c *conn) noteOutOfService(r *request, reply []byte) (waits bool) {
	c.endpoint.doubt()
	if c.hold != nil && c.endpoint.pool.cluster == nil && c.holdRefused(r, reply) {
		c.endpoint.latency[link.LatencyBucket(c.endpoint.pool.l.now-r.sent)]++
		return true
	}
	c.outOfService, c.outOfServiceAt = &refusal{bytes.Clone(reply)}, r.sent
	return false
}

// lacksPassword tells whether the server refuses what it is asked because the configuration has no password for it.
func (c *conn) lacksPassword(reply []byte) bool {
	if len(reply) == 0 || reply[0] != '-' && reply[0] != 'C' || c.endpoint.pool.spec.ServerLogin().Password != "" {
		return false
	}
	return bytes.HasPrefix(reply, []byte("-NOAUTH ")) || string(reply) == memcache.Unauthenticated
}

// noteAnswered is called when a request was answered that may have waited in the server, or that would be sent again otherwise.
func (c *conn) noteAnswered(r *request) {
	if r.state&isBlocking != 0 {
		*c.endpoint.counters[link.BlockingResponses]++
		return
	}
	c.endpoint.latency[link.LatencyBucket(c.endpoint.pool.l.now-r.sent)]++
	c.dropCopy(r)
}

// skipReply takes a reply that comes before the one that answers the head of the in queue: +OK to MULTI, +QUEUED to what
// follows, or what precedes WAIT. Where it is an error, the reply to EXEC will be one.
func (c *conn) skipReply(reply []byte) {
	r := c.head
	r.skips--
	c.discards = false
	if c.noteNumber(reply) || c.endpoint.pool.cluster != nil && c.endpoint.pool.cluster.noteSkipped(c, reply) {
		return
	}
	switch {
	case r.state&isBlocking != 0 && resp.IsError(reply):
		c.failRequests(c.close(), &refusal{resp.AppendCannotWait(nil, r.command, reply)})
	case resp.IsOutOfService(reply):
		c.endpoint.doubt()
		c.outOfService, c.outOfServiceAt = &refusal{bytes.Clone(reply)}, r.sent
	case resp.IsError(reply):
		c.endpoint.complainOfQueued(reply)
	}
}

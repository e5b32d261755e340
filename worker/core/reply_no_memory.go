// Replies that there is no memory for: only their own request fails.

package core

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// isOwnTrouble tells whether an error of a server connection is this host's fault, and says nothing about the server.
func isOwnTrouble(err error) bool {
	for _, own := range []error{
		errReplyMemory, errNoMemory, errOwnDescriptor, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.ENOSPC, unix.EADDRNOTAVAIL,
	} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

// discard gives up the reply that is coming, and answers its request with the reason. The connection stays: the rest of the
// reply is thrown away. One that has waited in the server has a connection for itself, which ends: its client is free to have
// another one wait. So does a connection on which a push is coming, or what may be one: it answers nobody, and its client would miss it.
// It returns whether there is such a reply; the caller must call saveRest if the connection is open.
func (c *conn) discard(reason error) bool {
	if c.state != connReady || c.discards {
		return false
	}
	if _, why := c.owner(); why&forBlocking != 0 && !c.isUnsolicited() || c.isPushComing(why) {
		c.fail(reason)
		return true
	}
	if c.isUnsolicited() {
		return false
	}
	p, r := c.endpoint.pool, c.head
	c.discards = true
	if c.waiting == r {
		c.waiting = r.behind
	}
	c.endpoint.complainOf(reason)
	if r.state&isExpired == 0 {
		r.state |= isExpired
		*p.counters[link.ForwardError]++
	}
	if r.errand != nil {
		r.errand.notSent = true
	}
	p.l.answer(r, p.failure(r, p.errorText(reason), true), nil)
	return true
}

// isPushComing tells whether what is coming may be a push. In RESP2 only the connection of subscriptions has any, which have the form of
// replies.
func (c *conn) isPushComing(why purpose) bool {
	if why&(forSubscription|forTracking|forMonitoring) == 0 {
		return false
	}
	kept := c.stream.Kept()
	return c.greeting.version == resp.RESP2 || len(kept) == 0 || resp.IsPush(kept)
}

// saveRest keeps b, the incomplete reply at the end of the input, or the part that is needed to find its end. A reply larger
// than memory_limit is given up as soon as its size is known.
func (c *conn) saveRest(b []byte) {
	l := c.endpoint.pool.l
	if limit := l.spec.MemoryLimit; limit > 0 && int64(c.progress.pos) > limit {
		c.discard(errReplyMemory)
	}
	if c.state == connClosed {
		return
	}
	if c.discards {
		b = c.trimDiscarded(b)
	}
	err := c.stream.Keep(l.memory, b)
	if err != nil && c.discard(errNoMemory) && c.state != connClosed {
		err = c.stream.Keep(l.memory, c.trimDiscarded(b))
	}
	if err != nil {
		c.fail(err)
	}
}

// longLineBytes is from where on what begins like a line is one: the number of a string or an array is shorter.
const longLineBytes = 64 << 10

// trimDiscarded returns the part of b, an incomplete reply that is given up, that is needed to find its end: the bytes that tell its kind,
// the end of the line or string before what is coming, and the beginning of that.
func (c *conn) trimDiscarded(b []byte) []byte {
	p, before, kind := &c.progress, len(b), 1
	if c.endpoint.pool.spec.Protocol == link.Memcache {
		kind = memcache.KindBytes(b)
	}
	if from := min(len(b), p.pos) - len("\r\n"); from > kind {
		copy(b[from-kind:], b[:kind])
		b = b[from-kind:]
		p.pos -= from - kind
		p.scan = max(p.scan-(from-kind), 0)
	}
	if head := p.pos + 1; len(b)-head > longLineBytes {
		drop := len(b) - 1 - head
		copy(b[drop:], b[:head])
		b = b[drop:]
		p.scan = max(p.scan-drop, 0)
	}
	*c.endpoint.counters[link.ResponseBytes] += uint64(before - len(b))
	return b
}

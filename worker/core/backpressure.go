// Backpressure: how much one connection may hold, and how much all together may.
//
// A client that reaches max_outstanding_requests or the bytes below is muted: it is not read, so TCP holds the rest at its
// end, until it is below again. Beyond client_output_hard it is closed.
//
// A client may send all its requests before it reads any reply, so unread replies alone do not mute it: client and proxy
// would wait for each other. They do once the worker holds half of memory_limit. Then clients with client_output_soft of
// unread output are muted, and closed if they read nothing at all for a while. From three quarters on, the largest holders
// are muted as well, and some are evicted if that does not help.

package core

import (
	"errors"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

const (
	maxOutstandingBytes = 8 << 20 // of a client's requests without a reply, beyond which it is not read

	// maxLagging is how many requests of a client may wait for replies while it has client_output_soft of unread output: when
	// memory becomes short, not much more should be on its way.
	maxLagging = 64

	// maxKeptScratchBytes bounds what the loop keeps of a buffer that one large request or reply needed.
	maxKeptScratchBytes = 1 << 20
	maxKeptArgs         = 4096 // the same for lists of arguments and keys

	// maxTurnBytes is how much a turn receives, and how much it sends, all connections together; the others wait for the
	// next turn. What takes time whatever its length counts as so many bytes.
	maxTurnBytes = 1 << 20
	requestToll  = 256
	closingToll  = 16 << 10
	// maxBuriedBytes is how much of mapped memory a turn gives back: more than a turn can fill, so that it never piles up.
	maxBuriedBytes = 4 * maxTurnBytes
)

var errOverflow = errors.New("client takes its replies too slowly: client_output_hard is reached")

// muted tells that the client is not read for now.
func (c *client) muted() bool {
	p := c.pool.spec
	if c.walk != nil || int(c.owed) >= p.ClientOutstanding || c.owedSize >= maxOutstandingBytes ||
		c.life != clientOpen || c.moving.frozen() || c.holdsBack() {
		return true
	}
	r := &c.pool.l.relief
	return c.isBehind() && (r.short || c.owed >= maxLagging) || r.scarce && int64(c.holds()) > r.share
}

// unmute reads the client again, if it was muted and is no more.
func (c *client) unmute() {
	if (c.stream.Unread || c.stream.Backlog) && !c.muted() {
		c.nextTurn()
	}
}

// isBehind tells that the client has client_output_soft or more of unread output.
func (c *client) isBehind() bool {
	return int64(c.stream.Unwritten()+c.held) >= c.pool.spec.ClientOutputSoft
}

// overflow closes a client that does not read its replies.
func (c *client) overflow() {
	p := c.pool
	if p.overflowLogged == 0 || p.l.now-p.overflowLogged >= int64(logPause) {
		p.overflowLogged = p.l.now
		limit := "client_output_hard"
		if c.outputLimit() < p.spec.ClientOutputHard {
			limit = "subscriber_output_hard"
		}
		p.l.log(logevent.ClientNotReading, p.name, c.id, c.peer(), c.stream.Unwritten()+c.held, limit)
	}
	c.fail(errOverflow)
}

// overflows tells that the client has more than client_output_hard of unread output.
func (c *client) overflows() bool {
	waits := int64(c.stream.Unwritten() + c.held)
	return waits > 0 && waits > c.outputLimit() // whose limit it is lies elsewhere in memory, and mostly nothing waits
}

// outputLimit returns how much unread output the client may have: one that listens, to whom more comes whether it reads or not, less
// than others.
func (c *client) outputLimit() int64 {
	p := c.pool.spec
	if c.listens() {
		return min(p.ClientOutputHard, p.SubscriberOutput)
	}
	return p.ClientOutputHard
}

// holds returns how many bytes are kept for the client.
func (c *client) holds() int {
	return c.stream.Cost() + c.held + c.walk.cost() + int(c.unsent) + int(c.owed)*requestBytes + c.session.cost() + c.session.tx.cost()
}

// frees returns how many bytes closing the client frees. Requests that wait to be sent stay: they are their servers' to read.
// A client in flight must not be closed.
func (c *client) frees() int {
	if c.moving.inFlight() {
		return 0
	}
	return c.holds() - int(c.unsent)
}

// frees returns how many bytes closing the connection frees: an incomplete reply, and requests that the server does not read.
func (c *conn) frees() int {
	return c.stream.Cost() + c.hold.cost() + (c.owed+c.unbegun)*requestBytes
}

// unmuteAll reads all clients again that may be read.
func (l *loop) unmuteAll() {
	for c := range l.everyClient {
		c.unmute()
	}
}

// refuseSize answers a Redis request of more than max_request_bytes, and ends the connection.
func (c *client) refuseSize() {
	*c.pool.counters[link.ClientErr]++
	c.pool.l.log(logevent.RequestTooLarge, c.pool.name, c.id, c.peer())
	c.respondScratch(resp.AppendError(c.pool.l.scratch[:0], "ERR Protocol error: request is larger than max_request_bytes"))
	c.leave(link.RequestTooLong)
}

// The end of a client: when it has sent its last byte, after QUIT, after an error, after too long an idle time.

package core

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// lingerTicks is how long a client that was sent its last byte may take to hang up.
	lingerTicks = 16
	// sinkReads is how many buffers one turn discards of such a client.
	sinkReads = 4
)

// lingering lists the clients that are to hang up. Loop only.
type lingering struct {
	clients []*client
	timer   timer.Timer // looks for those that have had their time
}

// inputEnded is called when the client has sent its last byte. Replies that it is owed are still written.
func (c *client) inputEnded() {
	c.countEOF()
	c.noteClosing(link.HungUp)
	c.become(clientHalfClosed)
	c.stream.DropInput(c.pool.l.memory)
	c.endIfDone()
}

func (c *client) countEOF() {
	*c.pool.counters[link.ClientEOF]++
}

// leave closes the client, which is open, as soon as it has got what it is owed.
func (c *client) leave(why link.Closing) {
	c.noteClosing(why)
	c.become(clientLeaving)
	c.markDirty()
}

// endIfDone closes or lingers once the client has got what it is owed.
func (c *client) endIfDone() {
	if c.head != nil || c.walk != nil || c.stream.Unwritten() > 0 {
		return
	}
	switch c.life {
	case clientHalfClosed:
		c.close()
	case clientLeaving:
		c.linger()
	}
}

// fail ends a connection that broke.
func (c *client) fail(err error) {
	*c.pool.counters[link.ClientErr]++
	c.noteClosing(closingOf(err))
	c.pool.l.log(logevent.ClientEnded, c.pool.name, c.id, err)
	c.close()
}

// noteClosing is called before the connection ends, and counts why. What comes after the end has begun is not the reason.
func (c *client) noteClosing(why link.Closing) {
	if c.life <= clientOpen {
		*c.pool.counters[link.FirstClosing+int(why)]++
	}
}

// closingOf returns why a connection ends that has failed with err.
func closingOf(err error) link.Closing {
	switch err {
	case errOverflow:
		return link.OutputUntaken
	case errNotReading, errMemory, errNoMemory, errReplyMemory:
		return link.MemoryShort
	}
	return link.Broken
}

// closeFor closes the client at once, and counts why.
func (c *client) closeFor(why link.Closing) {
	c.noteClosing(why)
	c.close()
}

// close closes the client at once. Replies that are still to come are dropped. Why it ends is counted already.
func (c *client) close() {
	if c.life == clientClosed {
		return
	}
	l := c.pool.l
	if c.moving.frozen() {
		l.mover.outgoing.remove(c)
	}
	c.tearDown()
	l.io.Spent += closingToll
	l.endIfDrained()
}

// tearDown frees the client and all that it has. Another worker may have a copy of its descriptor.
func (c *client) tearDown() {
	l := c.pool.l
	counts := c.life != clientNew
	c.become(clientClosed)
	l.poller.Remove(c.stream.FD()) // closing does not, where another worker has it open
	l.removeEntry(c.token)
	c.stream.Farewell()
	sock.Close(c.stream.FD())
	l.slow.forget(c)
	c.dropWalk()
	c.dropRequests()
	l.handshakes.count(c.stream.Shakes(), false)
	c.stream.Drop(l.memory)
	c.resetSession()
	if counts {
		l.clients--
		if c.from.spec.TLS {
			*c.pool.counters[link.ClientsTLS]--
		}
		l.memory.Uncharge(clientBytes)
		l.memory.CountGarbage(clientBytes)
		l.closed()
		atomic.AddUint64(c.pool.counters[link.ClientConnections], ^uint64(0))
	}
}

// linger sends the end of the stream and waits for the client's: closing with unread bytes would reset the connection, and
// the reset could overtake the last reply.
func (c *client) linger() {
	l := c.pool.l
	c.become(clientLingering)
	c.active = l.ticks()
	c.stream.CloseWrite()
	l.lingering.clients = append(l.lingering.clients, c)
	if !l.lingering.timer.Armed() {
		l.lingering.timer.Fire = l.endLingering
		l.timers.Set(&l.lingering.timer, l.now+lingerTicks*tickNanos)
	}
	c.nextTurn()
}

// sink discards input of a lingering client.
func (c *client) sink() {
	l := c.pool.l
	for range sinkReads {
		n, err := c.stream.Discard(l.io)
		if err != nil {
			c.close()
			return
		}
		if n == 0 {
			return
		}
	}
	c.nextTurn()
}

// endLingering closes clients that have lingered for long enough.
func (l *loop) endLingering() {
	now, kept := l.ticks(), l.lingering.clients[:0]
	for _, c := range l.lingering.clients {
		switch {
		case c.life == clientClosed:
		case now-c.active >= lingerTicks:
			c.close()
		default:
			kept = append(kept, c)
		}
	}
	clear(l.lingering.clients[len(kept):])
	l.lingering.clients = kept
	if len(kept) > 0 {
		l.timers.Set(&l.lingering.timer, l.now+lingerTicks*tickNanos/4)
	}
}

// watchIdle sets the timer of the pool's next look for idle clients: often enough that none stays an eighth longer than
// client_idle_timeout.
func (p *pool) watchIdle() {
	if p.spec.ClientIdleTimeout == 0 {
		return
	}
	p.idle.Fire = p.closeIdle
	pause := max(int64(p.spec.ClientIdleTimeout)/8, tickNanos)
	p.l.timers.Set(&p.idle, p.l.now+pause+rand.Int64N(pause/8+1)) // pools need not all do it in the same turn
}

// closeIdle closes the clients that have sent nothing for client_idle_timeout and wait for nothing, not even for what is published.
func (p *pool) closeIdle() {
	l := p.l
	limit := uint32(int64(p.spec.ClientIdleTimeout) / tickNanos)
	for c := range l.everyClient {
		if c.pool == p && c.head == nil && !c.listens() && c.stream.Unwritten() == 0 && c.life == clientOpen && !c.holdsBack() && l.ticks()-c.active > limit {
			l.log(logevent.ClientIdle, p.name, c.id, c.peer())
			c.closeFor(link.Idle)
		}
	}
	p.watchIdle()
}

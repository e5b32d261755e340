// The end of a client: when it has sent its last byte, after QUIT, after an error, after too long an idle time.

package core

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// tickNanos is the unit in which the loop notes when a client was active.
	tickNanos = int64(time.Second / 16)
	// lingerTicks is how long a client that was sent its last byte may take to hang up.
	lingerTicks = 16
	// sinkReads is how many times the loop's buffer one turn throws away for such a client.
	sinkReads = 4
)

// lingering is who waits for the other end to hang up. Loop only.
type lingering struct {
	clients []*client
	timer   timer.Timer // looks for those that have had their time
}

// ticks is the loop's time in the unit of client.active.
func (l *loop) ticks() uint32 { return uint32(l.now / tickNanos) }

// inputEnded is told that the client will send no more. What it is owed is still written.
func (c *client) inputEnded() {
	*c.pool.counters[link.ClientEOF]++
	c.become(clientHalfClosed)
	c.stream.DropInput(c.pool.l.memory)
	c.endIfDone()
}

// leave has the client, which is open, closed as soon as it has got what it is owed.
func (c *client) leave() {
	c.become(clientLeaving)
	c.markDirty()
}

// endIfDone goes on towards the end of a client that has got what it is owed.
func (c *client) endIfDone() {
	if c.head != nil || c.stream.Out.Len() > 0 {
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
	c.pool.l.logf(levelDebug, "pool %q: client %d: %v", c.pool.name, c.id, err)
	c.close()
}

// close ends the connection at once. Replies that are still to come find nobody.
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

// tearDown lets go of the client and of all that it has, but for what another worker has of it.
func (c *client) tearDown() {
	l := c.pool.l
	counts := c.life != clientNew
	c.become(clientClosed)
	l.poller.Remove(c.stream.FD()) // closing does not, where another worker has it open
	l.removeEntry(c.token)
	sock.Close(c.stream.FD())
	c.dropWalk()
	c.dropRequests()
	c.stream.Drop(l.memory)
	c.resetSession()
	if counts {
		l.clients--
		l.memory.Uncharge(clientBytes)
		l.memory.Litter(clientBytes)
		l.closed()
		atomic.AddUint64(c.pool.counters[link.ClientConnections], ^uint64(0))
	}
}

// linger sends the end of the stream and waits for the client's: closing over bytes that are still to come would reset
// the connection, and the reset could overtake the last reply.
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

// sink throws away what the client still sends.
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

// endLingering closes those that have had their time.
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

// watchIdle has the pool look for idle clients now and then: often enough that none stays an eighth longer than it may.
func (p *pool) watchIdle() {
	if p.spec.ClientIdleTimeout == 0 {
		return
	}
	p.idle.Fire = p.closeIdle
	pause := max(int64(p.spec.ClientIdleTimeout)/8, tickNanos)
	p.l.timers.Set(&p.idle, p.l.now+pause+rand.Int64N(pause/8+1)) // pools need not all do it in the same turn
}

// closeIdle closes the clients that have sent nothing for client_idle_timeout and wait for nothing.
func (p *pool) closeIdle() {
	l := p.l
	limit := uint32(int64(p.spec.ClientIdleTimeout) / tickNanos)
	for c := range l.everyClient {
		if c.pool == p && c.head == nil && c.stream.Out.Len() == 0 && c.life == clientOpen && l.ticks()-c.active > limit {
			c.close()
		}
	}
	p.watchIdle()
}

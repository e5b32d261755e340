// Ends of clients that the proxy brings about: after an error, after QUIT, after too long an idle time.

package worker

import (
	"math/rand/v2"
	"time"

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

// linger sends the end of the stream and waits for the client's: closing over bytes that are still to come would reset
// the connection, and the reset could overtake the last reply.
func (c *client) linger() {
	l := c.pool.l
	c.become(clientLingering)
	c.active = l.ticks()
	sock.ShutdownWrite(int(c.fd))
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
		n, err := sock.Recv(int(c.fd), l.buf)
		l.spent += n
		if err == nil && n > 0 {
			continue
		}
		if err == nil || !sock.Again(err) {
			c.close()
		}
		return
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
		if c.pool == p && c.head == nil && c.out.bytes == 0 && c.life == clientOpen && l.ticks()-c.active > limit {
			c.close()
		}
	}
	p.watchIdle()
}

// Carrying out, in this worker, what is asked of all clients of a pool. Where there are many it takes several turns.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/memory"
)

// scanCost is what looking at one client takes of a turn's budget, and describeCost what describing or closing it does: each asks
// the kernel for addresses.
const (
	scanCost     = 256
	describeCost = 4 << 10
)

// clientsScan looks at every client of a pool that is here. Loop only.
type clientsScan struct {
	pool *pool
	asks clientsRequest
	next int // index in the loop's table

	count     int            // of clients that were meant
	text      *memory.Buffer // what CLIENT LIST tells of them
	killAsker bool           // the client that asks is meant itself: it gets its reply first
	err       error
	done      func(*clientsScan) // called with the last client; it takes text
}

// scanClients begins to carry out o.
func (p *pool) scanClients(o clientsRequest, done func(*clientsScan)) {
	s := &clientsScan{pool: p, asks: o, done: done}
	switch o.op {
	case resp.LocalClientPause:
		p.pauseClients(o.pause, o.writesOnly)
		done(s)
	case resp.LocalClientUnpause:
		p.unpauseClients()
		done(s)
	default:
		s.receive()
	}
}

// receive looks at some more clients. One that was connected throughout is met once, since its place in the table stays the same.
func (s *clientsScan) receive() {
	l := s.pool.l
	for spent := 0; s.next < len(l.table) && s.err == nil; s.next++ {
		if spent >= maxTurnBytes/4 {
			l.io.Spent += spent
			l.agenda.nextTurn(s)
			return
		}
		spent += scanCost
		if c, ok := l.table[s.next].h.(*client); ok && c.pool == s.pool && c.life != clientLingering && s.asks.filter.matches(c) {
			spent += describeCost
			s.meet(c)
		}
	}
	s.done(s)
}

// meet does with a client what is asked.
func (s *clientsScan) meet(c *client) {
	if s.asks.op == resp.LocalClientUnblock && !c.unblock(s.asks.withError) {
		return
	}
	s.count++
	switch {
	case s.asks.op == resp.LocalClientUnblock:
	case s.asks.op == resp.LocalClientList:
		s.describe(c)
	case c.id == s.asks.asker:
		s.killAsker = true
	default:
		c.pool.l.logf(levelInfo, "pool %q: client %d at %s is closed: client %d has asked for that", c.pool.name, c.id, c.peer(), s.asks.asker)
		c.close()
	}
}

// describe adds a line about a client.
func (s *clientsScan) describe(c *client) {
	m := s.pool.l.memory
	line := c.appendDescription(s.pool.l.scratch[:0])
	s.pool.l.scratch = line
	if s.text == nil {
		s.text = m.GetChunk(memory.FirstChunkBytes)
	}
	for s.err == nil && cap(s.text.B)-len(s.text.B) < len(line) {
		s.err = m.Grow(s.text, len(line))
	}
	if s.err == nil {
		s.text.B = append(s.text.B, line...)
	}
}

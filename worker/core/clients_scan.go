// Carrying out, in this worker, what is asked of all clients of a pool. Where there are many it takes several turns.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
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
	l    *loop
	pool *pool // nil: of all pools
	asks clientsRequest
	next int // index in the loop's table

	matches func(*client) bool // it is meant
	cost    int                // of asking that
	meet    func(*client)      // does with a client that is meant what is asked
	room    int                // bytes of text after which somebody else goes on; 0: without end

	count     int            // of clients that were meant
	text      *memory.Buffer // what CLIENT LIST tells of them
	killAsker bool           // the client that asks is meant itself: it gets its reply first
	err       error
	done      func(*clientsScan) // called with the last client; it takes text
}

// scanClients begins to carry out o.
func (p *pool) scanClients(o clientsRequest, done func(*clientsScan)) {
	s := &clientsScan{l: p.l, pool: p, asks: o, matches: o.filter.matches, cost: scanCost, done: done}
	s.meet = s.carryOut
	switch o.op {
	case opACLLog:
		s.tellACLLog()
		done(s)
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
	l := s.l
	for spent := 0; s.next < len(l.table) && s.err == nil && !s.full(); s.next++ {
		if spent >= maxTurnBytes/4 {
			l.io.Spent += spent
			l.agenda.nextTurn(s)
			return
		}
		c, ok := l.table[s.next].h.(*client)
		if !ok || s.pool != nil && c.pool != s.pool || c.life == clientLingering {
			spent += scanCost
			continue
		}
		spent += s.cost
		if s.matches(c) {
			spent += describeCost
			s.meet(c)
		}
	}
	s.done(s)
}

// full tells whether the text is as long as a page.
func (s *clientsScan) full() bool { return s.room > 0 && len(s.text.Bytes()) >= s.room }

// carryOut does with a client what another one has asked.
func (s *clientsScan) carryOut(c *client) {
	if s.asks.op == resp.LocalClientUnblock && !c.unblock(s.asks.withError) {
		return
	}
	s.count++
	switch {
	case s.asks.op == resp.LocalClientUnblock:
	case s.asks.op == resp.LocalClientList:
		s.l.scratch = c.appendDescription(s.l.scratch[:0])
		s.write(s.l.scratch)
	case c.id == s.asks.asker:
		s.killAsker = true
	default:
		c.pool.l.log(logevent.ClientKilled, c.pool.name, c.id, c.peer(), s.asks.asker)
		c.closeFor(link.Killed)
	}
}

// write adds a line.
func (s *clientsScan) write(line []byte) {
	m := s.l.memory
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

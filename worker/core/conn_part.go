// Parting from a server with TLS: it answers the end of the stream with an end of its own, and a socket that is closed by then
// answers with a reset.

package core

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// partTicks is how long a server may take to end the stream.
	partTicks = 16
	// partAtEnd is how long all servers together may take when the worker ends.
	partAtEnd = 200 * time.Millisecond
	// mostDiscards is how often a turn reads what a server still says. One that has more to say is not waited for.
	mostDiscards = 16
	// mostParting bounds the descriptors that wait for that while the worker serves.
	mostParting = 64
)

// partings lists the descriptors whose servers are to end the stream. Loop only.
type partings struct {
	all   []*parting
	timer timer.Timer // looks for those that have had their time
}

// parting is what is left of a connection to a server. It counts as a connection of the worker until its descriptor is closed.
type parting struct {
	l      *loop
	stream stream.Stream // of what is thrown away
	token  poll.Token
	since  uint32 // ticks
}

// part leaves the descriptor of a connection with TLS, which nobody uses any more, to a parting.
func (c *conn) part() {
	l := c.endpoint.pool.l
	if c.state != connReady || !c.stream.IsTLS() || c.stream.IsFrozen() || c.stream.Unwritten() > 0 || c.stream.Hangup {
		return
	}
	c.stream.CloseWrite()
	p := &parting{l: l, stream: stream.New(c.stream.FD()), token: c.token, since: l.ticks()}
	c.stream.SetFD(-1)
	c.countDescriptor(-1)
	l.setHandler(p.token, p)
	l.partings.all = append(l.partings.all, p)
	if !l.partings.timer.Armed() {
		l.partings.timer.Fire = l.endPartings
		l.timers.Set(&l.partings.timer, l.now+partTicks*tickNanos)
	}
	p.ready(poll.Event{})
}

// ready throws away what the server still says, until it has ended the stream.
func (p *parting) ready(poll.Event) {
	for range mostDiscards {
		n, err := p.stream.Discard(p.l.io)
		if err != nil {
			p.close()
			return
		}
		if n == 0 {
			return
		}
	}
	p.close()
}

func (p *parting) close() {
	l := p.l
	l.poller.Remove(p.stream.FD())
	l.removeEntry(p.token)
	sock.Close(p.stream.FD())
	l.closed()
	l.partings.all = slices.DeleteFunc(l.partings.all, func(other *parting) bool { return other == p })
}

// endPartings closes the descriptors of servers that have had their time.
func (l *loop) endPartings() {
	for _, p := range slices.Clone(l.partings.all) {
		if l.ticks()-p.since >= partTicks {
			p.close()
		}
	}
	if len(l.partings.all) > 0 {
		l.timers.Set(&l.partings.timer, l.now+partTicks*tickNanos/4)
	}
}

// partFromAll is the last that a worker does: it parts from its servers and clients. Those of them without TLS need no word.
func (l *loop) partFromAll() error {
	for i := range l.table {
		switch h := l.table[i].h.(type) {
		case *conn:
			h.part()
		case *client:
			h.stream.Farewell()
		}
	}
	for until := l.clock() + int64(partAtEnd); len(l.partings.all) > 0; {
		left := until - l.clock()
		if left <= 0 {
			return nil
		}
		events, err := l.poller.Wait(time.Duration(left))
		if err != nil {
			return err
		}
		l.handlePartings(events)
	}
	return nil
}

// handlePartings is handle for nobody else.
func (l *loop) handlePartings(events []poll.Event) {
	for _, ev := range events {
		if r := &l.table[ev.Token.Index]; r.seq == ev.Token.Seq {
			if p, parts := r.h.(*parting); parts {
				p.ready(ev)
			}
		}
	}
}

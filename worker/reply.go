// The way back: replies of servers to the requests that wait for them, and what becomes of requests whose reply does not
// come.

package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io"

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
	if ev.Writable && c.stream.Out.Len() > 0 {
		c.markDirty()
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
	if c.state >= connGreeting && c.stream.Unread {
		c.recv()
	}
}

// recv takes one share of what the server sent and gives it to those who wait for it.
func (c *conn) recv() {
	l := c.endpoint.pool.l
	b, err := c.stream.Recv(l.io)
	if err == unix.ENOMEM && c.discard(errNoMemory) {
		if c.state != connClosed {
			c.keep(c.stream.Reread())
			c.stream.Unread = true
			c.nextTurn()
		}
		return
	}
	if err != nil {
		c.fail(err)
		return
	}
	if b == nil {
		return
	}
	c.heard, c.blamed = l.now, false
	*c.endpoint.heard = uint64(l.now)
	before := *c.endpoint.counters[link.Responses]
	used, err := c.take(b)
	if err != nil {
		c.fail(err)
		return
	}
	if c.state == connClosed {
		return
	}
	c.keep(b[used:])
	if c.state == connClosed {
		return
	}
	served := *c.endpoint.counters[link.Responses] - before
	if served > 0 {
		l.io.Spent += int(served) * requestToll
		c.fares()
		if c.head == nil && c.endpoint.former() && c.state != connClosed {
			c.retire()
			return
		}
	}
	c.gauge.answered(int(served), l.now, c.endpoint.pool.timeout/gaugePart, c.endpoint.pool.firstOwed())
	if c.paused {
		c.markDirty()
	}
	if c.stream.Unread {
		c.nextTurn()
	}
}

// fares tells the server's health what its replies say of it.
func (c *conn) fares() {
	if c.sick != nil {
		c.endpoint.failed(c.sick, c.asked)
		c.sick = nil
		return
	}
	c.endpoint.succeeded()
}

var (
	errUnasked = errors.New("server sent a reply that nobody asked for")
	errGarbage = errors.New("server sent what is no reply")
)

// refusal is an error that a server sent before it got a request, such as that it has too many clients already.
type refusal struct{ reply []byte }

func (r *refusal) Error() string {
	return fmt.Sprintf("server refuses: %.200s", bytes.TrimRight(r.reply, "\r\n"))
}

// unasked tells whether what comes now belongs to no request: none is sent.
func (c *conn) unasked() bool { return c.head == nil || c.head == c.unsent && c.lead <= 0 }

// unaskedError tells what such a reply means. An error speaks to all that wait.
func unaskedError(reply []byte) error {
	if resp.IsError(reply) || memcache.IsError(reply) {
		return &refusal{bytes.Clone(reply)}
	}
	return errUnasked
}

// take pairs the replies in b with the in queue and returns how many bytes that used.
func (c *conn) take(b []byte) (used int, err error) {
	n := &c.endpoint.counters
	for used < len(b) {
		size, next, err := c.endpoint.pool.consume(b[used:], c.progress)
		if err != nil {
			return used, fmt.Errorf("%w: %v", errGarbage, err)
		}
		c.progress = next
		if size == 0 {
			return used, nil
		}
		c.progress = progress{}
		reply := b[used : used+size]
		used += size
		if resp.IsPush(reply) { // nobody has subscribed to anything here, and no request waits for it
			continue
		}
		if c.state == connGreeting {
			if err := c.greeted(reply); err != nil {
				return used, err
			}
			continue
		}
		if c.unasked() {
			return used, unaskedError(reply)
		}
		*n[link.Responses]++
		*n[link.ResponseBytes] += uint64(size)
		r := c.pop()
		if resp.IsOutOfService(reply) && !c.discards && !r.isScript() {
			c.sick, c.asked = &refusal{bytes.Clone(reply)}, r.sent
		}
		c.discards = false
		c.endpoint.latency[link.LatencyBucket(c.endpoint.pool.l.now-r.sent)]++
		c.endpoint.pool.l.answer(r, reply, &c.stream)
		if c.state == connClosed {
			return used, nil
		}
	}
	return used, nil
}

// fail ends a connection that broke, and counts it.
func (c *conn) fail(err error) {
	n := &c.endpoint.counters
	switch err {
	case io.EOF:
		*n[link.ServerEOF]++
	case unix.ETIMEDOUT:
		*n[link.ServerTimedout]++
	default:
		*n[link.ServerErr]++
	}
	c.end(err)
}

// end closes the connection and answers everything that waited on it with what happened. That a server closes an idle
// connection is its right and no failure.
func (c *conn) end(err error) {
	idle := err == io.EOF && c.head == nil
	own := isOwnTrouble(err)
	if !own && (c.state < connReady || err == unix.ETIMEDOUT) {
		c.endpoint.passOver(c.addr)
	}
	tentative := c.tentative && c.head == nil
	c.tentative = false
	c.endpoint.tried(c, err)
	queue := c.close()
	if c.ahead {
		c.endpoint.wentAhead(c, false)
	}
	switch {
	case tentative, own:
		c.endpoint.complain(err)
	case !idle:
		c.endpoint.failed(err, c.provenSince(err))
	}
	c.disappoint(queue, err)
}

// disappoint answers all of a queue with what happened to their connection.
func (c *conn) disappoint(queue *request, err error) {
	p := c.endpoint.pool
	text := p.errorText(err)
	for queue != nil {
		r := queue
		queue = r.behind
		r.behind = nil
		r.state &^= inConn
		if r.state&isExpired == 0 {
			*p.counters[link.ForwardError]++
		}
		if r.probe != nil {
			r.probe.vain = isOwnTrouble(err)
		}
		p.l.answer(r, text, nil)
	}
}

// retire closes the connection; nobody waits on it any more.
func (c *conn) retire() {
	queue := c.close()
	for queue != nil {
		r := queue
		queue = r.behind
		r.behind = nil
		r.state &^= inConn
		c.endpoint.pool.l.forget(r)
	}
}

// close frees the connection's descriptor and buffers and returns its in queue. The next request opens it again.
func (c *conn) close() (queue *request) {
	l := c.endpoint.pool.l
	n := &c.endpoint.counters
	c.hangUp()
	if c.state >= connGreeting {
		*n[link.ServerConnections]--
	}
	queue = c.head
	for r := queue; r != nil; r = c.head {
		c.head = r.behind
		c.uncount(r)
	}
	if c.state != connClosed {
		c.become(connClosed)
	}
	l.timers.Stop(&c.deadlines)
	l.timers.Stop(&c.turn)
	c.head, c.tail, c.waiting, c.begun, c.unsent = nil, nil, nil, nil, nil
	c.owed, c.unbegun, c.promised, c.lead = 0, 0, 0, 0
	c.gauge.reset(c.endpoint.pool.firstOwed())
	c.stream.Drop(l.memory)
	c.progress = progress{}
	c.paused, c.blamed, c.discards, c.sick = false, false, false, nil
	return queue
}

// hangUp closes the descriptor, if there is one.
func (c *conn) hangUp() {
	if c.stream.FD() < 0 {
		return
	}
	l := c.endpoint.pool.l
	l.poller.Remove(c.stream.FD())
	l.release(c.token)
	sock.Close(c.stream.FD())
	c.stream.SetFD(-1)
	l.descriptors.toServers--
	l.closed()
}

func (c *conn) nextTurn() {
	if !c.queued {
		c.queued = true
		c.endpoint.pool.l.agenda.nextTurn(c)
	}
}

// thisTurn has the connection read in this turn, after the others.
func (c *conn) thisTurn() {
	if !c.queued {
		c.queued = true
		c.endpoint.pool.l.agenda.thisTurn(c)
	}
}

func (c *conn) markDirty() {
	if !c.dirty {
		c.dirty = true
		l := c.endpoint.pool.l
		l.agenda.conns = append(l.agenda.conns, c)
	}
}

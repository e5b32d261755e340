// Requests that may wait in the server, such as BLPOP: each on a connection of its client's own, so that nobody else waits. The
// client's next requests are not looked at before its reply is here, as a server would not.
//
// A client that hangs up is nobody to pop an element for: its request is called off, see call_off.go.

package core

import (
	"bytes"
	"io"
	"strconv"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// block sends a request that may wait to the server of its keys, once everything before it is answered.
func (c *client) block(cmd *resp.Command, b []byte, args []resp.Span, alone []int32, row resp.Row) {
	p := c.pool
	server := p.serverOf(b, args, alone, row)
	if p.placement.divides() && !p.together(server, b, args, alone, row) {
		c.respondScratch(c.refuseShards(cmd))
		return
	}
	if !c.caughtUp() {
		return
	}
	first := row.First
	if len(alone) > 0 {
		first = int(alone[0])
	}
	c.blockOn(server, cmd, b, args[first].Of(b), cmd.Patience(b, args))
}

// blockOn sends a request that may wait to a server, on account of key, for that many ns of the server's time; 0: without an end.
func (c *client) blockOn(server int, cmd *resp.Command, b, key []byte, patience int64) {
	p := c.pool
	if c.stream.Hangup && cmd.Write {
		c.leave(link.HungUp)
		return
	}
	own, err := (*conn)(nil), p.errNoServer()
	if at := p.placement.index(server); at >= 0 {
		own, err = c.dedicate(at, forBlocking)
	}
	if err != nil {
		*p.counters[link.ForwardError]++
		c.respond(p.errorText(err))
		return
	}
	r := p.l.requests.get()
	before, replies := c.beforeWait(own, cmd)
	r.command, r.bytes, r.skips, r.state = cmd, int32(len(before)+len(b)), replies, isBlocking
	c.push(r)
	own.own.patience = patience
	if p.cluster != nil && len(b) <= maxRefusedBytes {
		own.own.again, own.own.slot, own.own.moves = bytes.Clone(b), server, 0
	}
	c.changeSession(func(s *session) {
		s.waitsOn, s.waitsFor, s.waitsAs = own, append(s.waitsFor[:0], key...), s.waitsAs[:0]
		if len(b) <= maxWaitingBytes {
			s.waitsAs = append(s.waitsAs, b...)
		}
	})
	c.waitBehind()
	own.sendBehind(r, before, b, &c.stream)
	if c.stream.Hangup {
		p.l.agenda.nextTurn(hungUp{c})
	}
}

// beforeWait returns what must be sent before a request that may wait, and how many replies that gets.
//
// WAIT and WAITAOF are about the last write of the server's client. The writes of this client have gone over another connection: one
// that changes nothing but is replicated comes after them, so what is waited for includes them. (Other requests than writes do not do
// in Valkey, and in Redis since 7.2.)
func (c *client) beforeWait(own *conn, cmd *resp.Command) (before []byte, replies int32) {
	out := c.pool.l.scratch[:0]
	if own.asksNumber() {
		out = append(out, askNumber...)
		replies++
	}
	if cmd.Route == resp.Solo {
		db := strconv.Itoa(c.session.greeting.db)
		out = resp.AppendArray(out, 3)
		out = resp.AppendBulkString(out, "SWAPDB")
		out = resp.AppendBulkString(out, db)
		out = resp.AppendBulkString(out, db)
		replies++
	}
	c.pool.l.scratch = out
	return out, replies
}

// hungUp is a client that has hung up behind its blocking request.
type hungUp struct{ c *client }

func (h hungUp) receive() {
	if h.c.session.waitsOn != nil && h.c.life == clientOpen {
		h.c.hangUpBlocked()
	}
}

// hangUpBlocked is called when a client has sent its last byte while a request of it waits in a server.
func (c *client) hangUpBlocked() {
	own := c.session.waitsOn
	c.inputEnded()
	own.callOff(nil)
}

// hearsBehind tells whether the client is read although a request of it waits in a server. With TLS the end of what a client sends is a
// message, and some keep the connection open until that is answered: without reading it they would not be known to be gone. Who has
// sent further requests has sent enough.
func (c *client) hearsBehind() bool {
	return c.session.waitsOn != nil && c.life == clientOpen && c.stream.IsTLS() && !c.moving.frozen() && len(c.stream.Kept()) < maxWaitingBytes
}

// hearBehind keeps what such a client has sent.
func (c *client) hearBehind() {
	if !c.stream.Unread || !c.hearsBehind() {
		return
	}
	b, err := c.stream.Recv(c.pool.l.io)
	if err == nil && b != nil {
		c.stream.Backlog = true
		err = c.stream.Keep(c.pool.l.memory, b)
	}
	switch {
	case err == io.EOF:
		c.hangUpBlocked()
	case err != nil:
		c.recvFailed(err)
	case c.stream.Unread:
		c.nextTurn()
	}
}

// park is called when something is written on a dedicated connection. A request that may wait is the server's from now on: the
// pool's timeout begins when its own time is over, and it does not count among those that keep the server busy.
func (c *conn) park() {
	r, n := c.head, &c.endpoint.counters
	if r == nil || r == c.unsent || r.state&isBlocking == 0 || r.state&isParked != 0 {
		return
	}
	r.state |= isParked
	*n[link.OutQueue]--
	*n[link.OutQueueBytes] -= uint64(r.bytes)
	*c.endpoint.pool.counters[link.BlockedClients]++
	if !c.own.off.begun {
		c.endpoint.pool.l.timers.Stop(&c.deadlines)
		if r.deadline = c.patienceEnds(); r.deadline != 0 {
			c.awaitExpiry()
		}
	}
	c.stream.Sleep()
	c.takeBack()
	c.endpoint.pool.l.busy-- // until unpark: its client waits for something else than this worker
	if r.client != nil && r.client.moving.frozen() {
		r.client.markDirty()
	}
}

// patienceEnds returns when a request that begins to wait in the server has done so for too long: its own time and the pool's timeout
// are over. 0: never.
func (c *conn) patienceEnds() int64 {
	p := c.endpoint.pool
	if p.timeout == 0 || c.own.patience == 0 {
		return 0
	}
	return p.l.now + c.own.patience + p.timeout
}

// isParked tells whether a request waits in the server.
func (c *conn) isParked() bool {
	return c.head != nil && c.head.state&isParked != 0 && c.head.skips == 0
}

// unpark is called when r is answered, or its connection has ended.
func (c *conn) unpark(r *request) {
	r.state &^= isParked
	*c.endpoint.pool.counters[link.BlockedClients]--
	c.endpoint.pool.l.busy++
}

// leaveServer is called when the server is elsewhere now: a dedicated connection ends. Who waits there is told as by a server
// that is no master any more. What that still answers counts if another configuration is why, and no failover.
func (c *conn) leaveServer() {
	switch {
	case c.own.client == nil:
		c.retire()
	case c.own.client.moving.inFlight(): // if it comes back, see watchDedicated
	case c.isBlocked() && !c.endpoint.server.discovers():
		c.callOffFor(unblockedByMove)
	case c.isBlocked():
		c.own.off.begun, c.own.off.parting = true, unblockedByMove
		c.failRequests(c.close(), errCalledOff)
	default:
		c.end(errMoved)
	}
}

// isBlocked tells whether the next reply is to a request that may wait in the server, be it there already or not.
func (c *conn) isBlocked() bool { return c.head != nil && c.head.state&isBlocking != 0 }

// checkHangup looks whether a client that waits has hung up while events of its connection were ignored.
func (c *client) checkHangup() {
	if c.session.waitsOn != nil && c.life == clientOpen && sock.Closes(c.stream.FD()) {
		c.stream.Hangup = true
		c.hangUpBlocked()
		return
	}
	if c.hearsBehind() {
		c.nextTurn()
	}
}

// isForNobody looks, before a request that would change something and may wait is sent, whether its client has hung up meanwhile.
// Then the connection is closed.
func (c *conn) isForNobody() bool {
	if client := c.own.client; client != nil && !client.moving.frozen() && c.isBlocked() && c.head == c.unsent && c.head.command.Write {
		client.checkHangup()
	}
	return c.state == connClosed
}

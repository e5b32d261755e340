// Requests that wait in a server and are called off: their client has hung up or is unblocked, their key lives elsewhere now, or the
// worker ends.
//
//	not written yet ─────────────────────► it is not sent
//	written ─┬─ the server can be asked ─► CLIENT UNBLOCK, over another connection: it has answered already, or calls off
//	         └─ or not ──────────────────► the connection is shut for writing, which the server takes for the client's end
//
// A server that pops an element and reads of the end before it has written its answer drops both. For a client that has hung up
// nothing else is possible; for others the server is asked wherever it can be.

package core

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// What the client of a request that is called off is told. The code is that of Redis, where it calls one off.
var (
	unblockedByCommand = resp.AppendError(nil, "UNBLOCKED client unblocked via CLIENT UNBLOCK")
	unblockedByMove    = resp.AppendError(nil, "UNBLOCKED the key has moved to another server")
	unblockedByEnd     = resp.AppendError(nil, "UNBLOCKED pinion closes this connection")
)

// unblockedByRules is what the client is told if nobody knows all that it waits for.
var unblockedByRules = resp.AppendError(nil, "UNBLOCKED the rules of this user may have changed")

// errCalledOff is the end of a connection that was shut because its request was called off.
var errCalledOff = errors.New("request was called off")

// unblockPause is the time between two questions to a server that takes the request for no waiting one: it has not come to it yet.
const unblockPause = int64(10 * time.Millisecond)

// callingOff is a request that waits in a server and is called off. Loop only.
type callingOff struct {
	number  uint64      // of the connection among the server's clients; 0: not known
	asked   bool        // the server has been asked for that, and has not answered yet
	begun   bool        // the request is called off
	parting []byte      // what is answered to it if the server does not answer it; nil: nobody is there who would get it
	shut    bool        // hence the connection is shut for writing
	again   timer.Timer // then the server is asked once more to call it off
}

// askNumber asks a server for the number of the connection among its clients.
var askNumber = []byte("*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n")

// asksNumber tells whether the connection's number is to be asked for, and notes that it is. A server that once has not told is not
// asked again.
func (c *conn) asksNumber() bool {
	off := &c.own.off
	off.asked = off.number == 0 && !c.endpoint.numberless
	return off.asked
}

// noteNumber takes the reply to askNumber, if it is that which comes now.
func (c *conn) noteNumber(reply []byte) (taken bool) {
	if c.own == nil || !c.own.off.asked {
		return false
	}
	c.own.off.asked = false
	number, ok := resp.Integer(reply)
	if !ok || number <= 0 {
		c.endpoint.numberless = true
		number = 0
	}
	c.own.off.number = uint64(number)
	c.takeBack()
	return true
}

// unblock calls off the request of the client that waits in a server, and tells whether there is one. If the server has not
// answered it already, the client gets what it would after its time, or an error.
func (c *client) unblock(withError bool) bool {
	own := c.session.waitsOn
	if own == nil || own.own.off.begun {
		return false
	}
	reply := unblockedByCommand
	if !withError {
		reply = c.timedOut(own.head.command)
	}
	own.callOff(reply)
	return true
}

// timedOut returns the reply to a request that has waited for as long as it was to.
func (c *client) timedOut(cmd *resp.Command) []byte {
	switch cmd.Name {
	case "wait":
		return resp.AppendInt(nil, 0)
	case "waitaof":
		return resp.AppendInt(resp.AppendInt(resp.AppendArray(nil, 2), 0), 0)
	}
	return c.version().AppendNullArray(nil)
}

// callOffFor is callOff, unless that was done for another reason.
func (c *conn) callOffFor(parting []byte) {
	if !c.own.off.begun {
		c.callOff(parting)
	}
}

// callOff calls off the request that waits in the server, or is on its way there. If the server has answered it, that is the
// reply, and else parting. What would change something is not sent, unless it is.
func (c *conn) callOff(parting []byte) {
	l := c.endpoint.pool.l
	c.own.off.begun, c.own.off.parting = true, parting
	if c.head == c.unsent && c.head.command.Write {
		c.failRequests(c.close(), errCalledOff)
		return
	}
	c.head.deadline = l.now + c.endpoint.pool.greetingTime()
	l.timers.Set(&c.deadlines, c.head.deadline)
	c.takeBack()
}

// takeBack takes from the server what is called off, once it is written.
func (c *conn) takeBack() {
	off := &c.own.off
	switch {
	case !off.begun, off.shut, c.state != connReady, c.unsent != nil, off.asked && off.parting != nil:
	case off.number != 0 && off.parting != nil:
		c.askToUnblock()
	default:
		off.shut = true
		c.stream.CloseWrite()
	}
}

// askToUnblock asks the server to call the request off.
func (c *conn) askToUnblock() {
	e := c.endpoint
	l := e.pool.l
	over, answered := e.conn(e.pool.greetings[0], 0), c.toldToUnblock
	if e.isFormer() { // it has no connections but clients' own
		fresh, err := e.takeDedicated(e.pool.greetings[0])
		if err != nil {
			c.own.off.number = 0
			c.takeBack()
			return
		}
		over, answered = fresh, func(reply []byte) {
			if fresh.state != connClosed {
				fresh.retire()
			}
			c.toldToUnblock(reply)
		}
	}
	b := resp.AppendArray(l.scratch[:0], 4)
	for _, word := range []string{"CLIENT", "UNBLOCK", strconv.FormatUint(c.own.off.number, 10), "ERROR"} {
		b = resp.AppendBulkString(b, word)
	}
	l.scratch = b
	r := l.requests.get()
	r.bytes, r.deadline = int32(len(b)), l.now+e.pool.greetingTime()
	r.errand = &errand{answered: answered}
	over.send(r, b, nil)
}

// toldToUnblock is called with the server's reply, or the error that stands for none. If the request is called off, that is answered
// on its own connection.
func (c *conn) toldToUnblock(reply []byte) {
	off, l := &c.own.off, c.endpoint.pool.l
	if c.state != connReady || !c.isBlocked() {
		return
	}
	switch n, ok := resp.Integer(reply); {
	case !ok:
		off.number = 0
		c.takeBack()
	case n == 0:
		off.again.Fire = c.takeBack
		l.timers.Set(&off.again, l.now+unblockPause)
	}
}

// partingFor returns what r is answered instead of the server's reply, where that only says that r was called off.
func (c *conn) partingFor(r *request, reply []byte) []byte {
	if r.state&isBlocking == 0 || c.own == nil || c.own.off.parting == nil || !bytes.Equal(reply, unblockedByCommand) {
		return nil
	}
	return c.own.off.parting
}

// unblockMisplaced calls off the requests that wait for keys which live on another server now.
func (p *pool) unblockMisplaced() {
	if p.cluster != nil { // nodes tell themselves
		return
	}
	for _, s := range p.servers {
		for _, c := range slices.Backward(s.primary.dedicated.all) {
			client := c.own.client
			if c.isBlocked() && !client.moving.inFlight() && p.placement.one(client.session.waitsFor) != s.index {
				c.callOffFor(unblockedByMove)
			}
		}
	}
}

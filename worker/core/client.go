// A client: its life, its birth, and reading from it.

package core

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// client is one connection of a client. Loop only.
type client struct {
	pool     *pool
	from     *listener // the listener that has accepted it, or one for the same address
	stream   stream.Stream
	progress requestProgress // into an incomplete request, where that is long
	walk     *keyWalk        // of the last request, if that is long and not sent yet; nil: none
	head     *request        // out queue: not answered yet, in the order they came
	tail     *request
	shelf    *memory.Buffer // buffer of short replies that wait, the next one included; nil: a new one
	held     int            // bytes of replies that wait for an earlier one, and of fan-outs
	session  *session
	id       uint64
	came     int64 // ns: when the first byte of an incomplete request came, or a request was complete
	token    poll.Token
	active   uint32 // when it last sent something, in ticks of the loop
	born     uint32 // when it connected, in ticks of the loop
	skip     uint32 // bytes of a refused request that are still to come
	owed     int32  // length of the out queue
	owedSize uint32 // bytes of its requests
	unsent   uint32 // of them, or of their fragments, those that are not written yet
	took     uint32 // when some of its output was last written, in ticks of the loop
	last     uint16 // 1 + the ID of the last command that it has sent; 0: none, or not to this worker
	lane     uint16 // which of the connections to each server it uses
	queued   clientQueues
	life     clientLife
	waits    clientWait
	moving   moving
	dialect  dialect
	counted  bool // the request at hand was put back when it had been counted and shown to observers
	silent   bool // has connected to this worker and sent nothing yet
}

// clientBytes is about what an idle client costs.
const clientBytes = 256

// clientLife is where a client stands between its connection and its end.
//
//	accepted ──┐                 ┌── end of input ──► half-closed ── got what it is owed ──────────┐
//	           ├─► new ──► open ─┤                                                                 ├─► closed
//	moved here ┘     its worker  └── QUIT, refused, ► leaving ── got what ► lingering ── hangs up ─┤
//	                 serves it       evicted                     it is owed    or takes too long   │
//	                                                                                               │
//	in any of these: its connection breaks, it holds too much, another worker has it, or none ─────┘
//
// With TLS it is handshaking before it is open; where that fails it leaves.
type clientLife uint8

const (
	clientNew         clientLife = iota // made, but not served yet: it does not count
	clientHandshaking                   // is to agree to TLS first
	clientOpen                          // is read and served
	clientHalfClosed                    // has sent its last byte
	clientLeaving                       // is not read any more
	clientLingering                     // was sent its last byte; what it sends is thrown away until it hangs up
	clientClosed                        // here; another worker may have it
)

var clientLifeNames = [...]string{"new", "handshaking", "open", "half-closed", "leaving", "lingering", "closed"}

func (l clientLife) String() string { return clientLifeNames[l] }

// legalClient[from] is the set of lives that may follow.
var legalClient = [...]uint8{
	clientNew:         1<<clientHandshaking | 1<<clientOpen | 1<<clientClosed,
	clientHandshaking: 1<<clientOpen | 1<<clientLeaving | 1<<clientClosed,
	clientOpen:        1<<clientHalfClosed | 1<<clientLeaving | 1<<clientClosed,
	clientHalfClosed:  1 << clientClosed,
	clientLeaving:     1<<clientLingering | 1<<clientClosed,
	clientLingering:   1 << clientClosed,
	clientClosed:      0,
}

func (c *client) become(next clientLife) {
	if legalClient[c.life]&(1<<next) == 0 {
		panic(fmt.Sprintf("worker: a client cannot go from %v to %v", c.life, next))
	}
	before := c.life
	if c.life = next; before == clientHandshaking {
		c.noteHandshakeEnd()
	}
}

// clientQueues says in which of the loop's lists a client is.
type clientQueues uint8

const (
	inTurn clientQueues = 1 << iota
	inDirty
	inHandshakes // may not begin its own yet
	inParked     // has begun it, and is to answer
	inLastTurn   // has had the time for its handshake, and is heard once more
	inPartial    // has been passed over by a turn that had only a part of what it is owed
)

// addClient begins to serve a fresh connection, which the pool has counted, unless the system cannot watch it now.
func (l *loop) addClient(fd int, ln *listener) error {
	c, err := ln.newClient(fd)
	if err != nil {
		return err
	}
	c.id = l.newID()
	c.silent = true
	sock.SetNoDelay(fd)
	if p := ln.pool; p.spec.TCPKeepalive {
		if err := sock.SetKeepalive(fd); err != nil {
			l.log(logevent.ClientKeepalive, p.name, err)
		}
	}
	*l.counters[link.TotalConnections]++
	if ln.spec.TLS {
		c.stream.AwaitTLS(l.io, ln.pool.clientTLS)
	}
	c.startServing()
	c.closeIfIdle()
	return nil
}

// newClient makes a client of fd, which it takes over, and watches it. It is served from startServing on.
func (ln *listener) newClient(fd int) (*client, error) {
	p, l := ln.pool, ln.pool.l
	c := &client{pool: p, from: ln, stream: stream.New(fd), session: p.firstSession(), active: l.ticks(), born: l.ticks(), took: l.ticks()}
	token, err := l.register(fd, c)
	if err != nil {
		return nil, err
	}
	c.token = token
	c.lane = p.nextLane()
	return c, nil
}

// startServing serves the client, and counts it among the worker's clients.
func (c *client) startServing() {
	l := c.pool.l
	if c.stream.AwaitsTLS() {
		c.become(clientHandshaking)
		c.pool.handshakes.add(c)
	} else {
		c.become(clientOpen)
	}
	l.clients++
	if c.from.spec.TLS {
		*c.pool.counters[link.ClientsTLS]++
	}
	l.memory.Charge(clientBytes)
	l.memory.CountGarbage(clientBytes) // the tables that it is in grow by copying
	*l.counters[link.CurrConnections]++
}

// newID returns an id that no other client has had, in any worker of any generation.
func (l *loop) newID() uint64 {
	const perGeneration = 32 // bits
	l.nextID++
	return (max(l.spec.Generation, 1)-1)<<perGeneration + l.nextID*uint64(l.spec.Slots) + uint64(l.spec.Slot)
}

func (c *client) ready(ev poll.Event) {
	if c.life == clientHandshaking {
		c.handshakeOn(ev)
		return
	}
	if ev.Writable && c.stream.Unwritten() > 0 {
		c.markDirty()
	}
	if ev.Readable {
		c.stream.Unread = true
		c.stream.Hangup = c.stream.Hangup || ev.Hangup
		if c.stream.Hangup && c.moving.frozen() { // it does not move any more
			c.pool.l.mover.outgoing.thaw(c)
		}
		if c.stream.Hangup && c.session.waitsOn != nil && c.life == clientOpen {
			c.hangUpBlocked()
			return
		}
		if ev.Broken && c.unread() {
			if err := sock.Error(c.stream.FD()); err != nil {
				c.fail(err)
				return
			}
		}
		if c.takesLong() {
			c.thisTurn()
			return
		}
		c.recv()
	}
}

// unread tells whether the client is not read, so that a broken connection would go unnoticed.
func (c *client) unread() bool { return c.muted() && c.life != clientLingering && !c.moving.frozen() }

// takesLong tells whether the client is processed after the others: it has sent more than its share, sends something large,
// or is gone.
func (c *client) takesLong() bool {
	return c.queued&inTurn != 0 || c.stream.Hangup || len(c.stream.Kept()) >= stream.DirectBytes || c.life == clientLingering
}

func (c *client) receive() {
	c.queued &^= inTurn
	if c.life == clientHandshaking {
		c.shake()
		return
	}
	if c.walk != nil {
		c.walkOn()
	}
	if c.isMerging() {
		c.deliver()
	}
	c.recv()
}

// recv reads and processes one share of what the client has sent; the next share waits for the next turn.
func (c *client) recv() {
	if c.life == clientLingering {
		c.sink()
		return
	}
	if c.muted() {
		c.hearBehind()
		return
	}
	if c.stream.Backlog {
		c.processInput(c.stream.Reread())
		if c.muted() {
			c.hearBehind()
			return
		}
	}
	if !c.stream.Unread {
		return
	}
	fresh := len(c.stream.Kept()) == 0
	b, err := c.stream.Recv(c.pool.l.io)
	if c.stream.AnswersLate() {
		_ = c.pool.l.overlook(c, unix.ENOBUFS)
	}
	switch {
	case err == io.EOF:
		c.inputEnded()
		return
	case err != nil:
		c.recvFailed(err)
		return
	case b != nil:
		if fresh {
			c.came = c.pool.l.now
		}
		c.active = c.pool.l.ticks()
		if c.silent {
			c.silent = false
			if isTLSHello(b) && !c.stream.IsTLS() {
				c.refuseTLS()
				return
			}
		}
		c.processInput(b)
	}
	if c.stream.Unread && (!c.muted() || c.hearsBehind()) {
		c.nextTurn()
	}
}

// recvFailed ends a client that cannot be read.
func (c *client) recvFailed(err error) {
	switch {
	case err == unix.ENOMEM:
		c.pool.l.log(logevent.NoMemory, c.pool.name, c.id, c.peer(), errNoMemory)
		c.closeForMemory(errNoMemory)
	case stream.IsWrong(err):
		c.endWrongTLS(err)
	default:
		c.fail(err)
	}
}

// processInput processes the requests in b and keeps the rest: an incomplete request, or a backlog if the client became
// muted.
func (c *client) processInput(b []byte) {
	used := c.pool.processRequests(c, b)
	switch c.life {
	case clientClosed:
		return
	case clientLeaving:
		used = len(b)
	}
	if used > 0 {
		c.came = c.pool.l.now
	}
	if err := c.stream.Keep(c.pool.l.memory, b[used:]); err != nil {
		c.fail(err)
		return
	}
	c.stream.Backlog = used < len(b) && c.muted()
	if c.walk != nil {
		c.walkOn()
	}
}

// peer returns the client's address, for messages.
func (c *client) peer() string { return sock.PeerAddress(c.stream.FD()) }

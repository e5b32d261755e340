// A connection to a server, and opening it.

package core

import (
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// connState is how far a connection to a server is.
type connState uint8

const (
	connClosed      connState = iota // opens with the next request
	connResolving                    // the host name is being looked up
	connConnecting                   // waits for the handshake of TCP
	connHandshaking                  // waits for that of TLS
	connGreeting                     // has sent its greeting; requests wait
	connReady
)

var connStateNames = [...]string{"closed", "resolving", "connecting", "handshaking", "greeting", "ready"}

func (s connState) String() string { return connStateNames[s] }

// legalConn[from] is the set of states that may follow.
var legalConn = [...]uint8{
	connClosed:      1<<connResolving | 1<<connConnecting | 1<<connReady, // at once: another worker has opened it
	connResolving:   1<<connConnecting | 1<<connClosed,
	connConnecting:  1<<connConnecting | 1<<connHandshaking | 1<<connGreeting | 1<<connReady | 1<<connClosed, // itself: the next address
	connHandshaking: 1<<connGreeting | 1<<connClosed,
	connGreeting:    1<<connReady | 1<<connClosed,
	connReady:       1 << connClosed,
}

// conn is one connection to a server, or the place of one: it opens when it is first needed and again after every
// failure. Loop only. The fields before the blank line are all that a message of a channel touches: of thousands of dedicated
// connections each has gone from the cache when its turn comes.
type conn struct {
	endpoint  *endpoint
	stream    stream.Stream
	progress  progress // into an incomplete reply
	head      *request // in queue: a reply is owed, in the order the server got them
	own       *ownConn // of a dedicated connection; nil: all clients of its lane share it
	heard     int64    // ns: when the server last sent something, or began to owe a reply
	state     connState
	dirty     bool // is in the loop's list for the end of the turn
	queued    bool // is in the loop's list for the next turn
	discards  bool // the reply that is coming is given up: it is parsed, and not kept
	paused    bool // more is written when replies have come, see allowed
	leaving   bool // to a node that is no master any more, see hearOut
	blamed    bool // the silence since heard is counted as a failure
	lockedOut bool // what was read last said that a password is wanted, which the pool does not have, or that nobody is served here

	tail           *request // of the in queue
	waiting        *request // the first of the in queue that has not timed out
	deadlines      timer.Timer
	opened         int64 // ns: when the attempt to connect began
	madeUp         int64 // ns: the turn of the last makeUp
	token          poll.Token
	begun          *request       // the last of the in queue that is written in part or whole; nil: none is
	owed           int            // requests of the in queue up to begun
	unbegun        int            // requests behind begun
	fragments      int            // of those behind it, see fanout_admit.go
	promised       int            // of the fragments, those that have room
	gauge          gauge          // of how many may be owed
	shareRetry     timer.Timer    // until it looks again whether it may write: endpoint_share.go
	shareSince     int64          // ns: when it was last allowed to, or began to wait; 0 = neither
	yields         bool           // has written, and lets other connections go first
	unsent         *request       // the first of the in queue that is not written as a whole
	lead           int            // bytes of unsent that are written; negative: so many of one answered early are to be written first
	addr           netip.AddrPort // of the server, that this attempt tries
	tries          int            // addresses of the server that it has tried
	greeting       *greeting      // what it must agree to first
	steps          []greetingStep // of that, those that are not answered
	outOfService   *refusal       // the last reply of this turn that says that the server does not work; nil: none
	outOfServiceAt int64          // ns: when its request was sent
	preconnecting  bool           // opens before it is needed, see endpoint.notePreconnect
	meta           metaSupport
	tentative      bool     // opens for the server check or preconnect: a failure counts against the server only if a request waits
	hold           *hold    // in a pool with failover_wait: of a shared connection, and of a cluster of any; to a replica; else nil
	reads          *replica // that is read from over it; nil: none
	most           int      // how many reads in the place of replicas it may owe; 0: it is not for these
}

func newConn(e *endpoint, g *greeting) *conn {
	c := &conn{endpoint: e, greeting: g, stream: stream.New(-1), gauge: gauge{limit: e.pool.firstOwed(), peers: e.pool.spec.ServerConnections * e.pool.l.spec.Slots}}
	c.deadlines.Fire = c.expire
	c.shareRetry.Fire = c.markDirty
	return c
}

func (c *conn) become(next connState) {
	if legalConn[c.state]&(1<<next) == 0 {
		panic(fmt.Sprintf("worker: a server connection cannot go from %v to %v", c.state, next))
	}
	c.state = next
}

// open begins to connect, if nothing is under way.
func (c *conn) open() {
	if c.state != connClosed {
		return
	}
	c.opened = c.endpoint.pool.l.now
	c.heard = c.opened
	c.tries = 0
	if c.endpoint.network == link.Sentinel {
		c.fail(errNoAddress)
		return
	}
	if c.endpoint.mustPause() {
		c.fail(c.endpoint.tlsFailure)
		return
	}
	if c.endpoint.hasName() {
		c.become(connResolving)
		c.endpoint.resolve(c)
		return
	}
	c.connect()
}

// connect begins the connection proper, to an address that is known.
func (c *conn) connect() {
	var (
		fd   int
		done bool
		err  error
	)
	if c.endpoint.network == "tcp" {
		c.addr, err = c.endpoint.nextAddress()
		if err != nil {
			c.fail(err)
			return
		}
	}
	c.makeUp()
	l := c.endpoint.pool.l
	if err = l.makeRoom(c); err == nil {
		fd, done, err = c.dial()
		if err == unix.EMFILE && l.closeIdlest(c) {
			fd, done, err = c.dial()
		}
	}
	c.become(connConnecting)
	c.gauge.since = c.endpoint.pool.l.now
	c.tries++
	if err == nil {
		c.token, err = l.register(fd, c)
		if err != nil {
			sock.Close(fd)
		}
	}
	if err != nil {
		c.refused(err)
		return
	}
	c.stream.SetFD(fd)
	c.countDescriptor(1)
	l.opened()
	if done {
		c.established()
	}
}

func (c *conn) dial() (fd int, done bool, err error) {
	if c.endpoint.network == "unix" {
		return sock.ConnectUnix(c.endpoint.address)
	}
	return sock.ConnectTCP(c.addr)
}

// refused is called when the connection could not be opened at this address. A name may have several.
func (c *conn) refused(err error) {
	if isOwnTrouble(err) {
		c.fail(err)
		return
	}
	c.endpoint.doubt()
	c.endpoint.tryNextAddress(c.addr)
	if c.tries < len(c.endpoint.where.found) {
		c.hangUp()
		c.connect()
		return
	}
	c.fail(err)
}

// established is called when TCP has connected. A connection to itself means that nothing listens at the address; it must not
// even keep the port from the server.
func (c *conn) established() {
	p := c.endpoint.pool
	if c.endpoint.network == "tcp" && sock.IsItsOwnPeer(c.stream.FD()) {
		sock.Abort(c.stream.FD())
		c.refused(unix.ECONNREFUSED)
		return
	}
	*c.endpoint.counters[link.ServerConnections]++
	if c.greeting.index > 0 {
		p.watchUnused()
	}
	c.endpoint.saveFound(c.addr)
	c.makeUp()
	c.heard = p.l.now
	c.gauge.way, c.gauge.since = p.l.now-c.gauge.since, 0
	if c.endpoint.network == "tcp" {
		sock.SetNoDelay(c.stream.FD())
		if err := sock.SetServerKeepalive(c.stream.FD()); err != nil {
			p.l.log(logevent.ServerKeepalive, p.name, c.endpoint.server.spec.Name, err)
		}
	}
	if p.tls != nil {
		c.handshake()
		return
	}
	c.greet()
}

// greet says the greeting, if there is one. With TLS there always is: in its version 1.3 a server that does not like the certificate that
// it was shown, or not shown, says so only when it is asked something.
func (c *conn) greet() {
	p := c.endpoint.pool
	text := c.greeting.bytes
	c.steps = c.greeting.steps
	switch {
	case c.hold != nil && c.own == nil:
		step := greetPing
		if c.meta == metaAwaited {
			step = greetVersion
		}
		text, c.steps = slices.Concat(text, p.ping), append(slices.Clone(c.steps), step)
	case len(c.steps) > 0:
	case c.meta == metaAwaited:
		text, c.steps = p.ping, onlyVersion
	case c.isChecked():
		text, c.steps = p.ping, onlyOpen
	case c.mustAnswerFirst():
		text, c.steps = p.ping, onlyPing
	case p.tls != nil:
		text, c.steps = p.ping, onlyOpen
	default:
		c.becomeReady()
		return
	}
	c.become(connGreeting)
	if err := c.stream.SendFirst(text); err != nil {
		c.fail(err)
		return
	}
	c.awaitExpiry()
}

// becomeReady is called when requests may be sent.
func (c *conn) becomeReady() {
	c.become(connReady)
	c.makeUp()
	c.tentative = false
	c.endpoint.noteConnection()
	if c.hold != nil && c.own == nil {
		c.sendHeld()
	}
	if c.head == nil {
		c.endpoint.pool.l.timers.Stop(&c.deadlines)
	}
	c.endpoint.noteAttempt(c, nil)
	if c.preconnecting {
		c.endpoint.notePreconnect(c, true)
	}
	if c.own == nil { // else a server that accepts and does not answer would get all of them at once
		c.endpoint.server.subscribeNow()
	}
	c.markDirty()
}

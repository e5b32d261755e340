// Dedicated connections: connections to servers that belong to one client's session for as long as that needs them, since what
// it asks there would hold up others, or changes what the next requests on the connection mean.
//
//	              ┌── idle: ready, and nobody's ──┐ too many, or not needed for a while ──► closed
//	dedicate ─────┤                               ▲
//	              └─► the client's ── owes nothing, and no purpose is left
//	                       └── the client or the server is gone ──► closed
//
// A client has at most one to each server, one on which it waits, and one over which it monitors. How many clients may have in all to a
// server, dedicated_connections says; descriptors are shared with clients (descriptors.go).

package core

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// mostIdle is how many idle dedicated connections a worker keeps to a server at most, and idleTime for how long, in ns.
	mostIdle = 64
	idleTime = int64(10 * time.Second)
)

// purpose says what a client needs a connection of its own for. The numbers go to other workers.
type purpose uint8

const (
	forBlocking     purpose = 1  // a request that may wait in the server
	forSubscription purpose = 2  // channels and patterns that it has subscribed to
	forWatching     purpose = 4  // keys that it watches
	forTracking     purpose = 8  // all that it asks, so that the server can tell it what changes of that
	forMonitoring   purpose = 16 // what the server tells of all requests that it gets
)

// ownConn is what a dedicated connection has beyond a shared one. Loop only.
type ownConn struct {
	client   *client // whose it is; nil: nobody's
	purposes purpose // of the client's; with none left it is given back as soon as it owes nothing
	inFlight bool    // the client is, and this with it
	place    int     // in dedicatedConns.all
	idleFrom int64   // ns: when it was given back

	renews    []subscription      // of the client, that the server is told over this connection; nil: it is not, or knows of all
	renewed   int                 // of them, those that it knows of
	asked     []askedSubscription // of a cluster: what the node has been asked about subscriptions, and has not answered
	charged   int                 // bytes of memory that those take, while the connection has not ended
	mayHold   bool                // the server may hold subscriptions that nobody wants from it any more
	mayRepeat bool                // likewise: it may answer SUNSUBSCRIBE twice, see endsTwice

	published int64 // ns: when the server last sent a message of a channel
	delayed   bool  // the kernel delays acknowledgements of those

	again []byte // of a cluster: the request that waits in the node, in case that its slot moves
	slot  int    // its slot
	moves int    // how often it was sent elsewhere

	patience int64 // ns: for how long the request that waits in the server does so at most; 0: without an end
	off      callingOff
}

// ownConnBytes is about what a dedicated connection costs.
const ownConnBytes = int(unsafe.Sizeof(conn{})+unsafe.Sizeof(ownConn{})) + 3*16

// dedicatedConns are the dedicated connections of an endpoint. Loop only.
type dedicatedConns struct {
	all   []*conn
	idle  []*conn // of all, those that are nobody's, the longest idle first
	timer timer.Timer
}

var (
	errTooManyDedicated = errors.New("too many clients have a connection of their own to the server: dedicated_connections is reached")
	errOwnDescriptor    = errors.New("no descriptor is left for a connection of the client's own")
)

// dedicate returns the client's own connection to a server of the pool, which it keeps for that purpose until release or until
// it ends. A request that waits has one for itself, so that it can be called off. Where there is none to be had, the error is one
// for errorText.
func (c *client) dedicate(server int, why purpose) (*conn, error) {
	own := c.dedicatedTo(server)
	if own == nil || why&aloneOnly != 0 {
		var err error
		if own, err = c.pool.servers[server].primary.takeDedicated(c.session.greeting); err != nil {
			return nil, err
		}
		own.own.client = c
		c.changeSession(func(s *session) { s.dedicated = append(s.dedicated, own) })
	}
	own.own.purposes |= why
	return own, nil
}

// aloneOnly are the purposes that a connection has alone.
const aloneOnly = forBlocking | forMonitoring

// dedicatedTo returns the client's own connection to a server, without those that have a purpose alone; nil: it has none.
func (c *client) dedicatedTo(server int) *conn {
	for _, own := range c.session.dedicated {
		if own.endpoint.server.index == server && own.own.purposes&aloneOnly == 0 {
			return own
		}
	}
	return nil
}

// selectDedicated has the client's own connections use the database that it has selected. Those that have a purpose alone keep theirs.
func (c *client) selectDedicated(g *greeting) {
	for _, own := range slices.Clone(c.session.dedicated) {
		if own.own.purposes&aloneOnly == 0 && own.greeting != g {
			own.greeting = g
			if own.state >= connGreeting { // else it says so when it is open
				own.tell(resp.AppendBulkString(resp.AppendBulkString(resp.AppendArray(nil, 2), "SELECT"), strconv.Itoa(g.db)))
			}
		}
	}
}

// tell sends a request whose reply nobody waits for, and on which what the client asks next depends: if the server refuses it, the
// connection ends.
func (c *conn) tell(request []byte) {
	r := c.endpoint.pool.l.requests.get()
	r.command = toldCommand
	c.send(r, request, nil)
}

// toldCommand is that of requests that servers are told on behalf of a client's session.
var toldCommand = &resp.Command{Name: "told"}

// noteTold is called with the reply to what the server was told, and returns why the connection ends, if it does. A client whose
// subscription the server refuses to take again ends, too: it would listen to what nobody tells it.
func (c *conn) noteTold(r *request, reply []byte) error {
	switch {
	case !resp.IsError(reply):
		return nil
	case resp.IsOutOfService(reply):
		return &refusal{bytes.Clone(reply)}
	case r.state&isSubscription != 0 && c.own.client != nil && c.own.client.life == clientOpen:
		c.own.client.leave(link.ServerLost)
	}
	return &sessionRefusal{refusal{bytes.Clone(reply)}}
}

// sessionRefusal is an error reply of a server to what it was told. Other connections to it do without.
type sessionRefusal struct{ refusal refusal }

func (e *sessionRefusal) Error() string { return e.refusal.Error() }
func (e *sessionRefusal) Unwrap() error { return &e.refusal }

// release is called when the client does not need its connection for that purpose any more. Requests that are on it are
// answered first. Without another purpose the server must not treat it differently from a fresh one then.
func (c *conn) release(why purpose) {
	c.own.purposes &^= why
	if c.head == nil {
		c.giveBackIfDone()
	}
}

// endDedicated closes the client's own connections at once: what they are for ends with them in the servers, too.
func (c *client) endDedicated() { c.endDedicatedFor(^purpose(0)) }

// endDedicatedFor closes those that have one of these purposes, or none.
func (c *client) endDedicatedFor(why purpose) {
	for _, own := range slices.Clone(c.session.dedicated) {
		if own.own.purposes == 0 || own.own.purposes&why != 0 {
			own.retire()
		}
	}
}

// takeDedicated returns an idle connection of that greeting or a new one, which opens with its first request.
func (e *endpoint) takeDedicated(g *greeting) (*conn, error) {
	d := &e.dedicated
	*e.counters[link.DedicatedConnections]++ // before it is compared: of two workers that take the last place one sees the other
	if e.numberOfDedicated() > uint64(e.pool.spec.Dedicated) {
		*e.counters[link.DedicatedConnections]--
		e.complainOfDedicated()
		return nil, errTooManyDedicated
	}
	for i, c := range slices.Backward(d.idle) {
		if c.greeting == g {
			d.idle = slices.Delete(d.idle, i, i+1)
			return c, nil
		}
	}
	return e.addDedicated(g), nil
}

// numberOfDedicated returns how many dedicated connections to the server clients of all workers have. Those that move are counted here at once, and
// elsewhere until the master has counted again.
func (e *endpoint) numberOfDedicated() uint64 {
	l := e.pool.l
	here, elsewhere := l.shared.ServerNow(e.pool.index, e.server.index, link.DedicatedConnections)
	if l.unsettled() {
		return max(here, elsewhere)
	}
	return here + elsewhere
}

// addDedicated makes a dedicated connection that is not open, for a client that has been counted.
func (e *endpoint) addDedicated(g *greeting) *conn {
	d := &e.dedicated
	c := newConn(e, g)
	c.own = &ownConn{place: len(d.all)}
	if e.pool.cluster != nil && e.pool.spec.FailoverWait > 0 {
		c.hold = new(hold)
	}
	d.all = append(d.all, c)
	e.pool.l.memory.Charge(ownConnBytes)
	return c
}

// giveBackIfDone is called when a reply has come over a dedicated connection. Once it owes nothing it goes back, if its client does not need
// it any more.
func (c *conn) giveBackIfDone() {
	switch {
	case c.head != nil:
		c.park()
		return
	case c.own.client == nil:
		return
	}
	if c.own.purposes&forBlocking != 0 {
		c.own.purposes &^= forBlocking
		c.own.client.session.waitsOn = nil
	}
	if !c.own.client.session.subscriptions.areOn(c.endpoint.pool, c.endpoint.server.index) {
		c.own.purposes &^= forSubscription
	}
	if c.own.purposes == 0 {
		c.giveBack()
	}
}

// giveBack makes the connection idle, or closes it.
func (c *conn) giveBack() {
	e, l := c.endpoint, c.endpoint.pool.l
	d := &e.dedicated
	if c.state != connReady || c.own.off.begun || c.own.mayHold || e.isFormer() || len(d.idle) >= e.pool.idleDedicated() || l.draining.on {
		c.retire()
		return
	}
	c.detach()
	*e.counters[link.DedicatedConnections]--
	c.own.idleFrom = l.now
	c.stream.Sleep()
	d.idle = append(d.idle, c)
	if !d.timer.Armed() {
		d.timer.Fire = e.closeUnused
		l.timers.Set(&d.timer, l.now+idleTime)
	}
}

// idleDedicated returns how many idle dedicated connections a worker keeps to a server, beside those that clients have.
func (p *pool) idleDedicated() int { return min(mostIdle, p.spec.Dedicated) }

// closeUnused closes the connections that have been idle for idleTime.
func (e *endpoint) closeUnused() {
	d, l := &e.dedicated, e.pool.l
	for len(d.idle) > 0 && d.idle[0].own.idleFrom+idleTime <= l.now {
		d.idle[0].retire()
	}
	if len(d.idle) > 0 {
		l.timers.Set(&d.timer, d.idle[0].own.idleFrom+idleTime)
	}
}

// detach takes the connection from its client.
func (c *conn) detach() {
	client := c.own.client
	if client == nil {
		return
	}
	c.forgetRenewal()
	c.own.client, c.own.purposes = nil, 0
	if client.session.waitsOn == c {
		client.session.waitsOn = nil
	}
	if w := client.session.watch; w != nil && w.conn == c {
		w.conn = nil
	}
	if client.session.monitor == c {
		client.session.monitor = nil
	}
	client.changeSession(func(s *session) {
		s.dedicated = slices.DeleteFunc(s.dedicated, func(other *conn) bool { return other == c })
	})
}

// owner returns whose connection this is, and what for; nil: nobody's alone.
func (c *conn) owner() (*client, purpose) {
	if c.own == nil {
		return nil, 0
	}
	return c.own.client, c.own.purposes
}

// unlist is called when the connection is closed: it is not opened again.
func (c *conn) unlist() {
	d, l := &c.endpoint.dedicated, c.endpoint.pool.l
	c.detach()
	l.timers.Stop(&c.own.off.again)
	last := d.all[len(d.all)-1]
	d.all[c.own.place], last.own.place = last, c.own.place
	d.all = slices.Delete(d.all, len(d.all)-1, len(d.all))
	if idle := slices.Index(d.idle, c); idle >= 0 {
		d.idle = slices.Delete(d.idle, idle, idle+1)
	} else {
		*c.endpoint.counters[link.DedicatedConnections]--
	}
	if len(d.idle) == 0 {
		l.timers.Stop(&d.timer)
	}
	l.memory.Uncharge(ownConnBytes + c.own.charged)
	c.own.charged = 0
}

// expireOwn is expire for a dedicated connection. What is late there is one client's alone, and where its requests stand then is
// unknown.
func (c *conn) expireOwn() {
	p := c.endpoint.pool
	if c.waiting != nil && c.waiting.isOverdue(p.l.now) || c.isAgreeing() && p.l.now-c.heard >= p.greetingTime() {
		c.end(unix.ETIMEDOUT)
		return
	}
	c.awaitExpiry()
}

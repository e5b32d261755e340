// What moving means for one client: its stage, the peer's verdict, and each step.

package core

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
)

// moving is how far a client's move is. Only move_outgoing.go, move_batch.go and move_incoming.go change it.
type moving struct {
	stage   moveStage
	verdict moveVerdict
}

// moveStage is how far a client is on its way.
//
//	staying ──► frozen ──► packed ──► in flight ──► another worker serves it, and here it is closed
//	   ▲          │          │            │
//	   └──────────┴──────────┴────────────┘  the move is called off, or fails
type moveStage uint8

const (
	moveStaying  moveStage = iota
	moveFrozen             // not read any more, still owed replies
	movePacked             // owed nothing, waits for a batch
	moveInFlight           // offered to a peer; in the loop's table an inFlightClient stands for it
)

var moveStageNames = [...]string{"staying", "frozen", "packed", "in flight"}

func (s moveStage) String() string { return moveStageNames[s] }

// legalMove[from] is the set of stages that may follow.
var legalMove = [...]uint8{
	moveStaying:  1 << moveFrozen,
	moveFrozen:   1<<movePacked | 1<<moveStaying,
	movePacked:   1<<moveInFlight | 1<<moveStaying,
	moveInFlight: 1 << moveStaying,
}

func (m *moving) become(next moveStage) {
	if legalMove[m.stage]&(1<<next) == 0 {
		panic(fmt.Sprintf("worker: a client cannot go from %v to %v", m.stage, next))
	}
	m.stage = next
}

// moveVerdict is what a peer has answered for a client. It holds until a roll-back.
type moveVerdict uint8

const (
	moveUndecided  moveVerdict = iota
	moveUnreadable             // the peer's build does not understand the record: the client stays
	moveUnwanted               // the peer's configuration has no listener for the client, which is closed when that generation is settled
)

// frozen tells whether the client is not read because it is about to move.
func (m moving) frozen() bool { return m.stage != moveStaying }

// inFlight tells whether the client is on its way to another worker, together with its unsent output.
func (m moving) inFlight() bool { return m.stage == moveInFlight }

// unwanted tells whether the client is closed, once idle, instead of moving.
func (m moving) unwanted() bool { return m.verdict == moveUnwanted }

// movable tells whether the client could move as soon as it is owed nothing. One that has hung up or is leaving ends here.
func (c *client) movable() bool {
	return c.isServed() && c.moving.verdict == moveUndecided && !c.stream.Hangup && !c.isTooMuch()
}

// isTooMuch tells whether there is more of the client than can move.
func (c *client) isTooMuch() bool {
	return c.holds() > c.pool.l.mover.mostBytes || len(c.session.dedicated) > maxMovedConns
}

// quiescent tells that the client is owed no reply, or only one to a request that waits in a server. Unsent output does not
// matter: it moves along.
func (c *client) quiescent() bool {
	return c.settlesNow() && c.isServed() && !c.stream.Hangup && !slices.ContainsFunc(c.session.dedicated, (*conn).isBusy)
}

// isServed tells whether the client is open, or has not begun the handshake that precedes that. One that is under way cannot move.
func (c *client) isServed() bool {
	return c.life == clientOpen || c.life == clientHandshaking && !c.stream.Shakes()
}

// settlesNow tells that nothing is to be waited for before the client moves.
func (c *client) settlesNow() bool {
	return c.walk == nil && (c.head == nil || c.head == c.tail && c.session.waitsOn != nil && c.session.waitsOn.isParked())
}

// descriptors returns how many the client has, those of its own connections included.
func (c *client) descriptors() int { return 1 + len(c.session.dedicated) }

// resume reads and writes a client again that is frozen no more.
func (c *client) resume() {
	if c.life == clientHandshaking {
		c.nextTurn()
		return
	}
	c.unmute()
	c.markDirty()
}

// startMove puts a packed client in flight.
func (c *client) startMove() {
	c.moving.become(moveInFlight)
	c.pool.l.setHandler(c.token, inFlightClient{c})
	c.stream.Freeze()
	for _, own := range c.session.dedicated {
		c.pool.l.setHandler(own.token, inFlightConn{own})
		own.own.inFlight = true
		own.stream.Freeze()
	}
}

// cancelMove resumes a client that was in flight.
func (c *client) cancelMove() {
	c.moving.become(moveStaying)
	c.pool.l.setHandler(c.token, c)
	c.stream.Thaw()
	c.stream.Unread = true // events for it were ignored
	c.watchDedicated()
	c.resume()
}

// finishMove closes this worker's side of a client that another worker serves now.
func (c *client) finishMove() {
	c.tearDown()
	atomic.AddUint64(c.pool.moved, ^uint64(0)) // after it has ceased to count here, see link.Shared.Moved
}

// startMoved begins to serve a client that another worker has served until now. It is no new connection, so only the gauges
// count it; and it had a place before, so client_connections does not turn it away.
func (c *client) startMoved() {
	c.pool.l.setHandler(c.token, c)
	c.stream.Thaw()
	c.startServing()
	atomic.AddUint64(c.pool.moved, 1) // before it counts here, see link.Shared.Moved
	atomic.AddUint64(c.pool.counters[link.ClientConnections], 1)
	c.stream.Unread = true
	c.stream.Backlog = len(c.stream.Kept()) > 0
	c.watchDedicated()
	c.nextTurn()
	c.markDirty()
}

// inFlightClient stands in the loop's table for a client in flight, so that nothing else finds that. The descriptor stays in
// the poller, so that nothing can fail if the move is called off. Loop only.
type inFlightClient struct{ c *client }

// ready ignores the event: the worker that serves the client in the end begins by reading.
func (inFlightClient) ready(poll.Event) {}

// preparedClient stands in the loop's table for a client that another worker still owns. Everything is ready to serve it.
// Loop only.
type preparedClient struct {
	c       *client
	frozen  int64  // ns: since when no worker serves it
	waiting string // the command of the request that waits in a server; empty: none does

	monitors    bool // its server
	descriptors int  // that have come with it
}

// ready ignores the event: once the client is this worker's, serving begins with reading.
func (*preparedClient) ready(poll.Event) {}

// A client on its way to another worker, or from one: where it stands, which is what the mover knows of it, and what it does then.

package core

import (
	"fmt"
	"sync/atomic"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
)

// moving is what moving has to do with a client. Only move_outgoing.go, move_batch.go and move_incoming.go change it.
type moving struct {
	stage   moveStage
	verdict moveVerdict
}

// moveStage is how far a client is on its way.
//
//	staying ──► frozen ──► packed ──► away ──► another worker has it, and here it is closed
//	   ▲          │          │          │
//	   └──────────┴──────────┴──────────┘  it is not to go, or cannot
type moveStage uint8

const (
	moveStaying  moveStage = iota
	moveFrozen             // not read any more, owed replies
	movePacked             // owed nothing: waits for a peer
	moveInFlight           // offered to a peer; in the loop's table a traveller stands for it
)

var moveStageNames = [...]string{"staying", "frozen", "packed", "away"}

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

// moveVerdict is what the other generation has said of a client, until that is rolled back.
type moveVerdict uint8

const (
	moveUndecided  moveVerdict = iota
	moveUnreadable             // it does not understand the client's state: the client stays
	moveUnwanted               // it has no place for the client, which is closed when that generation is settled
)

// frozen tells whether the client is not read because it is about to move.
func (m moving) frozen() bool { return m.stage != moveStaying }

// inFlight tells whether the client is on its way to another worker, together with all that it is still to get.
func (m moving) inFlight() bool { return m.stage == moveInFlight }

// unwanted tells whether the client is closed, once idle, instead of moving.
func (m moving) unwanted() bool { return m.verdict == moveUnwanted }

// movable tells whether a client could move as soon as it is owed nothing. One that has hung up, or is told to go, ends
// here.
func (c *client) movable() bool {
	return c.life == clientOpen && c.moving.verdict == moveUndecided && !c.stream.Hangup && c.holds() <= maxMovedBytes
}

// quiescent tells that a client is owed nothing. What it has not taken yet does not matter.
func (c *client) quiescent() bool {
	return c.head == nil && c.life == clientOpen && !c.stream.Hangup
}

// resume serves a client on that is frozen no more.
func (c *client) resume() {
	c.unmute()
	c.markDirty()
}

// startMove has a client that is packed be on its way.
func (c *client) startMove() {
	c.moving.become(moveInFlight)
	c.pool.l.hand(c.token, inFlightClient{c})
}

// cancelMove goes on serving a client that was on its way.
func (c *client) cancelMove() {
	c.moving.become(moveStaying)
	c.pool.l.hand(c.token, c)
	c.stream.Unread = true // edges that nobody has seen
	c.resume()
}

// finishMove forgets a client that another worker serves now.
func (c *client) finishMove() {
	c.tearDown()
	atomic.AddUint64(c.pool.moved, ^uint64(0)) // after it has ceased to count here, see link.Shared.Moved
}

// startMoved begins to serve a client that another worker has had until now. It is not a new connection, so it counts only as
// one that is there and has moved; and it had its place, so client_connections does not turn it away.
func (c *client) startMoved() {
	c.pool.l.hand(c.token, c)
	c.begin()
	atomic.AddUint64(c.pool.moved, 1) // before it counts here, see link.Shared.Moved
	atomic.AddUint64(c.pool.counters[link.ClientConnections], 1)
	c.stream.Unread = true
	c.stream.Backlog = len(c.stream.Kept()) > 0
	c.nextTurn()
	c.markDirty()
}

// inFlightClient stands for a client on its way to another worker in the loop's table, where nobody finds it. It stays in the
// poller, so that nothing can fail should it come back. Loop only.
type inFlightClient struct{ c *client }

// ready leaves what the client sends to who serves it in the end, and begins with reading.
func (inFlightClient) ready(poll.Event) {}

// preparedClient is a client that another worker still owns: everything is ready to serve it. In the loop's table it stands for
// the client, which nobody finds there. Loop only.
type preparedClient struct {
	c      *client
	frozen int64 // ns: since when nobody serves it
}

// ready leaves what the client sends to who owns it. Nothing is missed: serving begins with reading.
func (*preparedClient) ready(poll.Event) {}

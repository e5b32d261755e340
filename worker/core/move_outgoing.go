// Giving clients to the workers of another generation.
//
// A client that is to move is frozen: nothing more is read from it. When it has got every reply that it is owed, it is
// packed: what it has sent and nobody has looked at, what it has not taken yet, and what it has told of itself. Until the
// other worker has it, it can be thawed at any time and never knows.

package core

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// usualBatch is how many clients a batch has. With as many as handoff.MaxBatch the whole move is hardly faster, and each
	// client is frozen twice as long, since all that are under way at a time wait for each other.
	usualBatch         = 64
	maxBatchStateBytes = 8 << 20  // of a batch of several clients, and about what a turn may write
	maxMovedBytes      = 64 << 20 // a client that holds more stays until it holds less

	// maxFrozenOwed is how many clients that are owed replies may be frozen at a time, not counting those that were so
	// already at the last tick.
	maxFrozenOwed = 256
	// scanPerTurn is how many entries of the table a turn looks at.
	scanPerTurn = 2048
	// giveTick is how often the worker looks again at who could not be moved so far, and whether the peers answer.
	giveTick = int64(100 * time.Millisecond)

	// A peer without room gets smaller batches after a pause; from maxShortages in a row on it is asked only now and then.
	shortagePause     = int64(50 * time.Millisecond)
	longShortagePause = int64(time.Second)
	maxShortages      = 7 // which is after a batch of one
)

// outgoing is what the worker does about moving its clients away. Loop only.
type outgoing struct {
	l      *loop
	on     bool
	alone  bool  // the master is dead
	parts  int64 // alone: from then on the worker ends by itself when nobody is left
	looked bool  // alone: since then clients that have no place in the other configuration have been closed
	till   int64 // then clients that are owed replies are called stragglers

	packed  []packed // frozen and owed nothing: wait for a peer
	owed    int      // clients that are frozen and owed replies
	slow    int      // of them, those that were so at the last tick; 0 ≤ slow ≤ owed
	next    int      // peer that the next batch goes to, modulo their number, of those that are due alike
	cursor  int      // into the loop's table: what the pass under way has looked at
	passing bool     // such a pass is under way
	skipped bool     // it has left some out that are owed replies
	more    bool     // the next turn has something to do even without events
	left    bool     // with nobody to give to: those that are to be closed once idle have been looked at
	said    bool     // the master knows

	tick timer.Timer
	done link.GivenBody
}

// moveClients stops accepting and begins to move the clients to the peers.
func (l *loop) moveClients(patience time.Duration) {
	if l.draining.on {
		var body link.GivenBody
		body.Stragglers, _ = l.stragglers()
		l.master.must(link.Given, link.Body(body))
		return
	}
	l.watchListeners(false)
	g := &l.mover.outgoing
	if !g.on {
		*g = outgoing{l: l, on: true, next: l.spec.Slot, tick: g.tick}
		g.tick.Fire = g.look
		for _, p := range l.mover.peers {
			p.reversed, p.gone = false, 0
		}
		l.timers.Set(&g.tick, l.now+giveTick)
	}
	g.till = l.now + int64(patience)
	g.begin()
}

// keepClients gives nothing more and serves on as before.
func (l *loop) keepClients() {
	if l.draining.on {
		return
	}
	l.stopMoving("roll-back")
	l.outlivePeers()
	l.restore()
	l.watchListeners(true)
}

// stopMoving takes back what is not committed and forgets what has been found out about the clients.
func (l *loop) stopMoving(reason string) {
	g := &l.mover.outgoing
	if !g.on {
		return
	}
	for _, p := range slices.Clone(l.mover.peers) {
		p.link.Abort(reason)
		p.tidy()
	}
	g.thawAll()
	g.on, g.alone, g.more = false, false, false
	l.timers.Stop(&g.tick)
	for c := range l.everyClient {
		c.moving.verdict = moveUndecided
	}
}

// begin looks at all clients anew, and at what to tell the master: there is a new order, or a new peer.
func (g *outgoing) begin() {
	g.left, g.said = false, false
	g.pass()
}

// pass begins a pass over the clients.
func (g *outgoing) pass() { g.passing, g.skipped, g.cursor = true, false, 0 }

// step does what a turn does about giving, after everything is flushed.
func (g *outgoing) step() {
	l := g.l
	g.more = false
	if g.reachable() {
		g.freezeSome()
		g.send()
	} else {
		g.stuck()
	}
	g.report()
	l.endIfDrained()
}

// reachable tells whether there is a peer that takes clients, or may do so once it has said hello.
func (g *outgoing) reachable() bool { return slices.ContainsFunc(g.l.mover.peers, (*peerLink).usable) }

// room returns how many more clients could be packed now. While a peer is waited for that gets its part in a moment, nobody
// is frozen who would have to wait, too.
func (g *outgoing) room() int {
	room := -len(g.packed)
	all, shares := g.sums()
	waits := g.waits(all, shares)
	for _, p := range g.l.mover.peers {
		if !p.credit() {
			continue
		}
		most := p.link.Credits() * p.limit
		if waits {
			most = min(most, max((p.due(all, shares)+shares-1)/shares, 0))
		}
		room += most
	}
	return room
}

// parting tells that the worker ends by itself when nobody is left: the master is dead, and the others serve for good.
func (g *outgoing) parting() bool { return g.alone && g.l.now >= g.parts }

// part does what follows from it.
func (g *outgoing) part() {
	if !g.parting() || g.l.draining.on {
		return
	}
	if !g.looked {
		g.looked = true
		g.l.leaveAll()
	}
	g.l.endIfDrained()
}

// stuck serves everyone as if nothing had happened, until there is a new peer. If nobody will ever say so, for good.
func (g *outgoing) stuck() {
	l := g.l
	g.thawAll()
	switch {
	case l.draining.on:
		if !g.left {
			g.left = true
			l.leaveAll()
		}
	case l.succession.orphan && (l.succession.serving || l.clients > 0):
		l.keepClients()
		l.serveAlone()
		l.departIfSteady()
	}
}

// moves tells whether a client is going to move rather than to be closed.
func (g *outgoing) moves(c *client) bool { return g.on && c.movable() && g.reachable() }

// freezeSome goes on with the pass over the clients, as far as there is room for them.
func (g *outgoing) freezeSome() {
	l := g.l
	if g.skipped && !g.passing && g.owed-g.slow < maxFrozenOwed/2 {
		g.pass()
	}
	room := g.room()
	for range scanPerTurn {
		if !g.passing || room <= 0 {
			return
		}
		if g.cursor >= len(l.table) {
			g.passing = false
			return
		}
		c, ok := l.table[g.cursor].h.(*client)
		g.cursor++
		if !ok || c.moving.frozen() || !c.movable() {
			continue
		}
		switch {
		case c.quiescent():
			c.moving.become(moveFrozen)
			g.pack(c)
			room--
		case g.owed-g.slow < maxFrozenOwed:
			c.moving.become(moveFrozen)
			g.owed++
			if c.isMerging() { // does not wait for the client any more
				c.nextTurn()
			}
		default:
			g.skipped = true
		}
	}
	g.more = true
}

func (g *outgoing) pack(c *client) {
	c.moving.become(movePacked)
	g.packed = append(g.packed, packed{c, g.l.now})
}

// flushed is told that a frozen client has got what there is for it.
func (g *outgoing) flushed(c *client) {
	switch {
	case c.moving.stage == movePacked || c.head != nil:
	case c.quiescent():
		g.owes(-1)
		g.pack(c)
		g.more = true
	default:
		g.thaw(c)
	}
}

func (g *outgoing) owes(change int) {
	g.owed += change
	g.slow = min(g.slow, g.owed)
}

// forget takes a client that is about to be closed, or to be thawed, out of the lists.
func (g *outgoing) forget(c *client) {
	if c.moving.stage == movePacked {
		g.packed = slices.DeleteFunc(g.packed, func(p packed) bool { return p.c == c })
	} else {
		g.owes(-1)
	}
	c.moving.become(moveStaying)
}

// thaw goes on serving a frozen client.
func (g *outgoing) thaw(c *client) {
	g.forget(c)
	c.goOn()
}

// thawAll thaws all but those on their way.
func (g *outgoing) thawAll() {
	if g.owed == 0 && len(g.packed) == 0 {
		return
	}
	for c := range g.l.everyClient {
		if c.moving.frozen() {
			g.thaw(c)
		}
	}
}

// thawPacked thaws those that wait for a peer.
func (g *outgoing) thawPacked() {
	for len(g.packed) > 0 {
		g.thaw(g.packed[len(g.packed)-1].c)
	}
}

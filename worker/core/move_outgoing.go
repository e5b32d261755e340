// The outgoing side of a move: this worker's clients go to workers of another generation.
//
// A client that is to move is frozen: nothing more is read from it. When it has got every reply that it is owed, it is
// packed: its unparsed input, its unsent output and its session become a record. Until the other worker serves it, it can
// be thawed at any time, and does not notice.

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

	// maxFrozenOwed is how many clients that are owed replies may be frozen at a time, not counting those that had been
	// frozen by the last tick.
	maxFrozenOwed = 256
	// scanPerTurn is how many entries of the loop's table one turn scans.
	scanPerTurn = 2048
	// moveTick is how often the worker scans again for clients that could not move before, and checks that peers answer.
	moveTick = int64(100 * time.Millisecond)

	// A peer without room gets smaller batches after a pause; after maxShortages in a row it is tried once a longShortagePause.
	shortagePause     = int64(50 * time.Millisecond)
	longShortagePause = int64(time.Second)
	maxShortages      = 7 // by then a batch of one client was refused
)

// outgoing is the state of moving this worker's clients to peers. Loop only.
type outgoing struct {
	l              *loop
	on             bool
	masterless     bool  // the master is dead
	endsAfter      int64 // if masterless: from then on the worker ends when its last client is gone
	unwantedClosed bool  // if masterless: clients without a listener in the other configuration have been closed
	stragglersFrom int64 // ns: from then on clients that are still owed replies are reported as stragglers

	packed      []packedClient   // frozen and owed nothing: wait for a batch
	immovable   []*client        // of which there is too much: what they may do at the peers is to be asked
	asked       map[*client]bool // them, and those of which that has been asked since there was a new order or a new peer
	frozenOwed  int              // clients that are frozen and still owed replies
	frozenSlow  int              // of them, those that were frozen by the last tick; 0 ≤ frozenSlow ≤ frozenOwed
	nextPeer    int              // where the search for the next batch's peer begins, modulo the number of peers
	cursor      int              // into the loop's table: entries before it are scanned
	scanning    bool             // a scan is under way
	scanSkipped bool             // the scan has passed over clients that are owed replies
	heldFrozen  bool             // a client was frozen that waits for a server which is down
	ownBusy     bool             // there are clients that are owed nothing but whose own connections are busy: the next tick scans again
	moreToDo    bool             // the next turn has something to do even without events
	idleClosed  bool             // there is no peer, and the clients that were idle have been closed
	reported    bool             // the master has the result

	timer  timer.Timer
	result link.ClientsMovedBody
}

// moveClients stops accepting and begins to move the clients to the peers.
func (l *loop) moveClients(patience time.Duration) {
	if l.draining.on {
		var body link.ClientsMovedBody
		body.Stragglers, _ = l.stragglers()
		l.master.send(link.ClientsMoved, link.Body(body))
		return
	}
	l.watchListeners(false)
	g := &l.mover.outgoing
	if !g.on {
		*g = outgoing{l: l, on: true, nextPeer: l.spec.Slot, timer: g.timer}
		g.timer.Fire = g.tick
		for _, p := range l.mover.peers {
			p.sending, p.moved = false, 0
		}
		l.timers.Set(&g.timer, l.now+moveTick)
		l.tellFailedEarly()
	}
	g.stragglersFrom = l.now + int64(patience)
	g.restart()
}

// keepClients ends the move and serves on as before it.
func (l *loop) keepClients() {
	if l.draining.on {
		return
	}
	l.stopMoving("roll-back")
	l.endAttempt()
	l.unmarkRemoved()
	l.watchListeners(true)
}

// stopMoving takes back what is not committed and forgets the peers' verdicts on the clients.
func (l *loop) stopMoving(reason string) {
	g := &l.mover.outgoing
	if !g.on {
		return
	}
	for _, p := range slices.Clone(l.mover.peers) {
		p.link.Abort(reason)
		p.closeIfDone()
	}
	g.thawAll()
	g.immovable, g.asked = nil, nil
	g.on, g.masterless, g.moreToDo = false, false, false
	l.timers.Stop(&g.timer)
	for c := range l.everyClient {
		c.moving.verdict = moveUndecided
	}
	l.handshakes.wake()
}

// restart scans all clients anew and reports anew: there is a new order, or a new peer.
func (g *outgoing) restart() {
	g.idleClosed, g.reported = false, false
	g.immovable, g.asked = nil, nil
	g.startScan()
}

// startScan begins a scan of all clients.
func (g *outgoing) startScan() {
	g.scanning, g.scanSkipped, g.ownBusy, g.cursor = true, false, false, 0
}

// step moves clients as far as a turn allows, after everything is flushed.
func (g *outgoing) step() {
	l := g.l
	g.moreToDo = false
	if g.hasPeer() {
		g.freezeSome()
		if g.heldFrozen {
			g.returnHeld()
		}
		g.sendPacked()
		g.ask()
	} else {
		g.serveWithoutPeers()
	}
	g.report()
	l.endIfDrained()
}

// hasPeer tells whether there is a peer that takes clients, or may do so once it has said hello.
func (g *outgoing) hasPeer() bool {
	return slices.ContainsFunc(g.l.mover.peers, (*peerLink).takesClients)
}

// room returns how many more clients could be packed now. While a peer that is behind its share is about to take a batch,
// only what that peer lacks is packed: any other client would be frozen for longer.
func (g *outgoing) room() int {
	room := -len(g.packed)
	all, shares := g.totals()
	waits := g.waitsForPeer(all, shares)
	for _, p := range g.l.mover.peers {
		if !p.hasCredit() {
			continue
		}
		most := p.link.Credits() * p.batchLimit
		if waits {
			most = min(most, max((p.shortfall(all, shares)+shares-1)/shares, 0))
		}
		room += most
	}
	return room
}

// endsWhenEmpty tells that the worker ends by itself with its last client: the master is dead, and the peers serve for good.
func (g *outgoing) endsWhenEmpty() bool { return g.masterless && g.l.now >= g.endsAfter }

// endIfEmpty ends such a worker once it has no client, after it has closed those that have no place at the peers.
func (g *outgoing) endIfEmpty() {
	if !g.endsWhenEmpty() || g.l.draining.on {
		return
	}
	if !g.unwantedClosed {
		g.unwantedClosed = true
		g.l.closeIdleClients()
	}
	g.l.endIfDrained()
}

// serveWithoutPeers serves all clients as before until there is a new peer; an orphan, to which nobody can announce one, for
// good.
func (g *outgoing) serveWithoutPeers() {
	l := g.l
	g.thawAll()
	switch {
	case l.draining.on:
		if !g.idleClosed {
			g.idleClosed = true
			l.closeIdleClients()
		}
	case l.succession.orphan && (l.succession.serving || l.clients > 0):
		l.keepClients()
		l.serveWithoutMaster()
		l.departIfSteady()
	}
}

// willMove tells whether a client is going to move rather than to be closed.
func (g *outgoing) willMove(c *client) bool { return g.on && c.movable() && g.hasPeer() }

// freezeSome continues the scan and freezes clients, as many as there is room for.
func (g *outgoing) freezeSome() {
	l := g.l
	if g.scanSkipped && !g.scanning && g.frozenOwed-g.frozenSlow < maxFrozenOwed/2 {
		g.startScan()
	}
	room := g.room()
	for range scanPerTurn {
		if !g.scanning || room <= 0 {
			return
		}
		if g.cursor >= len(l.table) {
			g.scanning = false
			return
		}
		c, ok := l.table[g.cursor].h.(*client)
		g.cursor++
		if !ok || c.moving.frozen() {
			continue
		}
		if !c.movable() {
			g.askLater(c)
			continue
		}
		switch {
		case c.quiescent():
			c.moving.become(moveFrozen)
			g.pack(c)
			room--
		case c.settlesNow(): // frozen it would wait for a reply that is nobody's
			g.ownBusy = true
		case g.frozenOwed-g.frozenSlow < maxFrozenOwed:
			c.moving.become(moveFrozen)
			g.frozenOwed++
			g.heldFrozen = g.heldFrozen || c.head.state&isHeld != 0
			if c.isMerging() { // does not wait for the client any more
				c.nextTurn()
			}
		default:
			g.scanSkipped = true
		}
	}
	g.moreToDo = true
}

func (g *outgoing) pack(c *client) {
	c.moving.become(movePacked)
	g.packed = append(g.packed, packedClient{c, g.l.now})
}

// flushed is called when a frozen client has been written all that there is for it.
func (g *outgoing) flushed(c *client) {
	switch {
	case c.moving.stage == movePacked || !c.settlesNow():
	case c.quiescent():
		g.addFrozenOwed(-1)
		g.pack(c)
		g.moreToDo = true
	default:
		g.ownBusy = true
		g.thaw(c)
	}
}

func (g *outgoing) addFrozenOwed(change int) {
	g.frozenOwed += change
	g.frozenSlow = min(g.frozenSlow, g.frozenOwed)
}

// remove takes a client that is about to be closed or thawed out of the lists.
func (g *outgoing) remove(c *client) {
	if c.moving.stage == movePacked {
		g.packed = slices.DeleteFunc(g.packed, func(p packedClient) bool { return p.c == c })
	} else {
		g.addFrozenOwed(-1)
	}
	c.moving.become(moveStaying)
}

// thaw resumes a frozen client.
func (g *outgoing) thaw(c *client) {
	g.remove(c)
	c.resume()
}

// thawAll resumes all frozen clients, but for those in flight.
func (g *outgoing) thawAll() {
	if g.frozenOwed == 0 && len(g.packed) == 0 {
		return
	}
	for c := range g.l.everyClient {
		if c.moving.frozen() {
			g.thaw(c)
		}
	}
}

// thawPacked resumes the clients that wait for a batch.
func (g *outgoing) thawPacked() {
	for len(g.packed) > 0 {
		g.thaw(g.packed[len(g.packed)-1].c)
	}
}

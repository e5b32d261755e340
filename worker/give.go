// Giving clients to the workers of another generation.
//
// A client that is to move is frozen: nothing more is read from it. When it has got every reply that it is owed, it is
// packed: what it has sent and nobody has looked at, what it has not taken yet, and what it has told of itself. Until the
// other worker has it, it can be thawed at any time and never knows.

package worker

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
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
	maxShortages      = 6
)

// giving is what the worker does about moving its clients away. Loop only.
type giving struct {
	l     *loop
	on    bool
	alone bool  // the master is dead: the worker ends by itself when nobody is left
	till  int64 // then clients that are owed replies are called stragglers

	packed  []packed // frozen and owed nothing: wait for a peer
	owed    int      // clients that are frozen and owed replies
	slow    int      // of them, those that were so at the last tick; 0 ≤ slow ≤ owed
	next    int      // peer that the next batch goes to, modulo their number
	cursor  int      // into the loop's table: what the pass under way has looked at
	passing bool     // such a pass is under way
	skipped bool     // it has left some out that are owed replies
	more    bool     // the next turn has something to do even without events
	left    bool     // with nobody to give to: those that are to be closed once idle have been looked at
	said    bool     // the master knows

	tick timer
	done link.GivenBody
}

// packed is a client that could go.
type packed struct {
	c     *client
	since int64 // ns: since when nobody serves it
}

// offer is a batch on its way to a peer.
type offer struct {
	state   int // the memory file; -1 = closed
	clients []*client
	count   int // of clients, once they are gone
	bytes   int
}

func (o *offer) descriptors() []int {
	fds := []int{o.state}
	for _, c := range o.clients {
		fds = append(fds, int(c.fd))
	}
	return fds
}

func (o *offer) closeState() {
	if o.state >= 0 {
		sock.Close(o.state)
		o.state = -1
	}
}

// traveller stands for a client on its way to another worker in the loop's table, where nobody finds it. Loop only.
type traveller struct{ c *client }

// ready is for an event from before the client was taken out of the poller.
func (traveller) ready(poll.Event) {}

// give stops accepting and begins to move the clients to the peers.
func (l *loop) give(patience time.Duration) {
	if l.draining {
		return
	}
	l.watchListeners(false)
	g := &l.giving
	if !g.on {
		*g = giving{l: l, on: true, next: l.spec.Slot, tick: g.tick}
		g.tick.fire = g.look
		for _, p := range l.peers {
			p.reversed = false
		}
		l.timers.set(&g.tick, l.now+giveTick)
	}
	g.till = l.now + int64(patience)
	g.begin()
}

// resume gives nothing more and serves on as before.
func (l *loop) resume() {
	if l.draining {
		return
	}
	l.stopGiving("roll-back")
	l.watchListeners(true)
}

// stopGiving takes back what is not committed and forgets what has been found out about the clients.
func (l *loop) stopGiving(reason string) {
	g := &l.giving
	if !g.on {
		return
	}
	for _, p := range slices.Clone(l.peers) {
		p.link.Abort(reason)
		p.tidy()
	}
	g.thawAll()
	g.on, g.alone, g.more = false, false, false
	l.timers.stop(&g.tick)
	for i := range l.table {
		if c, ok := l.table[i].h.(*client); ok {
			c.state &^= stays | unwanted
		}
	}
}

// begin looks at all clients anew, and at what to tell the master: there is a new order, or a new peer.
func (g *giving) begin() {
	g.left, g.said = false, false
	g.pass()
}

// pass begins a pass over the clients.
func (g *giving) pass() { g.passing, g.skipped, g.cursor = true, false, 0 }

// step does what a turn does about giving, after everything is flushed.
func (g *giving) step() {
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
func (g *giving) reachable() bool { return slices.ContainsFunc(g.l.peers, (*peerLink).usable) }

func (p *peerLink) usable() bool { return !p.failed && !p.reversed && p.link.Usable() }

// room returns how many more clients could be packed now.
func (g *giving) room() int {
	room := -len(g.packed)
	for _, p := range g.l.peers {
		if p.credit() {
			room += p.link.Credits() * p.limit
		}
	}
	return room
}

// credit tells whether a batch could be offered to p now.
func (p *peerLink) credit() bool {
	return p.usable() && p.link.Credits() > 0 && p.l.now >= p.pausedTill
}

// stuck serves everyone as if nothing had happened, until there is a new peer. If nobody will ever say so, for good.
func (g *giving) stuck() {
	l := g.l
	g.thawAll()
	switch {
	case l.draining:
		if !g.left {
			g.left = true
			l.leaveAll()
		}
	case l.orphan && l.clients > 0:
		l.logf(levelWarn, "there is nobody to give clients to: serving on")
		l.resume()
	}
}

// moves tells whether a client is going to move rather than to be closed.
func (g *giving) moves(c *client) bool { return g.on && c.movable() && g.reachable() }

// movable tells whether a client could move as soon as it is owed nothing. One that has hung up, or is told to go, ends
// here.
func (c *client) movable() bool {
	return c.state&(leaving|lingering|ended|gone|stays|unwanted) == 0 && !c.in.hangup && c.holds() <= maxMovedBytes
}

// quiescent tells that a client is owed nothing. What it has not taken yet does not matter.
func (c *client) quiescent() bool {
	return c.head == nil && c.state&(leaving|lingering|ended|gone) == 0 && !c.in.hangup
}

// freezeSome goes on with the pass over the clients, as far as there is room for them.
func (g *giving) freezeSome() {
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
		if !ok || c.state&frozen != 0 || !c.movable() {
			continue
		}
		switch {
		case c.quiescent():
			c.state |= frozen
			g.pack(c)
			room--
		case g.owed-g.slow < maxFrozenOwed:
			c.state |= frozen
			g.owed++
		default:
			g.skipped = true
		}
	}
	g.more = true
}

func (g *giving) pack(c *client) {
	c.queued |= inPacked
	g.packed = append(g.packed, packed{c, g.l.now})
}

// flushed is told that a frozen client has got what there is for it.
func (g *giving) flushed(c *client) {
	switch {
	case c.queued&inPacked != 0 || c.head != nil:
	case c.quiescent():
		g.owes(-1)
		g.pack(c)
		g.more = true
	case c.state&gone == 0:
		g.thaw(c)
	}
}

func (g *giving) owes(change int) {
	g.owed += change
	g.slow = min(g.slow, g.owed)
}

// forget takes a client that is about to be closed, or to be thawed, out of the lists.
func (g *giving) forget(c *client) {
	if c.queued&inPacked != 0 {
		c.queued &^= inPacked
		g.packed = slices.DeleteFunc(g.packed, func(p packed) bool { return p.c == c })
	} else {
		g.owes(-1)
	}
	c.state &^= frozen
}

// thaw goes on serving a frozen client.
func (g *giving) thaw(c *client) {
	g.forget(c)
	c.unmute()
	c.markDirty()
}

// thawAll thaws all but those on their way.
func (g *giving) thawAll() {
	if g.owed == 0 && len(g.packed) == 0 {
		return
	}
	for i := range g.l.table {
		if c, ok := g.l.table[i].h.(*client); ok && c.state&frozen != 0 {
			g.thaw(c)
		}
	}
}

// thawPacked thaws those that wait for a peer.
func (g *giving) thawPacked() {
	for len(g.packed) > 0 {
		g.thaw(g.packed[len(g.packed)-1].c)
	}
}

// send offers what is packed.
func (g *giving) send() {
	for written := 0; len(g.packed) > 0; {
		p := g.peer()
		if p == nil {
			if g.paused() {
				g.thawPacked()
			}
			return
		}
		if written >= maxBatchStateBytes {
			g.more = true
			return
		}
		written += g.offer(p)
	}
}

// paused tells that no peer is to be offered anything for a moment.
func (g *giving) paused() bool {
	return !slices.ContainsFunc(g.l.peers, func(p *peerLink) bool { return p.usable() && g.l.now >= p.pausedTill })
}

// peer returns who is to get the next batch; nil if nobody can.
func (g *giving) peer() *peerLink {
	peers := g.l.peers
	for i := range peers {
		if p := peers[(g.next+i)%len(peers)]; p.credit() {
			g.next += i + 1
			return p
		}
	}
	return nil
}

// offer offers a batch to p and returns how many bytes that were.
func (g *giving) offer(p *peerLink) int {
	l := g.l
	o := &offer{state: -1}
	var state handoff.State
	for len(g.packed) > 0 && len(o.clients) < p.limit {
		last := g.packed[len(g.packed)-1]
		c := last.c
		if len(o.clients) > 0 && state.Bytes()+c.in.size()+c.out.bytes > maxBatchStateBytes {
			break
		}
		if !c.quiescent() { // has hung up meanwhile
			g.thaw(c)
			continue
		}
		g.packed = g.packed[:len(g.packed)-1]
		c.queued &^= inPacked
		r := c.record(last.since)
		state.Add(&r)
		o.clients = append(o.clients, c)
	}
	if len(o.clients) == 0 {
		return 0
	}
	parts := state.Parts()
	if fault.Error("memfd.short") != nil {
		parts = parts[:len(parts)-1]
	}
	var err error
	if o.state, err = sock.MemfdGathered("pinion-handoff", parts); err != nil {
		l.logf(levelWarn, "writing the state of %d clients: %v", len(o.clients), err)
		for _, c := range o.clients {
			l.comeBack(c)
		}
		p.short()
		return 0
	}
	for _, c := range o.clients {
		l.poller.Remove(int(c.fd))
		l.table[c.token.Index].h = traveller{c}
	}
	p.offers[p.link.Next()] = o
	p.link.Offer(l.now, len(o.clients))
	return state.Bytes()
}

// record is what another worker needs to go on serving the client.
func (c *client) record(since int64) handoff.Record {
	l := c.pool.l
	r := handoff.Record{
		Protocol: string(c.pool.spec.Protocol), Pool: c.pool.name,
		Network: c.from.spec.Network, Address: c.from.spec.Address,
		Authenticated: c.state&authenticated != 0,
		Skip:          uint64(c.skip),
		ID:            c.id,
		IdleMillis:    uint64(int64(l.ticks()-c.active) * tickNanos / int64(time.Millisecond)),
		FrozenAt:      since,
	}
	if c.in.rest != nil {
		r.Input = c.in.rest.B
	}
	skip := c.out.sent
	for _, chunk := range c.out.chunks {
		r.Output = append(r.Output, chunk.B[skip:])
		skip = 0
	}
	if c.info != nil {
		r.Name, r.LibName, r.LibVersion = c.info.name, c.info.libName, c.info.libVersion
	}
	return r
}

// Keep is handoff.Hands.
func (p *peerLink) Keep(batch uint32, verdicts []handoff.Verdict) {
	l := p.l
	o := p.offers[batch]
	o.closeState()
	p.unsent = slices.DeleteFunc(p.unsent, func(m handoff.Message) bool {
		return m.Batch == batch && (m.Kind == handoff.Offer || m.Kind == handoff.Commit)
	})
	if verdicts == nil {
		for _, c := range o.clients {
			l.comeBack(c)
		}
		delete(p.offers, batch)
		return
	}
	fault.At(passing[handoff.Prepared].received)
	taken := o.clients[:0]
	for i, c := range o.clients {
		switch verdicts[i] {
		case handoff.Take:
			taken = append(taken, c)
			continue
		case handoff.Configuration:
			c.state |= unwanted
			l.giving.done.Closed++
		case handoff.NoResources, handoff.Refused:
		default:
			c.state |= stays
		}
		l.comeBack(c)
	}
	o.clients = taken
	switch {
	case slices.Contains(verdicts, handoff.NoResources):
		p.short()
	case len(taken) > 0:
		p.limit, p.shortages = min(2*p.limit, handoff.MaxBatch), 0
	}
	if len(taken) == 0 {
		delete(p.offers, batch)
	}
}

// comeBack goes on serving a client that was on its way.
func (l *loop) comeBack(c *client) {
	c.state &^= frozen
	if _, away := l.table[c.token.Index].h.(traveller); away {
		l.table[c.token.Index].h = c
		if err := l.poller.Add(int(c.fd), c.token); err != nil {
			c.fail(err)
			return
		}
		c.in.unread = true // edges that nobody has seen
	}
	c.unmute()
	c.markDirty()
}

// short is told that a peer has no room, or that there is none to write down the state.
func (p *peerLink) short() {
	l := p.l
	p.shortages++
	p.limit = max(p.limit/2, 1)
	p.pausedTill = l.now + shortagePause
	if p.starved() {
		p.pausedTill = l.now + longShortagePause
	}
	l.giving.pass()
}

// starved tells that a peer will hardly have room soon.
func (p *peerLink) starved() bool { return p.shortages >= maxShortages }

// Release is handoff.Hands.
func (p *peerLink) Release(batch uint32) {
	o := p.offers[batch]
	for _, c := range o.clients {
		o.bytes += c.in.size() + c.out.bytes
		c.depart()
	}
	o.count, o.clients = len(o.clients), nil
}

// depart forgets a client that another worker serves now.
func (c *client) depart() {
	l := c.pool.l
	c.state = gone
	l.release(c.token)
	sock.Close(int(c.fd))
	c.in.drop(&l.memory)
	c.out.drop(&l.memory)
	l.clients--
	l.memory.litter += clientBytes
	l.closed()
	c.pool.counters[link.ClientConnections]--
}

// Served is handoff.Hands.
func (p *peerLink) Served(batch uint32, pause time.Duration) {
	fault.At(passing[handoff.Taken].received)
	o, done := p.offers[batch], &p.l.giving.done
	done.Moved += o.count
	done.Bytes += int64(o.bytes)
	done.LongestPause = max(done.LongestPause, pause)
	delete(p.offers, batch)
}

// Lost is handoff.Hands.
func (p *peerLink) Lost(batch uint32) {
	p.lost += p.offers[batch].count
	delete(p.offers, batch)
}

// look is what happens at every tick.
func (g *giving) look() {
	l := g.l
	l.timers.set(&g.tick, l.now+giveTick)
	for _, p := range slices.Clone(l.peers) {
		if p.link.Overdue(l.now) {
			p.link.Retire("no answer")
			p.Failed("no answer for " + handoff.Patience.String())
			p.tidy()
		}
	}
	g.slow = g.owed
	if !g.passing {
		g.pass()
	}
}

// report tells the master when there is nothing more to move.
func (g *giving) report() {
	l := g.l
	if !g.on || g.said || !g.atRest() {
		return
	}
	g.said = true
	body := g.done
	body.Stragglers, body.Reason = l.stragglers()
	if g.starved() && body.Stragglers > 0 {
		body.Reason = "the other generation has no descriptors or no memory for them"
	}
	l.control.must(link.Given, link.Body(body))
}

// atRest tells that everyone is moved, or a straggler, or has no place in the other configuration.
func (g *giving) atRest() bool {
	l := g.l
	away, _ := l.handing()
	switch {
	case away > 0 || len(g.packed) > 0:
		return false
	case l.clients == 0:
		return true
	case !g.reachable():
		return false
	case g.starved():
		return true
	case g.passing:
		return false
	}
	return g.owed == 0 && !g.skipped || l.now >= g.till
}

// starved tells that no peer has room.
func (g *giving) starved() bool {
	for _, p := range g.l.peers {
		if p.usable() && !p.starved() {
			return false
		}
	}
	return g.reachable()
}

// stragglers counts the clients that are still here and are neither unwanted nor done, and tells why, unless they are
// owed replies.
func (l *loop) stragglers() (count int, reason string) {
	for i := range l.table {
		c, ok := l.table[i].h.(*client)
		if !ok || c.state&(unwanted|lingering) != 0 {
			continue
		}
		count++
		switch {
		case c.state&stays != 0:
			reason = "the other generation cannot read their state"
		case c.holds() > maxMovedBytes:
			reason = "more is kept for them than can be moved"
		}
	}
	return count, reason
}

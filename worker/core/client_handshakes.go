// How many handshakes are under way, and for how long.

package core

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// mostHandshakes is how many may be under way in a worker: each takes about 17 KiB.
	mostHandshakes = 2048
	// handshakeTime is how long one may take where the pool does not say.
	handshakeTime = 10 * time.Second
	// scarceTime is which part of that a client has for its answer when others wait for its place.
	scarceTime = 4
	// hangingTicks is after how long without an answer a move does not wait for a client any more: it moves when it has answered.
	hangingTicks = uint32(int64(500*time.Millisecond) / tickNanos)
)

var (
	errHandshakeTimeout = errors.New("it took longer than tls_handshake_timeout")
	errHandshakeScarce  = fmt.Errorf("no answer for a quarter of tls_handshake_timeout, while others wait to begin: no more than %d may be under way in a worker", mostHandshakes)
)

// handshaking is clients that are to shake hands, in an order. Those that do so no more are dropped when they are many.
type handshaking struct {
	clients []*client
	ended   int // since the last that were dropped, about
}

func (h *handshaking) add(c *client) { h.clients = append(h.clients, c) }

// first returns the first one that is still to shake hands; nil: there is none.
func (h *handshaking) first() *client {
	for len(h.clients) > 0 {
		if c := h.clients[0]; c.life == clientHandshaking {
			return c
		}
		h.drop()
	}
	return nil
}

// drop takes out the first one.
func (h *handshaking) drop() {
	h.clients[0] = nil
	if h.clients = h.clients[1:]; len(h.clients) == 0 {
		*h = handshaking{}
	}
}

// noteEnd is called when a client, perhaps one of these, is not to shake hands any more.
func (h *handshaking) noteEnd() {
	const few = 64
	if h.ended++; h.ended > few && h.ended > len(h.clients)/2 {
		h.ended = 0
		var left []*client // in a list that is no longer than it has to be
		for _, c := range h.clients {
			if c.life == clientHandshaking {
				left = append(left, c)
			}
		}
		h.clients = left
	}
}

// handshakes are those of the worker's clients that are under way. Loop only.
type handshakes struct {
	l       *loop
	most    int         // that may be under way
	begun   int         // are
	waiting handshaking // may not begin theirs yet, in the order in which they came
	parked  handshaking // are to answer, in the order in which they first were; with inParked
	timer   timer.Timer // looks whether the first of those has had its time
}

func (h *handshakes) init(l *loop) {
	h.l, h.most = l, mostHandshakes
	h.timer.Fire = h.makeRoom
}

// count is called when a handshake may have begun, or ended: perhaps at once.
func (h *handshakes) count(before, now bool) {
	switch {
	case now && !before:
		h.begun++
	case before && !now:
		h.begun--
	}
	if !now {
		h.wakeOne()
	}
}

// await has a client wait for others, or since it is to move first.
func (h *handshakes) await(c *client) {
	if c.queued&inHandshakes == 0 {
		c.queued |= inHandshakes
		h.waiting.add(c)
		h.makeRoom()
	}
}

// wakeOne has the first that waits try again, if there is a place for it.
func (h *handshakes) wakeOne() {
	for woken := false; !woken && h.begun < h.most && h.waiting.first() != nil; {
		woken = h.waiting.first().shakesAgain()
		h.waiting.drop()
	}
}

// wake has all that wait try again.
func (h *handshakes) wake() {
	all := h.waiting.clients
	h.waiting = handshaking{}
	for _, c := range all {
		c.shakesAgain()
	}
}

// shakesAgain has a client that has waited go on, and tells whether it does.
func (c *client) shakesAgain() bool {
	c.queued &^= inHandshakes
	if c.life != clientHandshaking || c.moving.inFlight() {
		return false
	}
	c.nextTurn()
	return true
}

// park is called when a client is to answer.
func (h *handshakes) park(c *client) {
	if c.queued&inParked == 0 {
		c.queued |= inParked
		c.took = h.l.ticks()
		h.parked.add(c)
		h.makeRoom()
	}
}

// makeRoom ends handshakes whose clients do not answer, as long as others wait for their places.
func (h *handshakes) makeRoom() {
	for needed := len(h.waiting.clients); needed > 0 && h.begun >= h.most && h.waiting.first() != nil; needed-- {
		c := h.parked.first()
		if c == nil {
			return
		}
		if at := int64(c.took)*tickNanos + c.pool.handshakeTime()/scarceTime; at > h.l.now {
			h.l.timers.Set(&h.timer, at)
			return
		}
		h.parked.drop()
		c.queued &^= inParked
		if !c.stream.Signs() { // else it has answered, and waits for us
			c.hearLast()
		}
	}
}

// hang tells whether clients have not answered for so long that a move is not to wait for them. It does where they would be closed
// at its end.
func (h *handshakes) hang() bool {
	for _, p := range h.l.pools {
		for _, c := range slices.Backward(p.handshakes.clients.clients) { // who came last hangs last
			if c.stream.Shakes() && c.life == clientHandshaking && !c.hangs() {
				return false
			}
		}
	}
	return true
}

func (c *client) hangs() bool {
	return !c.stream.Signs() && c.pool.l.ticks()-c.took > hangingTicks && c.pool.spec.TLS.AuthClients == link.AuthClientsNo
}

// clientHandshakes are the clients of a pool that are to shake hands. Loop only.
type clientHandshakes struct {
	clients handshaking // in the order in which they came
	timer   timer.Timer
}

func (h *clientHandshakes) init(p *pool) { h.timer.Fire = p.endLateHandshakes }

// add begins the time of a client.
func (h *clientHandshakes) add(c *client) {
	l := c.pool.l
	c.came = l.now
	h.clients.add(c)
	if !h.timer.Armed() {
		l.timers.Set(&h.timer, l.now+c.pool.handshakeTime())
	}
}

func (p *pool) handshakeTime() int64 {
	return int64(cmp.Or(p.spec.TLS.HandshakeTimeout, handshakeTime))
}

// endLateHandshakes closes the clients whose time is over. One that is in flight has it anew, in case that it comes back, and so has one
// that waits for us, or has only just been answered: the time is the client's alone.
func (p *pool) endLateHandshakes() {
	h, l := &p.handshakes, p.l
	for c := h.clients.first(); c != nil; c = h.clients.first() {
		if at := c.came + p.handshakeTime(); at > l.now {
			l.timers.Set(&h.timer, at)
			return
		}
		h.clients.drop()
		if c.moving.inFlight() || c.awaitsHandshake() {
			defer h.add(c)
			continue
		}
		c.hearLast()
	}
}

// awaitsHandshake tells whether the client waits for us: for a place or a signature; or has lately done so, and has had little time since.
func (c *client) awaitsHandshake() bool {
	answered := c.queued&inParked != 0 && c.pool.l.now-int64(c.took)*tickNanos < c.pool.handshakeTime()/scarceTime
	return c.queued&inHandshakes != 0 || c.stream.Signs() || answered
}

// hearLast ends the handshake, unless the client goes on with it by what is in the socket: the worker may have stood still, or have had
// more to do than there was time.
func (c *client) hearLast() {
	c.queued |= inLastTurn
	c.stream.Unread = true
	c.nextTurn()
}

// endLate ends a handshake that is late, and did not go on by what was in the socket.
func (c *client) endLate() {
	if c.came+c.pool.handshakeTime() > c.pool.l.now {
		c.failHandshake(errHandshakeScarce)
	} else {
		c.failHandshake(errHandshakeTimeout)
	}
}

// noteHandshakeEnd is called when a client is not to shake hands any more.
func (c *client) noteHandshakeEnd() {
	h := &c.pool.l.handshakes
	for _, list := range []*handshaking{&c.pool.handshakes.clients, &h.waiting, &h.parked} {
		list.noteEnd()
	}
}

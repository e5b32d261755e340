// How many handshakes are under way, for how long, and what an idle client that encrypts can do without.

package core

import (
	"cmp"
	"errors"
	"time"

	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// mostHandshakes is how many may be under way in a worker: each takes about 17 KiB.
	mostHandshakes = 2048
	// handshakeTime is how long one may take where the pool does not say.
	handshakeTime = 10 * time.Second
	// sleepTicks is after how long a client is idle enough to have no ciphers, and sleepCheck how often the worker looks.
	sleepTicks = uint32(int64(10*time.Second) / tickNanos)
	sleepCheck = int64(5 * time.Second)
	// sleepGarbage is how many bytes of ciphers are worth a collection.
	sleepGarbage = 64 << 10
)

var errHandshakeTimeout = errors.New("it took longer than tls_handshake_timeout")

// handshakes are those of the worker's clients that are under way. Loop only.
type handshakes struct {
	begun   int
	waiting []*client // that may not begin theirs yet, in the order in which they came; some are done
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
		h.waiting = append(h.waiting, c)
	}
}

// wakeOne has the first that waits try again, if there is a place for it.
func (h *handshakes) wakeOne() {
	for woken := false; !woken && len(h.waiting) > 0 && h.begun < mostHandshakes; {
		woken = h.waiting[0].shakesAgain()
		h.waiting = h.waiting[1:]
	}
}

// wake has all that wait try again.
func (h *handshakes) wake() {
	all := h.waiting
	h.waiting = nil
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

// clientHandshakes are the clients of a pool that are to shake hands. Loop only.
type clientHandshakes struct {
	clients []*client // in the order in which they came; some are done
	timer   timer.Timer
	sleep   timer.Timer
}

func (h *clientHandshakes) init(p *pool) {
	if p.clientTLS == nil {
		return
	}
	h.timer.Fire = p.endLateHandshakes
	h.sleep.Fire = p.sleepIdle
	p.l.timers.Set(&h.sleep, p.l.now+sleepCheck)
}

// add begins the time of a client.
func (h *clientHandshakes) add(c *client) {
	l := c.pool.l
	c.came = l.now
	h.clients = append(h.clients, c)
	if !h.timer.Armed() {
		l.timers.Set(&h.timer, l.now+c.pool.handshakeTime())
	}
}

func (p *pool) handshakeTime() int64 {
	return int64(cmp.Or(p.spec.TLS.HandshakeTimeout, handshakeTime))
}

// endLateHandshakes closes the clients whose time is over. One that is in flight has it anew, in case that it comes back.
func (p *pool) endLateHandshakes() {
	h, l := &p.handshakes, p.l
	all := h.clients
	h.clients = nil
	for i, c := range all {
		if c.life != clientHandshaking {
			continue
		}
		if c.came+p.handshakeTime() > l.now {
			h.clients = append(h.clients, all[i:]...)
			l.timers.Set(&h.timer, c.came+p.handshakeTime())
			return
		}
		if c.moving.inFlight() {
			defer h.add(c)
			continue
		}
		c.failHandshake(errHandshakeTimeout)
	}
}

// sleepIdle frees the ciphers of idle clients: a kilobyte and a half of each.
func (p *pool) sleepIdle() {
	l, freed := p.l, 0
	for c := range l.everyClient {
		if c.pool == p && l.ticks()-c.active > sleepTicks {
			freed += c.stream.Sleep()
		}
	}
	if freed >= sleepGarbage {
		go l.memory.Collect(false)
	}
	l.timers.Set(&p.handshakes.sleep, l.now+sleepCheck)
}

// A drain that is announced: until it comes, clients are served as before. Load balancers learn of it from PING, and
// towards its end the clients that are idle are closed in portions, so that not all of them connect elsewhere at once.

package core

import (
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// portions is in how many the idle clients are closed. It divides the values of 6 bits evenly.
	portions = 64
	// shedSilence is how long a client must have sent nothing to be closed without having asked: one that asks often is
	// closed right after a reply, when it has nothing under way that would be lost.
	shedSilence = uint32(int64(time.Second) / tickNanos)
)

// announced is how far a drain has come that is announced. Loop only.
type announced struct {
	l     *loop
	on    bool
	first int64       // ns: when the first portion is closed
	over  int64       // ns: in which all are
	due   uint32      // portions that are to be closed; 0: none yet
	next  timer.Timer // closes the next one
}

// announce announces a drain, or revokes it.
func (l *loop) announce(body link.AnnounceBody) {
	a := &l.announced
	a.revoke()
	if body.Revoked || l.draining.on {
		return
	}
	a.l, a.on = l, true
	a.first, a.over = l.now+int64(body.Shed), int64(body.Over)
	if a.over > 0 {
		a.next.Fire = a.closePortion
		l.timers.Set(&a.next, a.first)
	}
}

// revoke takes the announcement back. Clients that were closed are gone.
func (a *announced) revoke() {
	a.stop()
	a.on = false
}

// stop closes no more portions.
func (a *announced) stop() {
	if a.l != nil {
		a.l.timers.Stop(&a.next)
	}
	a.due = 0
}

// closePortion closes the clients of one more portion that are idle, and those of earlier ones that have become so.
func (a *announced) closePortion() {
	l := a.l
	a.due = min(1+uint32((l.now-a.first)*portions/a.over), portions)
	for c := range l.everyClient {
		if c.isShed() && l.ticks()-c.active > shedSilence {
			c.closeIfIdle()
		}
	}
	l.timers.Set(&a.next, l.now+max(a.over/portions, tickNanos))
}

// isShed tells whether the client is to be closed when it is idle, since its portion's turn has come. Whoever connects
// after the first one's stays, and so does whoever is in a transaction.
func (c *client) isShed() bool {
	a := &c.pool.l.announced
	return a.due > 0 && c.portion() < a.due && int32(uint32(a.first/tickNanos)-c.born) > 0 && c.session.tx == nil && c.session.watch == nil
}

// portion returns the portion that the client is in, below portions. IDs of one worker's clients have a common divisor.
func (c *client) portion() uint32 {
	const golden = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio: multiples of it are spread evenly
	return uint32(c.id * golden >> 58)
}

// errDrains is the reply to PING where that is how load balancers look. Client libraries take -LOADING for a server that is
// not there now, and go to another one.
var errDrains = resp.AppendError(nil, "LOADING pinion is about to end: connect to another one")

// failsPings tells whether PING is answered with an error.
func (p *pool) failsPings() bool {
	return p.spec.DrainPing == link.DrainPingError && (p.l.announced.on || p.l.draining.on)
}

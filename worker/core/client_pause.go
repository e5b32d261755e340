// CLIENT PAUSE: the clients of a pool wait with what they ask, in every worker, until the pause is over or CLIENT UNPAUSE ends it.

package core

import (
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// clientPause is whether a pool's clients are paused. Loop only.
type clientPause struct {
	on         bool
	writesOnly bool // those that ask for nothing that may write go on
	end        timer.Timer
}

// stops tells whether a request of cmd waits for the end of the pause. The one that ends it does not; what EXEC executes may write.
func (p *clientPause) stops(cmd *resp.Command) bool {
	switch cmd.Local {
	case resp.LocalClientUnpause:
		return false
	case resp.LocalExec:
		return true
	}
	return !p.writesOnly || cmd.Write
}

// pauseClients pauses the pool's clients. Of two pauses the longer one counts, and the one that stops more.
func (p *pool) pauseClients(length time.Duration, writesOnly bool) {
	l, pause := p.l, &p.pause
	until := l.now + int64(length)
	if pause.on {
		until, writesOnly = max(until, pause.end.Due()), writesOnly && pause.writesOnly
	}
	pause.on, pause.writesOnly = true, writesOnly
	pause.end.Fire = p.unpauseClients
	l.timers.Set(&pause.end, until)
}

// unpauseClients has the clients that wait go on.
func (p *pool) unpauseClients() {
	if !p.pause.on {
		return
	}
	p.l.timers.Stop(&p.pause.end)
	p.pause.on = false
	for c := range p.l.everyClient {
		if c.pool == p && c.waits == waitsForUnpause {
			c.waits = waitsForNothing
			c.unmute()
		}
	}
}

// Slow start: a server that has come back gets its keys one after the other. All workers know since when it is back, and so agree which
// keys live there.

package core

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// joinStart is how much of a start may be over, as one in so many parts, for a server that comes back to join it: so servers that come back
// one after the other don't have a map each.
const joinStart = 8

// slowStart is what a placement knows of the servers that start. Loop only.
type slowStart struct {
	over  int64       // ms
	since []int64     // by server: since when it is back
	step  timer.Timer // until more keys move
}

// newSlowStart returns nil if the servers of p get all their keys at once, as they do where workers could not tell each other otherwise.
func newSlowStart(p *pool) *slowStart {
	if p.spec.SlowStart <= 0 || !p.spec.Remaps() || p.l.shared.StartedAt(p.index, 0) == nil {
		return nil
	}
	s := &slowStart{over: max(p.spec.SlowStart.Milliseconds(), 1), since: make([]int64, len(p.servers))}
	s.step.Fire = func() { p.placement.stepOn() }
	return s
}

// startSlowly finds out which servers start, and leads keys accordingly.
func (pl *placement) startSlowly() {
	if pl.slow == nil {
		return
	}
	for i, s := range pl.servers {
		pl.slow.since[i] = int64(loadWord(s.back))
	}
	pl.starting = pl.ring.SlowStart(pl.live, pl.slow.since, pl.slow.over, pl.pool.l.liveMillis())
	pl.awaitStep()
}

// awaitStep arms the timer for the next keys that move, if any do.
func (pl *placement) awaitStep() {
	l := pl.pool.l
	if pl.starting == nil {
		l.timers.Stop(&pl.slow.step)
		return
	}
	l.timers.Set(&pl.slow.step, pl.starting.Next(l.liveMillis())*int64(time.Millisecond))
}

// stepOn moves the next keys.
func (pl *placement) stepOn() {
	if pl.starting.Step(pl.pool.l.liveMillis()) {
		pl.rebuild()
		return
	}
	pl.awaitStep()
	pl.version++
	pl.pool.replaced()
}

// markStarts has h depend on which keys live on the servers that start.
func (pl *placement) markStarts(h io.Writer) {
	if pl.starting != nil {
		fmt.Fprintf(h, " %d %d", pl.slow.since, pl.starting.Shares())
	}
}

// beginStart notes since when the server is back, which claimed is the word of the probe of. Nobody goes by it before the server is live.
func (s *server) beginStart(claimed shard.Liveness) {
	slow := s.pool.placement.slow
	if slow == nil {
		return
	}
	old := loadWord(s.back)
	if s.liveness() != claimed { // another worker has readmitted it meanwhile
		return
	}
	now := s.pool.l.liveMillis()
	at := now
	for _, other := range s.pool.servers {
		if began := int64(loadWord(other.back)); other != s && other.liveness().Alive() && began > max(0, now-slow.over/joinStart) && began <= now {
			at = min(at, began)
		}
	}
	atomic.CompareAndSwapUint64(s.back, old, uint64(at))
}

// The pulse: whether workers turn. Each counts its turns where the master sees them. One whose count stands still is asked
// to make a turn; one that makes none hangs. Then others serve its new connections, and if it does not come back, it goes.

package master

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// What counts is how often the master itself looked, not how long a worker was silent: on a machine that was paused, or
// has no time for anybody, the master looked as rarely as the workers turned.
const (
	pulseEvery = time.Second // between two looks
	stillHangs = 5           // looks in a row without a turn, after which a worker is said to hang
	stillDies  = 15          // the same, after which it is killed
)

// pulse is what the master knows of the turns of a slot's worker.
type pulse struct {
	turns  uint64 // at the last look
	still  int    // looks since they last changed
	pinged bool   // the worker was asked to make a turn, and has not made one since
}

// hangs reports whether the worker of a slot is known to make no turn. Older builds do not count them.
func (s *slot) hangs() bool { return s.process != nil && s.pulse.still >= stillHangs }

// watched reports whether the worker of a slot is to turn. One that starts or goes has a deadline of its own.
func (s *slot) watched() bool {
	switch s.state {
	case slotPrepared, slotServing, slotGiving, slotDraining:
		return s.generation.counters != nil && s.generation.counters.Turns(s.index) != nil
	}
	return false
}

// checkPulses looks at every worker, when it is time.
func (m *master) checkPulses(now time.Time) {
	if now.Before(m.nextPulse) {
		return
	}
	m.nextPulse = now.Add(pulseEvery)
	for _, s := range m.generations.slots() {
		if s.watched() {
			m.checkPulse(s)
		}
	}
	m.coverSlots()
}

func (m *master) checkPulse(s *slot) {
	p := &s.pulse
	if turns := atomic.LoadUint64(s.generation.counters.Turns(s.index)); turns != p.turns {
		if s.hangs() {
			m.log.Printf(logfile.Notice, "worker %d (pid %d) turns again", s.index, s.process.PID)
		}
		*p = pulse{turns: turns}
		return
	}
	p.still++
	if !p.pinged { // one that has nothing to do has made no turn either
		p.pinged = m.world.send(s.process, link.Message{Kind: link.Ping}) == nil
	}
	switch {
	case p.still == stillHangs:
		m.log.Printf(logfile.Error, "worker %d (pid %d) hangs: it has made no turn for %s", s.index, s.process.PID, p.silence())
	case p.still >= stillDies:
		m.kill(s, fmt.Sprintf("it hangs: no turn for %s", p.silence()))
	}
}

// silence says for how long there was no turn, as the master counts.
func (p *pulse) silence() time.Duration { return time.Duration(p.still) * pulseEvery }

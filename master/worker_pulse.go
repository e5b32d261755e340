// The pulse: whether the event loops of workers turn. Each worker counts its turns in shared memory. If the count stands
// still, the worker is pinged, which makes it turn; if it still does not, it hangs. Then other workers accept for it, and
// after a while it is killed, unless it would turn if it got a CPU: then nothing is better with the next one.

package master

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// The master counts its own checks instead of measuring time: on a machine that was paused or is overloaded, it checks as
// rarely as the workers turn.
const (
	pulseEvery = time.Second // between two checks
	stillHangs = 5           // checks in a row without a turn, after which a worker hangs
	stillDies  = 15          // the same, after which it is killed
	tellAgain  = 60          // checks after which it is told again that a worker starves
	starveTime = time.Second // of a CPU: a worker that has had less while it hung starves, if it wants more
)

// pulse is what the master knows of the turns of a slot's worker.
type pulse struct {
	turns  uint64        // at the last check
	still  int           // checks since turns has changed
	pinged bool          // the worker was asked to make a turn, and has not made one since
	cpu    time.Duration // that it had had when it began to hang
}

// hangs reports whether the worker of a slot makes no turn. Workers of older builds, which do not count turns, never hang.
func (s *slot) hangs() bool { return s.process != nil && s.pulse.still >= stillHangs }

// watched reports whether the turns of a slot's worker are checked. A worker that starts or dies has a deadline instead.
func (s *slot) watched() bool {
	switch s.state {
	case slotPrepared, slotServing, slotGiving, slotDraining:
		return s.generation.counters != nil && s.generation.counters.Turns(s.index) != nil
	}
	return false
}

// checkPulses checks the turns of every worker, and what they have measured and counted, when it is time.
func (m *master) checkPulses(now time.Time) {
	if now.Before(m.nextPulse) {
		return
	}
	m.nextPulse = now.Add(pulseEvery)
	for _, s := range m.generations.slots() {
		if s.watched() {
			m.checkPulse(s)
		}
		if s.process != nil && s.untold {
			m.passTopology(s)
		}
	}
	m.coverSlots()
	m.ejectSlow()
	m.noteNews(now)
}

func (m *master) checkPulse(s *slot) {
	p := &s.pulse
	if turns := atomic.LoadUint64(s.generation.counters.Turns(s.index)); turns != p.turns {
		if s.hangs() {
			m.log.Event(logfile.WorkerTurns, s.index, s.process.PID)
		}
		*p = pulse{turns: turns}
		return
	}
	p.still++
	if !p.pinged { // an idle worker makes no turn either
		p.pinged = m.world.send(s.process, link.Message{Kind: link.Ping}) == nil
	}
	switch {
	case p.still == stillHangs:
		p.cpu, _ = m.world.work(s.process.PID)
		m.log.Event(logfile.WorkerHangs, s.index, s.process.PID, p.silence())
	case p.still >= stillDies && m.starves(s):
		if (p.still-stillDies)%tellAgain == 0 {
			m.log.Event(logfile.WorkerStarves, s.index, s.process.PID, p.silence())
		}
	case p.still >= stillDies:
		m.kill(s, fmt.Sprintf("it hangs: no turn for %s", p.silence()))
	}
}

// starves tells whether a worker that hangs has had hardly any time of a CPU, and waits for more.
func (m *master) starves(s *slot) bool {
	cpu, wants := m.world.work(s.process.PID)
	return wants && cpu-s.pulse.cpu < starveTime
}

// silence returns for how long there was no turn, by the master's checks.
func (p *pulse) silence() time.Duration { return time.Duration(p.still) * pulseEvery }

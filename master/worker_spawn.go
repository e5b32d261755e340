// Filling a slot with a worker, now or when the throttle allows.

package master

import (
	"fmt"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
)

// readyTimeout is how long a worker may take from its spawn to its Ready. It does not wait for servers in that time, so one
// that takes longer hangs.
const readyTimeout = 10 * time.Second

// fill starts a worker in a vacant slot.
func (m *master) fill(s *slot) {
	if deaf := m.missingAddresses(s); len(deaf) > 0 && s.generation == m.generations.serving && m.phase == serving {
		m.log.Event(logfile.WorkerNotStarted, s.index, strings.Join(deaf, ", "), maxBackOff)
		s.become(slotWaiting, m.world.now().Add(maxBackOff))
		return
	}
	l := m.launch(s)
	p, err := m.world.spawn(l, m.reporterOf(s))
	if err != nil {
		m.notSpawned(s, err)
		return
	}
	now := m.world.now()
	s.takeover, s.moving, s.toldToEnd = l.Spec.Takeover, false, false
	s.process, s.bornAt, s.readyAt, s.behind, s.untold = p, now, time.Time{}, 0, false
	s.words, s.killedFor, s.pulse, s.lossesCounted, s.leftThere = lastWords{}, "", pulse{}, false, s.clients()
	s.become(slotStarting, now.Add(readyTimeout))
	m.log.Event(logfile.WorkerStarting, s.index, p.PID, cpuName(p.CPU))
	if p.PinErr != nil {
		m.log.Event(logfile.WorkerUnpinned, s.index, s.cpu, p.PinErr)
	}
}

// notSpawned handles a failed spawn like a worker that died at once.
func (m *master) notSpawned(s *slot, err error) {
	if s.generation == m.generations.coming {
		m.newSide.fail(fmt.Errorf("starting worker %d: %w", s.index, err))
		return
	}
	if m.phase == starting {
		m.fail(fmt.Errorf("starting worker %d: %w", s.index, err))
		return
	}
	err = withHint(err)
	pause := s.throttle(false)
	m.log.Event(logfile.WorkerStartFailed, s.index, err, pause)
	s.become(slotWaiting, m.world.now().Add(pause))
}

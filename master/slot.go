// A slot: the place of one worker, and where that worker is in its life.

package master

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/link"
)

// slotState is the state of a slot. What happens when slot.until is reached depends on it, see expire.
type slotState uint8

const (
	slotVacant   slotState = iota // no process; only for moments while serving, for good while ending
	slotStarting                  // a process that has not said Ready; until: then this master goes on without it
	slotServing                   // a process that accepts connections; no deadline
	slotDraining                  // a process that was sent Drain; until: then it is killed
	slotDying                     // a process that was told to go; until: then it is killed; zero: that is done
	slotWaiting                   // no process; until: then the next one starts
	slotPrepared                  // a process that could accept connections and waits for Serve; no deadline
	slotGiving                    // a process that moves its clients to another generation; no deadline
)

var slotStateNames = [...]string{
	"vacant", "starting", "serving", "draining", "dying", "waiting", "prepared", "giving",
}

func (s slotState) String() string { return slotStateNames[s] }

var slotEdges = [...][]slotState{
	slotVacant:   {slotStarting, slotWaiting},
	slotStarting: {slotServing, slotPrepared, slotDraining, slotDying, slotVacant},
	slotPrepared: {slotServing, slotGiving, slotDraining, slotDying, slotVacant},
	slotServing:  {slotGiving, slotDraining, slotDying, slotVacant},
	slotGiving:   {slotServing, slotDraining, slotDying, slotVacant},
	slotDraining: {slotDying, slotVacant},
	slotDying:    {slotVacant},
	slotWaiting:  {slotVacant},
}

type slot struct {
	generation *generation

	index   int
	cpu     int // the CPU its workers are pinned to; -1: none
	state   slotState
	until   time.Time       // deadline of the state; zero: none
	process *process.Worker // nil if and only if vacant or waiting

	takeover  bool // process was told not to accept before Serve
	toldToEnd bool // process was told by a signal to end
	moving    bool // process was told to move its clients, and has not been told otherwise
	untold    bool // process has yet to be passed the present topology
	behind    int  // topologies that process was passed and has not said to have taken over; a build that never does stays behind

	bornAt       time.Time // when process was spawned
	readyAt      time.Time // when process said Ready; zero: not yet
	earlySignals int       // deaths in a row of workers that a signal for the service met before they ignored it
	early        int       // deaths in a row, up to now, of workers that had not been ready for healthyAfter
	words        lastWords // what process wrote on stderr

	pulse         pulse  // of process
	coveredBy     cover  // accepts from the slot's listeners, too
	killedFor     string // why the master killed process; empty: it did not
	lossesCounted bool   // the clients of process are counted as lost
	died          death  // the last worker of the slot that did
	leftThere     int    // clients in the counters when its process was started: of one that died while there was no master
}

// become enters the next state, which lasts until the deadline given (zero: without end).
func (s *slot) become(next slotState, until time.Time) {
	for _, legal := range slotEdges[s.state] {
		if legal == next {
			s.state, s.until = next, until
			if next == slotGiving || next == slotServing {
				s.moving = next == slotGiving
			}
			return
		}
	}
	panic(fmt.Sprintf("slot %d: no way from %s to %s", s.index, s.state, next))
}

// due reports whether the deadline of the state is reached.
func (s *slot) due(now time.Time) bool { return !s.until.IsZero() && !now.Before(s.until) }

// cpuName says where a worker runs, for messages.
func cpuName(cpu int) string {
	if cpu < 0 {
		return "not pinned"
	}
	return "cpu " + strconv.Itoa(cpu)
}

// occupy gives a slot a process that another master has started.
func (s *slot) occupy(p *process.Worker, now time.Time) {
	s.process, s.bornAt = p, p.BornAt
	if s.bornAt.IsZero() {
		s.bornAt = now
	}
	s.readyAt, s.pulse, s.behind, s.untold, s.toldToEnd, s.lossesCounted, s.leftThere = now, pulse{}, 0, false, false, false, 0
	s.become(slotStarting, time.Time{})
}

// clients returns how many clients the worker of a slot has, or had when it died.
func (s *slot) clients() (n int) {
	g := s.generation
	if g.counters == nil {
		return 0
	}
	for i := range g.pools {
		n += int(atomic.LoadUint64(g.counters.PoolCounter(s.index, i, link.ClientConnections)))
	}
	return n
}

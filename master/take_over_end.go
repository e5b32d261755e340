// The end of a program from which was taken over: this master may bring it about, and serves alone after it.

package master

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/takeover"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

var errCalledOff = errors.New("this was called off, as pinion is ending itself")

// endPrograms is called when the groups are complete, or cannot be. It ends the programs from which was taken over, if that was asked
// for. First they are told to accept nobody, so that whom
// they have accepted last gets its answer; if they do not end, they accept again.
func (m *master) endPrograms() {
	sockets := m.takenFrom.sockets
	m.takenFrom.sockets = nil
	if len(sockets) == 0 {
		return
	}
	if !m.opts.EndOther || !m.takesOrders() {
		takeover.CloseSockets(sockets)
		return
	}
	programs := m.takenFrom.programs
	ctx, callOff := context.WithCancelCause(context.Background())
	m.takenFrom.callOff = func() { callOff(errCalledOff) }
	m.world.aside(func() func() {
		err := takeover.EndAll(ctx, programs, sockets)
		takeover.CloseSockets(sockets)
		var again []string
		if err == nil {
			again = takeover.StartedAgain(programs)
		}
		return func() {
			for _, text := range again {
				m.remark(logfile.OtherStartedAgain, text)
			}
			m.endedPrograms(err)
		}
	})
}

// endedPrograms is called when programs have been ended, or could not be. What was asked for meanwhile begins: another master could
// not go on with it.
func (m *master) endedPrograms(err error) {
	m.takenFrom.callOff = nil
	takeover.Close(m.takenFrom.ended)
	m.takenFrom.ended = nil
	switch {
	case errors.Is(err, errCalledOff):
		err = fmt.Errorf("%w; it serves on", err)
	case err != nil:
		err = fmt.Errorf("%w; both serve on, and pinion stop would leave all to the other program again", err)
	}
	switch {
	case err != nil && m.opts.Started == nil:
		m.remark(logfile.OtherNotEnded, err)
	case err != nil:
		m.log.Event(logfile.OtherNotEnded, err)
	}
	m.announce(err)
	m.startQueued()
}

// callOffEnd has programs that are being ended accept clients again: they are to serve alone.
func (m *master) callOffEnd() {
	if m.takenFrom.callOff != nil {
		m.takenFrom.callOff()
	}
}

// remark logs what whoever has started this process has to know, too, while that waits.
func (m *master) remark(e *logevent.Event, values ...any) {
	m.log.Event(e, values...)
	if m.opts.Remark != nil {
		m.opts.Remark(fmt.Sprintf(e.Text, values...))
	}
}

// awaitProgram waits beside the loop for the end of a program.
func (m *master) awaitProgram(p *takeover.Program) {
	m.world.aside(func() func() {
		p.AwaitEnd()
		return func() { m.programEnded(p) }
	})
}

// programEnded is called when a program from which was taken over has ended.
func (m *master) programEnded(p *takeover.Program) {
	m.log.Event(logfile.OtherEnded, p)
	t := &m.takenFrom
	t.programs = slices.DeleteFunc(slices.Clone(t.programs), func(other *takeover.Program) bool { return other == p })
	if t.stats == p {
		m.takeStatistics()
	}
	if t.callOff != nil {
		t.ended = append(t.ended, p)
	} else {
		takeover.Close([]*takeover.Program{p})
	}
	if m.phase == serving {
		m.storeSockets()
	}
}

// takeStatistics answers on a statistics port that was left to another program until now.
func (m *master) takeStatistics() {
	m.unshareStatistics()
	if (m.phase == serving || m.phase == draining) && !m.mayBeReplaced() {
		m.serveStats()
	}
}

// unshareStatistics notes that no other program answers on the statistics port any more.
func (m *master) unshareStatistics() {
	t := &m.takenFrom
	if t.statsName != "" {
		m.world.services.Unstore(t.statsName)
	}
	t.stats, t.statsName = nil, ""
}

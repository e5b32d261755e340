// Reaping: the obituary of a dead worker, and when the next one takes its place.

package master

import (
	"fmt"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/metrics"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

const (
	healthyAfter = 10 * time.Second       // a worker that was ready for so long has proved itself
	firstBackOff = 100 * time.Millisecond // doubled with every further early death
	maxBackOff   = 5 * time.Second
)

// death is what is remembered of workers of a slot that have died.
type death struct {
	times int
	at    time.Time // of the last one
	how   string
}

// reap is called when a slot's process has ended; status describes how.
func (m *master) reap(s *slot, status string) {
	m.borrowAnswered(s)
	p, words := s.process, s.words.String()
	lived := roundForReading(m.world.now().Sub(s.bornAt))
	healthy := !s.readyAt.IsZero() && m.world.now().Sub(s.readyAt) > healthyAfter
	switch {
	case s.killedFor != "" && p.Adopted: // its exit status is not to be had
		status = "killed by the master (" + s.killedFor + ")"
	case s.killedFor != "":
		status += " by the master (" + s.killedFor + ")"
	}
	lost := ""
	if n := m.countLosses(s, status); n > 0 {
		lost = "; " + clientsAre(n, "are") + " lost"
	}
	m.tellsNoMore(p)
	s.process = nil
	s.become(slotVacant, time.Time{})
	s.generation.counters.ZeroGauges(s.index)
	m.noteSwitched(s.generation)

	died := func(next string, pause time.Duration) {
		s.died = death{times: s.died.times + 1, at: m.world.now(), how: status}
		m.log.Event(logfile.WorkerDied, s.index, p.PID, cpuName(p.CPU), status, lived, words, lost, next, pause)
	}
	switch {
	case m.endedByEarlySignal(s, p):
		s.earlySignals++
		m.log.Event(logfile.WorkerEndedEarly, s.index, p.PID, status, lived)
		m.fill(s)
	case m.phase == draining, m.phase == stopping, m.undone != nil && s.generation == m.generations.serving,
		s.generation != m.generations.serving && s.generation != m.generations.coming:
		m.log.EventAt(m.endLevel(lost), logfile.WorkerEnded, s.index, p.PID, status, lived, words, lost)
	case s.generation == m.generations.coming:
		m.tally[metrics.Deaths]++
		died("", 0)
		m.newSide.workerDied(s, status+words)
	case s.moving && m.oldSide != nil: // its slot has a new worker already
		m.tally[metrics.Deaths]++
		died("", 0)
		m.oldSide.coverRemoved()
		m.oldSide.workerDied(s)
	case s.toldToEnd && (m.phase == serving || m.phase == starting):
		m.log.Event(logfile.WorkerEndedByOrder, s.index, p.PID, status, lived, words+lost)
		m.fill(s)
	case m.phase == starting:
		died("", 0)
		m.fail(fmt.Errorf("starting worker %d: %s%s", s.index, status, words))
	case m.phase == serving:
		m.tally[metrics.Deaths]++
		if m.oldSide != nil {
			m.oldSide.checkJoined()
		}
		pause := s.throttle(healthy)
		if pause == 0 {
			died("; starting the next one", 0)
			m.fill(s)
			return
		}
		died("; starting the next one in "+pause.String(), pause)
		s.become(slotWaiting, m.world.now().Add(pause))
	}
}

// maxEarlySignals is how many workers of a slot in a row may be ended by a signal in the milliseconds before they ignore it.
const maxEarlySignals = 10

// endedByEarlySignal reports whether p, which was the worker of a slot, was ended by a signal meant for the service in those
// milliseconds, in which it has no clients. On SIGQUIT Go's runtime ends it.
func (m *master) endedByEarlySignal(s *slot, p *process.Worker) bool {
	if !s.readyAt.IsZero() || s.earlySignals == maxEarlySignals || !p.Struck && !strings.HasPrefix(s.words.cause, quitWords) {
		return false
	}
	switch {
	case m.phase != starting && m.phase != serving:
		return false
	case s.generation == m.generations.coming:
		return m.newSide.phase != newReturning
	}
	return s.generation == m.generations.serving
}

// quitWords is the beginning of what Go's runtime prints on SIGQUIT.
const quitWords = "SIGQUIT: "

// endLevel returns the log level for the end of a worker that was to end: lost clients are worth a warning, unless the
// master stops without waiting for them.
func (m *master) endLevel(lost string) logevent.Level {
	if lost == "" || m.phase == stopping {
		return logevent.Info
	}
	return logevent.Warn
}

// throttle returns how long the slot stays empty after a death: not at all after a healthy life or a first early death,
// then twice as long each time. The listener stays open, so clients wait in its queue.
func (s *slot) throttle(healthy bool) time.Duration {
	if healthy {
		s.early = 0
		return 0
	}
	s.early++
	if s.early == 1 {
		return 0
	}
	pause := firstBackOff
	for n := 2; n < s.early && pause < maxBackOff; n++ {
		pause *= 2
	}
	return min(pause, maxBackOff)
}

// lastWords are the lines of a worker's stderr for its obituary: the one with the Go runtime's reason to end or, without
// one, the last lines.
type lastWords struct {
	cause string
	lines []string
}

const rememberedLines = 3

func (w *lastWords) add(line string) {
	for _, prefix := range [...]string{"panic: ", "fatal error: ", "SIGSEGV: ", "SIGBUS: ", quitWords} {
		if w.cause == "" && strings.HasPrefix(line, prefix) {
			w.cause = line
		}
	}
	if line == "" {
		return
	}
	if len(w.lines) == rememberedLines {
		w.lines = append(w.lines[:0], w.lines[1:]...)
	}
	w.lines = append(w.lines, line)
}

// String returns a clause to append to a sentence; empty if there are no words.
func (w *lastWords) String() string {
	switch {
	case w.cause != "":
		return "; last words: " + w.cause
	case len(w.lines) > 0:
		return "; last words: " + strings.Join(w.lines, " / ")
	}
	return ""
}

// roundForReading rounds a duration for a log line.
func roundForReading(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}

// unreaped reports whether the worker of a slot has ended and its Exited event is still to come. For a worker that another
// master has started this is not known, and the result is false.
func (m *master) unreaped(s *slot) bool {
	return s.process != nil && !s.process.Adopted && m.world.ended(s.process)
}

// Lines in the log, which the master writes.

package core

import (
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// limited is the limiter of lines, and what writes those that it has kept. Loop only.
type limited struct {
	logevent.Limiter
	timer timer.Timer
}

// log makes the master log an event, if the verbosity allows.
func (l *loop) log(e *logevent.Event, values ...any) { l.logAt(e.Level, e, values...) }

// logAt is log with another level than that of the event.
func (l *loop) logAt(level logevent.Level, e *logevent.Event, values ...any) {
	if !l.wouldLog(level) {
		return
	}
	line := e.Line(values...)
	line.Level = level
	l.write(&line)
}

// logAfter is log where so many lines of the kind were left out before.
func (l *loop) logAfter(leftOut int, e *logevent.Event, values ...any) {
	line := e.Line(values...)
	line.Suppress(leftOut)
	l.write(&line)
}

func (l *loop) wouldLog(level logevent.Level) bool {
	return l.master != nil && int(level) <= l.spec.Verbosity
}

// write makes the master log a line, unless there were many of its kind just now: see logevent.Limiter.
func (l *loop) write(line *logevent.Line) {
	if !l.wouldLog(line.Level) {
		return
	}
	if l.limited.Admit(line, l.now) {
		l.master.sendLine(line)
	}
	if next := l.limited.Next(); next != 0 && !l.limited.timer.Armed() {
		l.timers.Set(&l.limited.timer, next)
	}
}

// writeKept writes the last of the lines that were left out of each kind.
func (l *loop) writeKept() {
	for _, line := range l.limited.Due(l.now) {
		if l.wouldLog(line.Level) {
			l.master.sendLine(&line)
		}
	}
	if next := l.limited.Next(); next != 0 {
		l.timers.Set(&l.limited.timer, next)
	}
}

// sendLine sends the master a line, or counts it as lost.
func (c *masterLink) sendLine(line *logevent.Line) {
	if c.lost > 0 {
		lines := logevent.LinesLost.Line(c.lost)
		if c.trySend(link.Log, lines.Append(nil)) {
			c.lost = 0
		}
	}
	if !c.trySend(link.Log, line.Append(nil)) {
		c.lost++
	}
}

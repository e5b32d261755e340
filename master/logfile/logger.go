// Lines: for people in nutcracker's shape and levels (src/nc_log.c), for machines in JSON.

package logfile

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

// ClampVerbosity returns the verbosity that v stands for: 0 to 11, as nutcracker has them.
func ClampVerbosity(v int) int { return min(max(v, 0), int(logevent.MaxLevel)) }

// Format is the form of lines.
type Format uint8

const (
	Text Format = iota
	JSON        // one object per line: time, level, msg, event, from, and the keys of the event
)

// Output is where lines go. No method waits: a log on a full disk, or on a terminal that was stopped, must not
// keep a worker from being replaced.
type Output interface {
	Offer(line []byte, standsFor int) bool // false: there is no room now, the line is lost, and with it those that it stands for
	Lost() int                             // lines that Offer took and that could not be written, since the last call

	Reopen(tell func(error)) // tell is called when it has been tried, from any goroutine

	Direct(path string, tell func(error)) // to another file; empty: to stderr
}

// Logger makes lines. It has one caller at a time.
type Logger struct {
	Verbosity int  // 0 to 11, see ClampVerbosity
	Journal   bool // lines begin with the priorities of the journal, which has a clock of its own
	Format    Format

	now     func() time.Time
	out     Output
	lost    int // lines that no line tells of yet
	last    tail
	limiter logevent.Limiter
	buffer  bytes.Buffer // of json
	json    slog.Handler
}

// NewLogger returns one whose lines have the time of now.
func NewLogger(out Output, now func() time.Time, verbosity int) *Logger {
	l := &Logger{Verbosity: ClampVerbosity(verbosity), now: now, out: out}
	l.json = slog.NewJSONHandler(&l.buffer, &slog.HandlerOptions{Level: levelOf(logevent.MaxLevel), ReplaceAttr: nameLevel})
	return l
}

// Reopen has the output go on in the file that is at its path now, see Output.
func (l *Logger) Reopen(tell func(error)) { l.out.Reopen(tell) }

// Direct has the output go on in another file, see Output.
func (l *Logger) Direct(path string, tell func(error)) { l.out.Direct(path, tell) }

// Event logs an event of the master itself.
func (l *Logger) Event(e *logevent.Event, values ...any) { l.EventAt(e.Level, e, values...) }

// EventAt is Event with another level than that of the event.
func (l *Logger) EventAt(level logevent.Level, e *logevent.Event, values ...any) {
	if int(level) > l.Verbosity {
		return
	}
	line := e.Line(values...)
	line.Level = level
	if l.limiter.Admit(&line, l.now().UnixNano()) {
		l.write(fromMaster, &line)
	}
}

// Forward logs a line of a worker.
func (l *Logger) Forward(slot int, line logevent.Line) {
	if int(line.Level) <= l.Verbosity {
		l.write(slot, &line)
	}
}

// Next returns when Tick is to be called; zero: not before another line.
func (l *Logger) Next() time.Time {
	if l.limiter.Next() == 0 {
		return time.Time{}
	}
	return time.Unix(0, l.limiter.Next())
}

// Tick logs how many lines were left out, where a period of the limiter is over.
func (l *Logger) Tick() {
	for _, line := range l.limiter.Due(l.now().UnixNano()) {
		l.write(fromMaster, &line)
	}
}

// fromMaster is in the place of a slot where the master itself has something to say.
const fromMaster = -1

// write offers a line to the output, and before it the number of those that were lost.
func (l *Logger) write(slot int, line *logevent.Line) {
	now := l.now()
	l.last.add(appendText(nil, now, slot, line.Text))
	l.lost += l.out.Lost()
	if l.lost > 0 {
		lines := LinesLost.Line(l.lost)
		if !l.out.Offer(l.form(now, fromMaster, &lines), l.lost) {
			l.lost++
			return
		}
		l.lost = 0
	}
	if !l.out.Offer(l.form(now, slot, line), 1) {
		l.lost++
	}
}

// form returns a line as it is written.
func (l *Logger) form(now time.Time, slot int, line *logevent.Line) (b []byte) {
	if l.Journal {
		b = appendPriority(b, line.Level)
	}
	switch {
	case l.Format == JSON:
		return l.appendJSON(b, now, slot, line)
	case l.Journal:
		return appendUnstamped(b, slot, line.Text)
	}
	return appendText(b, now, slot, line.Text)
}

func appendText(b []byte, now time.Time, slot int, text string) []byte {
	b = now.AppendFormat(b, "[2006-01-02 15:04:05.000] ")
	return appendUnstamped(b, slot, text)
}

// appendUnstamped makes exactly one line of any text: a client must not be able to forge log lines by its keys.
func appendUnstamped(b []byte, slot int, text string) []byte {
	if slot == fromMaster {
		b = append(b, "master "...)
	} else {
		b = strconv.AppendInt(append(b, "worker/"...), int64(slot), 10)
		b = append(b, ' ')
	}
	for i := range len(text) {
		if c := text[i]; (c < ' ' && c != '\t') || c == 0x7f {
			b = fmt.Appendf(b, `\x%02x`, c)
		} else {
			b = append(b, c)
		}
	}
	return append(b, '\n')
}

func (l *Logger) appendJSON(b []byte, now time.Time, slot int, line *logevent.Line) []byte {
	record := slog.NewRecord(now, levelOf(line.Level), line.Text, 0)
	if line.Event != "" {
		record.AddAttrs(slog.String("event", line.Event))
	}
	if slot == fromMaster {
		record.AddAttrs(slog.String("from", "master"))
	} else {
		record.AddAttrs(slog.String("from", "worker"), slog.Int("worker", slot))
	}
	record.AddAttrs(line.Attrs...)
	l.buffer.Reset()
	if err := l.json.Handle(context.Background(), record); err != nil { // the buffer takes everything
		return appendText(b, now, slot, line.Text)
	}
	return append(b, l.buffer.Bytes()...)
}

// levelOf returns a level of package slog, in which more important ones are higher.
func levelOf(level logevent.Level) slog.Level { return slog.Level(-level) }

// nameLevel has the level be told by its name.
func nameLevel(groups []string, a slog.Attr) slog.Attr {
	if level, isLevel := a.Value.Any().(slog.Level); isLevel && len(groups) == 0 && a.Key == slog.LevelKey {
		return slog.String(slog.LevelKey, logevent.Level(-level).String())
	}
	return a
}

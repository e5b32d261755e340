// Lines: in nutcracker's shape and levels (src/nc_log.c).

package logfile

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// Level is how important a line is; it is written if it is not above the verbosity.
type Level int

const (
	Emergency Level = 0 // also what the operator has just asked for
	Error     Level = 3
	Warn      Level = 4
	Notice    Level = 5 // the default verbosity
	Info      Level = 6
	Debug     Level = 7
	maxLevel  Level = 11
)

// ClampVerbosity returns the verbosity that v stands for: 0 to 11, as nutcracker has them.
func ClampVerbosity(v int) int { return min(max(v, 0), int(maxLevel)) }

// Output is where lines go. Neither method waits: a log on a full disk, or on a terminal that was stopped, must not
// keep a worker from being replaced.
type Output interface {
	Offer(line []byte) bool  // false: there is no room now, the line is lost
	Reopen(tell func(error)) // tell is called when it has been tried, from any goroutine
}

// Logger makes lines. It has one caller at a time.
type Logger struct {
	Verbosity  int  // 0 to 11, see ClampVerbosity
	Priorities bool // lines begin with them, for the journal

	now  func() time.Time
	out  Output
	lost int // lines since the last one that out took
	last tail
}

// NewLogger returns one whose lines have the time of now.
func NewLogger(out Output, now func() time.Time, verbosity int) *Logger {
	return &Logger{Verbosity: ClampVerbosity(verbosity), now: now, out: out}
}

// Reopen has the output go on in the file that is at its path now, see Output.
func (l *Logger) Reopen(tell func(error)) { l.out.Reopen(tell) }

// Printf logs a line of the master itself.
func (l *Logger) Printf(lv Level, format string, args ...any) {
	if int(lv) <= l.Verbosity {
		l.line(lv, "master", fmt.Sprintf(format, args...))
	}
}

// Forward logs a line of a worker.
func (l *Logger) Forward(lv Level, slot int, text string) {
	if int(lv) <= l.Verbosity {
		l.line(lv, "worker/"+strconv.Itoa(slot), text)
	}
}

func (l *Logger) line(lv Level, component, text string) {
	line := l.format(lv, component, text)
	l.last.add(line[bytes.IndexByte(line, '['):]) // without a priority
	if l.lost > 0 {
		if !l.out.Offer(l.format(Error, "master", fmt.Sprintf("%d log lines lost: the log took no more", l.lost))) {
			l.lost++
			return
		}
		l.lost = 0
	}
	if !l.out.Offer(line) {
		l.lost++
	}
}

// format makes exactly one line of any text: a client must not be able to forge log lines by its keys.
func (l *Logger) format(lv Level, component, text string) (b []byte) {
	if l.Priorities {
		b = appendPriority(b, lv)
	}
	b = l.now().AppendFormat(b, "[2006-01-02 15:04:05.000] ")
	b = append(b, component...)
	b = append(b, ' ')
	for i := range len(text) {
		if c := text[i]; (c < ' ' && c != '\t') || c == 0x7f {
			b = fmt.Appendf(b, `\x%02x`, c)
		} else {
			b = append(b, c)
		}
	}
	return append(b, '\n')
}

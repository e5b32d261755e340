// Lines that have no event of their own.

package logfile

import (
	"fmt"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

// Level is how important a line is.
type Level = logevent.Level

// Levels of lines.
const (
	Error  = logevent.Error
	Warn   = logevent.Warn
	Notice = logevent.Notice
	Info   = logevent.Info
	Debug  = logevent.Debug
)

// Other is what machines can only show.
var Other = master.Add(Notice, "other", "%s", "cause")

// Printf logs a line that has no event of its own.
func (l *Logger) Printf(level Level, format string, args ...any) {
	if int(level) <= l.Verbosity {
		l.EventAt(level, Other, fmt.Sprintf(format, args...))
	}
}

// Lines in the log, which the master writes.

package core

import (
	"fmt"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Levels of log lines, as twemproxy numbers them (nc_log.h).
const (
	levelError  = 3
	levelWarn   = 4
	levelNotice = 5
	levelInfo   = 6
	levelDebug  = 7
)

// logf makes the master log a line, if the verbosity allows.
func (l *loop) logf(level int, format string, args ...any) {
	c := l.master
	if c == nil || level > l.spec.Verbosity {
		return
	}
	if c.lost > 0 && c.trySend(link.Log, fmt.Appendf([]byte{levelWarn}, "%d log lines were lost: the master was busy", c.lost)) {
		c.lost = 0
	}
	if !c.trySend(link.Log, fmt.Appendf([]byte{byte(level)}, format, args...)) {
		c.lost++
	}
}

// What is logged of a server. What it does wrong it may do with every request, so there are so many lines in a time,
// whatever they say, and the number of those left out.

package core

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/timer"
)

// maxServerLines is how many lines a server gets in each logPause.
const maxServerLines = 4

// serverLog is what was logged of a server in this period, and what was not. Loop only.
type serverLog struct {
	since   int64       // when the period began
	lines   int         // logged in it
	leftOut int         // since the last line
	level   int         // of pending
	pending string      // the last line that there was no room for: as the server stands now
	timer   timer.Timer // writes it at the end of the period
}

// complain logs what is wrong with the server: once per kind of trouble, and again when it lasts.
func (e *endpoint) complain(err error) {
	text := cause(err)
	if text == e.trouble && e.pool.l.now-e.server.logState.since < int64(logPause) {
		e.server.logState.leftOut++
		return
	}
	e.trouble = text
	e.server.logLimited(levelWarn, fmt.Sprintf("pool %q: server %q at %s: %s", e.pool.name, e.server.spec.Name, e.address, text))
}

// complainOf logs what the server cannot help.
func (e *endpoint) complainOf(reason error) {
	e.server.logLimited(levelWarn, fmt.Sprintf("pool %q: giving up a reply of server %q at %s: %v", e.pool.name, e.server.spec.Name, e.address, reason))
}

// logLimited logs a line about the server: now, or if there were enough of them at the end of the period, unless another one
// comes after it.
func (s *server) logLimited(level int, line string) {
	n, l := &s.logState, s.pool.l
	if l.now-n.since >= int64(logPause) {
		n.since, n.lines = l.now, 0
	}
	if n.lines == maxServerLines {
		if n.pending != "" {
			n.leftOut++
		}
		n.level, n.pending = level, line
		l.timers.Set(&n.timer, n.since+int64(logPause))
		return
	}
	n.lines++
	n.pending = ""
	l.timers.Stop(&n.timer)
	if n.leftOut > 0 {
		line = fmt.Sprintf("%s (%d more left out)", line, n.leftOut)
		n.leftOut = 0
	}
	l.logf(level, "%s", line)
}

// logPending logs what there was no room for.
func (s *server) logPending() { s.logLimited(s.logState.level, s.logState.pending) }

// cause words an error of a server connection for the log.
func cause(err error) string {
	switch err {
	case io.EOF:
		return "connection closed by server"
	case unix.ETIMEDOUT:
		return "no answer within the timeout"
	}
	return err.Error()
}

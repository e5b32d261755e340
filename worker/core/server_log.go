// Log lines about a server. It may fail with every request, so the lines per period are limited, and those left out are
// counted.

package core

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// logPause bounds how often the same trouble is logged.
const logPause = 10 * time.Second

// maxServerLines is how many lines a server gets in each logPause.
const maxServerLines = 4

// serverLog is which lines were logged of a server in this period. Loop only.
type serverLog struct {
	since   int64       // when the period began
	lines   int         // logged in it
	leftOut int         // since the last line
	level   int         // of pending
	pending string      // the last line that there was no room for: the server's present state
	timer   timer.Timer // writes it at the end of the period

	full     repeatedLine // that dedicated_connections is reached
	password repeatedLine // that it wants a password
}

// repeatedLine is what is logged once in each logPause. Loop only.
type repeatedLine struct {
	at     int64 // when it was last logged; 0: never
	unsaid int   // how often it was not, since
}

// due tells whether it is to be logged now, and counts it if not.
func (r *repeatedLine) due(now int64) bool {
	if r.at == 0 || now-r.at >= int64(logPause) {
		return true
	}
	r.unsaid++
	return false
}

// complain logs a failure of the server: once per kind, and again if it lasts.
func (e *endpoint) complain(err error) {
	text := cause(err)
	if text == e.trouble && e.pool.l.now-e.server.logState.since < int64(logPause) {
		e.server.logState.leftOut++
		return
	}
	e.trouble = text
	e.server.logLimited(levelWarn, fmt.Sprintf("pool %q: server %q at %s: %s", e.pool.name, e.server.spec.Name, e.address, text))
}

// complainOfSession logs that the server does not do what only some sessions ask for.
func (e *endpoint) complainOfSession(err error) {
	e.server.logLimited(levelWarn, fmt.Sprintf("pool %q: server %q at %s: %v", e.pool.name, e.server.spec.Name, e.address, err))
}

// complainOfDedicated logs that dedicated_connections is reached: once in each logPause, as clients may try again at once.
func (e *endpoint) complainOfDedicated() {
	if r := &e.server.logState.full; r.due(e.pool.l.now) {
		e.server.logRepeated(r, fmt.Sprintf("pool %q: server %q has %s: dedicated_connections is reached", e.pool.name, e.server.spec.Name,
			count(e.pool.spec.Dedicated, "dedicated connection")))
	}
}

// complainOfPassword logs that the server wants a password, which it tells every client with every request.
func (e *endpoint) complainOfPassword() {
	if r := &e.server.logState.password; r.due(e.pool.l.now) {
		e.server.logRepeated(r, fmt.Sprintf("pool %q: server %q at %s wants a password; set %s", e.pool.name, e.server.spec.Name, e.address,
			passwordKey(e.pool.spec.Protocol)))
	}
}

// passwordKey returns the key of the configuration that gives servers their password.
func passwordKey(protocol link.Protocol) string {
	if protocol == link.Memcache {
		return "memcached_auth"
	}
	return "redis_auth"
}

func (s *server) logRepeated(r *repeatedLine, line string) {
	if r.unsaid > 0 {
		line += suppressed(r.unsaid)
	}
	*r = repeatedLine{at: s.pool.l.now}
	s.logLimited(levelWarn, line)
}

// complainOf logs a failure that is not the server's fault.
func (e *endpoint) complainOf(reason error) {
	e.server.logLimited(levelWarn, fmt.Sprintf("pool %q: giving up a reply of server %q at %s: %v", e.pool.name, e.server.spec.Name, e.address, reason))
}

// complainOfQueued logs that the server refuses a request of a transaction, of which the client is told only that.
func (e *endpoint) complainOfQueued(reply []byte) {
	e.server.logLimited(levelWarn, fmt.Sprintf("pool %q: server %q at %s refuses a request of a transaction: %.200s", e.pool.name,
		e.server.spec.Name, e.address, bytes.TrimRight(reply, "\r\n")))
}

// logLimited logs a line about the server: now, or if the period has enough lines at its end, unless a newer line replaces
// it.
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
		line += suppressed(n.leftOut)
		n.leftOut = 0
	}
	l.logf(level, "%s", line)
}

// consequence says what becomes of the keys of an ejected server, unless others have them.
func (p *pool) consequence() string {
	if p.placement.keepers != nil {
		return ", its requests fail at once"
	}
	return ""
}

// count writes "1 client", "2 clients".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// suppressed says that so many more lines of the kind were not logged.
func suppressed(lines int) string {
	if lines == 1 {
		return " (1 more such line suppressed)"
	}
	return fmt.Sprintf(" (%d more such lines suppressed)", lines)
}

// logPending logs the line that there was no room for.
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

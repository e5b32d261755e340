// Log lines about a server. It may fail with every request, so the lines per period are limited, and those left out are
// counted.

package core

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// logPause bounds how often the same trouble is logged.
const logPause = logevent.Pause

// maxServerLines is how many lines a server gets in each logPause.
const maxServerLines = 4

// serverLog is which lines were logged of a server in this period. Loop only.
type serverLog struct {
	since   int64          // when the period began
	lines   int            // logged in it
	leftOut int            // since the last line
	pending *logevent.Line // the last line that there was no room for: the server's present state; nil: none
	timer   timer.Timer    // writes it at the end of the period

	full     repeatedLine // that dedicated_connections is reached
	password repeatedLine // that it wants a password
	memory   repeatedLine // that it has no memory left
	protest  repeatedLine // that it cannot do its work for another reason
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
	e.noteTrouble(err)
	text := cause(err)
	if text == e.trouble && e.pool.l.now-e.server.logState.since < int64(logPause) {
		e.server.logState.leftOut++
		return
	}
	e.trouble = text
	e.server.logLimited(logevent.ServerFailed, e.pool.name, e.server.spec.Name, e.address, text)
}

// complainOfSession logs that the server does not do what only some sessions ask for.
func (e *endpoint) complainOfSession(err error) {
	e.server.logLimited(logevent.ServerFailed, e.pool.name, e.server.spec.Name, e.address, err)
}

// complainOfDedicated logs that dedicated_connections is reached: once in each logPause, as clients may try again at once.
func (e *endpoint) complainOfDedicated() {
	if r := &e.server.logState.full; r.due(e.pool.l.now) {
		e.server.logRepeated(r, logevent.DedicatedTaken, e.pool.name, e.server.spec.Name,
			count(e.pool.spec.Dedicated, "dedicated connection"), e.pool.spec.Dedicated)
	}
}

// complainOfPassword logs that the server wants a password, which it tells every client with every request.
func (e *endpoint) complainOfPassword() {
	if r := &e.server.logState.password; r.due(e.pool.l.now) {
		e.server.logRepeated(r, logevent.ServerWantsPassword, e.pool.name, e.server.spec.Name, e.address,
			passwordKey(e.pool.spec))
	}
}

// complainOfFull logs that the server takes no more, which it tells every client that writes.
func (e *endpoint) complainOfFull(reply []byte) {
	if r := &e.server.logState.memory; r.due(e.pool.l.now) {
		e.server.logRepeated(r, logevent.ServerFull, e.pool.name, e.server.spec.Name, e.address, strings.TrimSuffix(trimmed(reply), "."))
	}
}

// complainOfProtest logs that the server refuses requests for what is wrong with it.
func (e *endpoint) complainOfProtest(reply []byte) {
	if r := &e.server.logState.protest; r.due(e.pool.l.now) {
		e.server.logRepeated(r, logevent.ServerProtests, e.pool.name, e.server.spec.Name, e.address, strings.TrimSuffix(trimmed(reply), "."))
	}
}

// passwordKey returns the key of the configuration that gives servers their password.
func passwordKey(spec *link.Pool) string {
	switch {
	case spec.ServerPassword != "":
		return "server_password"
	case spec.Protocol == link.Memcache:
		return "memcached_auth"
	}
	return "redis_auth"
}

func (s *server) logRepeated(r *repeatedLine, e *logevent.Event, values ...any) {
	line := e.Line(values...)
	line.Suppress(r.unsaid)
	*r = repeatedLine{at: s.pool.l.now}
	s.logLine(&line)
}

// complainOf logs a failure that is not the server's fault.
func (e *endpoint) complainOf(reason error) {
	e.server.logLimited(logevent.ReplyGivenUp, e.pool.name, e.server.spec.Name, e.address, reason)
}

// complainOfQueued logs that the server refuses a request of a transaction, of which the client is told only that.
func (e *endpoint) complainOfQueued(reply []byte) {
	e.server.logLimited(logevent.QueuedRefused, e.pool.name, e.server.spec.Name, e.address, string(bytes.TrimRight(reply, "\r\n")))
}

// logLimited logs an event of the server: now, or if the period has enough lines at its end, unless a newer line replaces
// it.
func (s *server) logLimited(e *logevent.Event, values ...any) {
	line := e.Line(values...)
	s.logLine(&line)
}

// logLine is logLimited for a line that is made already.
func (s *server) logLine(line *logevent.Line) {
	n, l := &s.logState, s.pool.l
	if l.now-n.since >= int64(logPause) {
		n.since, n.lines = l.now, 0
	}
	if n.lines == maxServerLines {
		if n.pending != nil {
			n.leftOut++
		}
		n.pending = line
		l.timers.Set(&n.timer, n.since+int64(logPause))
		return
	}
	n.lines++
	n.pending = nil
	l.timers.Stop(&n.timer)
	line.Suppress(n.leftOut)
	n.leftOut = 0
	l.write(line)
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

// logPending logs the line that there was no room for.
func (s *server) logPending() { s.logLine(s.logState.pending) }

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

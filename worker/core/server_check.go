// The server check: before a generation takes over, each of its workers connects to every server and reports those that it
// cannot reach. That proves more about a configuration than reading it does.

package core

import (
	"errors"
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// serverCheckTime is how long servers have to answer. The kernel repeats a SYN after a second where a queue was full.
const serverCheckTime = 1500 * time.Millisecond

// serverCheck is the state of the check. Loop only.
type serverCheck struct {
	l     *loop
	left  int // servers that have not answered
	timer timer.Timer
	body  link.ReadyBody
	bytes int // of body, about
}

// checkServers opens a connection to every server, which must not ask for a password that the pool does not have, and tells the master when each has succeeded or failed.
func (l *loop) checkServers() {
	fault.At("nw.servers")
	rc := &l.succession.serverCheck
	rc.timer.Fire = rc.timeout
	l.timers.Set(&rc.timer, l.now+int64(serverCheckTime))
	for e := range l.endpoints {
		if e.isWanted() {
			e.checked = true
			rc.left++
		}
	}
	for e := range l.endpoints {
		if e.isWanted() {
			e.openForCheck()
		}
	}
	rc.endIfDone()
}

// openForCheck opens the connection that the check waits for. With preconnect the others follow, also while clients are
// served.
func (e *endpoint) openForCheck() {
	e.conns[0].tentative = true
	e.preconnect()
}

// noteAttempt is called when an attempt to connect has ended. The check waits for the first one of each server, and so does an
// inquiry that has opened it.
func (e *endpoint) noteAttempt(c *conn, err error) {
	if c.greeting.version == resp.RESP3 {
		e.noteRESP3(err)
	}
	if c != e.conns[0] {
		return
	}
	if e.inquired {
		e.inquired = false
		if err == nil {
			c.ping()
		}
	}
	if !e.checked {
		return
	}
	e.checked = false
	rc := &e.pool.l.succession.serverCheck
	if err != nil {
		rc.addUnreachable(e, err)
	}
	rc.left--
	rc.endIfDone()
}

// isChecked tells whether the check waits for this connection.
func (c *conn) isChecked() bool { return c.endpoint.checked && c == c.endpoint.conns[0] }

// passOver has the check not wait for an endpoint that is left: who says so knows that another one is served.
func (e *endpoint) passOver() {
	if !e.checked {
		return
	}
	e.checked = false
	rc := &e.pool.l.succession.serverCheck
	rc.left--
	rc.endIfDone()
}

// addUnreachable adds a server that could not be reached, if the message has room for it.
func (rc *serverCheck) addUnreachable(e *endpoint, err error) {
	s := e.server
	u := link.Unreachable{Pool: s.pool.name, Server: s.spec.Name, Error: cause(err)}
	if s.discovers() {
		u.Address = e.address
	}
	if errors.Is(err, errPassword) {
		u.PasswordAt = s.spec.Address
	}
	const reserve = 64 // for the message and what holds the list together
	size := len(link.Body(u)) + 1
	if rc.bytes+size+reserve > link.MaxMessageBytes {
		return
	}
	rc.bytes += size
	rc.body.Unreachable = append(rc.body.Unreachable, u)
}

// errSilent is why a server counts as unreachable that has not answered in time.
var errSilent = errors.New("no answer within " + serverCheckTime.String())

// errNoHandshake is the same of one that has taken the connection, and waits: many that do not speak TLS do.
var errNoHandshake = fmt.Errorf("%w to the TLS handshake; does it speak TLS at this port?", errSilent)

// timeout gives up on servers that have not answered. Their connections may still succeed.
func (rc *serverCheck) timeout() {
	for e := range rc.l.endpoints {
		if !e.checked {
			continue
		}
		e.checked = false
		rc.left--
		c, err := e.conns[0], errSilent
		switch {
		case c.onlyLacksReply():
			c.tentative = false
			c.retire()
			continue
		case c.state == connHandshaking:
			err = errNoHandshake
		}
		rc.addUnreachable(e, err)
	}
	rc.endIfDone()
}

// onlyLacksReply tells whether the server has taken the connection and not said yet whether it wants a password. It may be busy, and
// is reached; but requests must not wait for that reply, so they get another connection.
func (c *conn) onlyLacksReply() bool {
	return c.state == connGreeting && len(c.steps) > 0 && c.steps[0] == greetOpen
}

func (rc *serverCheck) endIfDone() {
	if rc.left > 0 || rc.timer.Fire == nil {
		return
	}
	rc.l.timers.Stop(&rc.timer)
	rc.timer.Fire = nil
	fault.At("nw.ready")
	rc.l.master.send(link.Ready, link.Body(rc.body))
	rc.body = link.ReadyBody{}
}

// Connections that are opened before a request needs them: for the server check, and with preconnect.

package core

import "github.com/pinion-proxy/pinion/worker/link"

// preconnectsAtOnce is how many connections to one server all workers together open ahead at a time, beyond one each: the
// server's accept queue must never be full, since a connection that finds it full waits for a second.
const preconnectsAtOnce = 4

// preconnectState is how many of a server's connections were opened ahead. Loop only.
type preconnectState struct {
	next   int // index of the next one to open; 0: none has been opened ahead
	flying int // being opened, beyond the first
	most   int // of flying
}

// preconnect opens every connection to every server, where the pool wants that. Failures show when a request needs them.
func (l *loop) preconnect() {
	for e := range l.everyEndpoint {
		if e.pool.spec.Preconnect && e.isWanted() {
			e.preconnect()
		}
	}
}

// preconnect opens the first connection. The others follow when that succeeds, if the pool has preconnect.
func (e *endpoint) preconnect() {
	e.preconnects = preconnectState{next: 1, most: max(1, preconnectsAtOnce/e.pool.l.spec.Slots)}
	e.conns[0].preconnecting = true
	e.conns[0].open()
}

// notePreconnect is called when a connection that was opened ahead has succeeded or failed. Each success is followed by more.
// After a failure the others open when a request needs them.
func (e *endpoint) notePreconnect(c *conn, good bool) {
	c.preconnecting = false
	if c != e.conns[0] {
		e.preconnects.flying--
	}
	if !good || !e.pool.spec.Preconnect {
		e.preconnects.next = len(e.conns)
		return
	}
	for e.preconnects.flying < e.preconnects.most && e.preconnects.next < len(e.conns) {
		next := e.conns[e.preconnects.next]
		e.preconnects.next++
		if next.state == connClosed {
			e.preconnects.flying++
			next.preconnecting, next.tentative = true, true
			next.open()
		}
	}
}

// mustAnswerFirst tells whether the server must answer a ping before the connection counts as open. Without a greeting the
// kernel alone completes connections that the server has not accepted.
func (c *conn) mustAnswerFirst() bool { return c.preconnecting && c != c.endpoint.conns[0] }

// inquire pings servers, so that the master sees which of them can be reached: those it names, to which a connection is opened
// if there is none, or, for a master of an older build, which names none, each that has an idle connection.
func (l *loop) inquire(named []link.ServerIndex) {
	if len(named) == 0 {
		for e := range l.endpoints {
			e.inquire()
		}
	}
	for _, i := range named {
		if i.Pool < 0 || i.Pool >= len(l.pools) || i.Server < 0 || i.Server >= len(l.pools[i.Pool].servers) {
			continue // the master has another specification in mind
		}
		e := l.pools[i.Pool].servers[i.Server].primary
		e.inquire()
		e.connectToInquire()
	}
}

func (e *endpoint) inquire() {
	for _, c := range e.conns {
		if c.state == connReady && c.head == nil {
			c.ping()
			return
		}
	}
}

// connectToInquire opens the first connection, to ping the server over it. A failure does not count against the server: no
// request waits.
func (e *endpoint) connectToInquire() {
	if c := e.conns[0]; c.state == connClosed {
		e.inquired, c.tentative = true, true
		c.open()
	}
}

// ping sends a ping whose reply nobody waits for.
func (c *conn) ping() { c.send(c.endpoint.pool.l.requests.get(), c.endpoint.pool.ping, nil) }

// Connections that are opened before a request needs them: for the roll call, and with preconnect.

package core

// preconnectsAtOnce is how many connections to one server all workers together open ahead at a time, beyond one each: a server's
// queue of connections that it has not accepted yet must never be full, since whoever finds it so waits for a second.
const preconnectsAtOnce = 4

// preconnectState is how far a server's connections are opened ahead. Loop only.
type preconnectState struct {
	next   int // of the server's connections; 0: none of them has been opened ahead
	flying int // opened ahead and not good yet, beyond the first
	most   int // of flying
}

// preconnect opens every connection to every server, where the pool wants that. Failures show when a request needs them.
func (l *loop) preconnect() {
	for e := range l.endpoints {
		if e.pool.spec.Preconnect {
			e.preconnect()
		}
	}
}

// preconnect opens the first connection. The others follow where the pool wants them and that one is good.
func (e *endpoint) preconnect() {
	e.preconnects = preconnectState{next: 1, most: max(1, preconnectsAtOnce/e.pool.l.spec.Slots)}
	e.conns[0].preconnecting = true
	e.conns[0].open()
}

// notePreconnect is told how a connection that was opened ahead has fared. As many as are good are followed by others. A server
// that does not take one is not asked for more: they open when a request needs them.
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

// mustAnswerFirst tells whether the server must say something before the connection counts as good. Where no greeting brings that
// about, the kernel alone would let connections stand that the server has not accepted.
func (c *conn) mustAnswerFirst() bool { return c.preconnecting && c != c.endpoint.conns[0] }

// inquire has each server say something that a connection stands to and that owes nothing: then the master sees which
// servers are reached.
func (l *loop) inquire() {
	for e := range l.endpoints {
		e.inquire()
	}
}

func (e *endpoint) inquire() {
	for _, c := range e.conns {
		if c.state == connReady && c.head == nil {
			c.send(e.pool.l.requests.get(), e.pool.ping, nil)
			return
		}
	}
}

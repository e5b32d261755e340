// Connections that are opened before a request needs them: for the roll call, and with preconnect.

package core

// aheadAtOnce is how many connections to one server all workers together open ahead at a time, beyond one each: a server's
// queue of connections that it has not accepted yet must never be full, since whoever finds it so waits for a second.
const aheadAtOnce = 4

// ahead is how far a server's connections are opened ahead. Loop only.
type ahead struct {
	next   int // of the server's connections; 0: none of them has been opened ahead
	flying int // opened ahead and not good yet, beyond the first
	most   int // of flying
}

// preconnect opens every connection to every server, where the pool wants that. Failures show when a request needs them.
func (l *loop) preconnect() {
	for e := range l.endpoints {
		if e.pool.spec.Preconnect {
			e.openAhead()
		}
	}
}

// openAhead opens the first connection. The others follow where the pool wants them and that one is good.
func (e *endpoint) openAhead() {
	e.ahead = ahead{next: 1, most: max(1, aheadAtOnce/e.pool.l.spec.Slots)}
	e.conns[0].ahead = true
	e.conns[0].open()
}

// wentAhead is told how a connection that was opened ahead has fared. As many as are good are followed by others. A server
// that does not take one is not asked for more: they open when a request needs them.
func (e *endpoint) wentAhead(c *conn, good bool) {
	c.ahead = false
	if c != e.conns[0] {
		e.ahead.flying--
	}
	if !good || !e.pool.spec.Preconnect {
		e.ahead.next = len(e.conns)
		return
	}
	for e.ahead.flying < e.ahead.most && e.ahead.next < len(e.conns) {
		next := e.conns[e.ahead.next]
		e.ahead.next++
		if next.state == connClosed {
			e.ahead.flying++
			next.ahead, next.tentative = true, true
			next.open()
		}
	}
}

// sounds tells whether the server must say something before the connection counts as good. Where no greeting brings that
// about, the kernel alone would let connections stand that the server has not accepted.
func (c *conn) sounds() bool { return c.ahead && c != c.endpoint.conns[0] }

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

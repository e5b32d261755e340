// Requests that wait for a server go along when it is somewhere else from now on.

package core

// moveRequests closes the connections to a former endpoint of the server at once: what it may have executed has an unknown outcome,
// and reads and what it has not got go to the new one.
func (s *server) moveRequests(old *endpoint) {
	for i, c := range old.conns {
		c.moveRequests(s.primary.conns[i])
	}
	for _, conns := range old.others {
		for i, c := range conns {
			c.moveRequests(s.primary.connsWith(c.greeting)[i])
		}
	}
}

// moveRequests closes the connection and has to, which has no requests, serve those that may wait for it.
func (c *conn) moveRequests(to *conn) {
	if c.hold != nil {
		defer c.sendRefused(to)
	}
	if c.state == connClosed && c.head == nil {
		return
	}
	c.endpoint.noteAttempt(c, errMoved)
	x := c.takeRest()
	others := c.close()
	if c.hold != nil {
		others = to.requeue(others, &x)
		x.drop(c.endpoint.pool.l.memory)
	}
	if to.head != nil {
		to.hold.down, to.hold.cause = true, errMoved
		to.markDirty()
		to.open()
		if to.state != connReady {
			to.armHold()
		}
	}
	c.failRequests(others, errMoved)
}

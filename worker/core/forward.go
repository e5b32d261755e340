// The way of a request to a server: over which connection it goes.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// forward sends the request b to one server.
func (c *client) forward(cmd *resp.Command, b []byte, server int) {
	r := c.pool.l.requests.get()
	r.command = cmd
	r.bytes = int32(len(b))
	c.push(r)
	c.pool.forward(r, c, server, b, &c.stream)
}

// forward sends b, a request of c or a fragment of one, to a server of the pool and lets r wait for the reply. in is as
// for conn.send. server < 0: none is live.
func (p *pool) forward(r *request, c *client, server int, b []byte, in *stream.Stream) {
	p.note(r, b)
	if p.replicas != nil && p.replicas.forward(r, c, server, b, in) {
		return
	}
	if p.cluster != nil {
		p.cluster.forward(r, c, server, b, in)
		return
	}
	if s := p.connFor(r, c, server); s != nil {
		s.send(r, b, in)
	}
}

// connFor returns the connection over which r goes, a request of c or a fragment of one; nil: there is none, and r is answered.
func (p *pool) connFor(r *request, c *client, server int) *conn {
	err := p.errNoServer()
	if server >= 0 && !p.placement.isDown(server) {
		t := c.session.tracking
		if t == nil {
			return c.serverConn(server)
		}
		var own *conn
		if own, err = c.trackedConn(server); err == nil {
			t.tellCaching(own)
			return own
		}
	}
	*p.counters[link.ForwardError]++
	p.l.answer(r, p.failure(r, p.errorText(err), false), nil)
	return nil
}

// serverConn returns the connection over which the client's requests for a server go, so that they keep their order.
func (c *client) serverConn(server int) *conn {
	if cl := c.pool.cluster; cl != nil {
		server = cl.nodeOf(server)
	}
	if w := c.session.watch; w != nil && w.conn != nil && w.conn.endpoint.server.index == server {
		return w.conn
	}
	return c.pool.servers[server].primary.conn(c.session.greeting, c.lane)
}

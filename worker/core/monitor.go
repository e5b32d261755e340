// MONITOR, in a pool of one server: the client has a connection of its own, over which the server tells of all that it is asked, by
// whomever. Its lines go to the client as they come, between the replies to what it asks meanwhile. It may ask what Redis lets such a
// client ask, and is bounded as subscribers are. When the connection ends, so does the client's: it would miss lines.

package core

import (
	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// startMonitoring sends MONITOR, once everything before it is answered. A client that monitors already gets no answer, as from Redis.
func (c *client) startMonitoring(cmd *resp.Command, b []byte, _ []resp.Span, _ int) {
	p, l := c.pool, c.pool.l
	if c.session.monitor != nil || !c.caughtUp() {
		return
	}
	own, err := (*conn)(nil), error(unix.ECONNREFUSED)
	if server := p.placement.fixed(); server >= 0 {
		own, err = c.dedicate(server, forMonitoring)
	}
	if err != nil {
		*p.counters[link.ForwardError]++
		c.respond(p.errorText(err))
		return
	}
	c.ownSession().monitor = own
	r := l.requests.get()
	r.command, r.bytes = cmd, int32(len(b))
	c.push(r)
	c.waitBehind()
	own.send(r, b, nil)
}

// mayMonitor tells whether clients of the pool may monitor.
func (p *pool) mayMonitor() bool { return p.mayUse(monitorCommand) }

var monitorCommand = resp.Lookup([]byte("monitor"))

// monitored handles what a server has sent on a connection that monitors, and tells whether it is a line about a request. The first
// thing that it sends is its answer to MONITOR.
func (c *conn) monitored(b []byte) bool {
	client := c.own.client
	if c.state != connReady {
		return false
	}
	if c.head == nil && !resp.IsError(b) { // that would be the server's end
		if client.session.reply != replyNone {
			client.deliverPush(b, c)
		}
		return true
	}
	if resp.IsError(b) && c.head != nil {
		c.own.purposes &^= forMonitoring // it goes back when this is answered
		client.session.monitor = nil
	}
	return false
}

// lostMonitor is called when the connection over which the client monitored has ended.
func (c *client) lostMonitor() {
	if c.life == clientOpen {
		c.leave(link.ServerLost)
	}
}

// checkMonitor ends a client that monitors, and whose connection has not come along.
func (g *preparedClient) checkMonitor() {
	if g.monitors && g.c.session.monitor == nil {
		g.c.lostMonitor()
	}
}

// listens tells whether more comes to the client whether it asks or not.
func (c *client) listens() bool { return c.isSubscriber() || c.session.monitor != nil }

// A client as CLIENT LIST and CLIENT INFO describe it.

package core

import (
	"fmt"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// appendDescription appends a line with the fields of Redis, in its order. What a client of the proxy has none of is what Redis says
// of a client that has none.
func (c *client) appendDescription(out []byte) []byte {
	const none = 0
	s, fd := c.session, c.stream.FD()
	return fmt.Appendf(out, "id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=%d sub=%d psub=%d ssub=%d multi=%d watch=%d "+
		"qbuf=%d qbuf-free=%d argv-mem=%d multi-mem=%d rbs=%d rbp=%d obl=%d oll=%d omem=%d tot-mem=%d events=%s cmd=%s user=%s "+
		"redir=%d resp=%d lib-name=%s lib-ver=%s\n",
		c.id, c.peer(), sock.LocalAddress(fd), fd, s.name, c.age(), c.idleSeconds(), c.flags(), s.greeting.db,
		s.subscriptions.number(kindChannel), s.subscriptions.number(kindPattern), s.subscriptions.number(kindShardChannel), s.tx.number(), s.watch.number(),
		len(c.stream.Kept()), none, none, none, none, none, none, c.owed, c.stream.Unwritten()+c.held, clientBytes+c.holds(), c.events(),
		c.lastCommand(), c.userName(), c.redirect(), c.version(), s.libName, s.libVersion)
}

const second = int64(1e9)

// age returns for how many seconds the client has been connected.
func (c *client) age() int64 { return int64(c.pool.l.ticks()-c.born) * tickNanos / second }

// flags returns the letters by which CLIENT LIST of Redis tells what a client is; N: nothing special.
func (c *client) flags() (flags string) {
	if c.kind() == "pubsub" {
		flags += "P"
	}
	if c.session.tx != nil {
		flags += "x"
	}
	if c.session.monitor != nil {
		flags += "O"
	}
	if c.session.waitsOn != nil {
		flags += "b"
	}
	if t := c.session.tracking; t != nil {
		flags += "t"
		if t.asked.Broadcast {
			flags += "B"
		}
	}
	if c.from.spec.Network == "unix" {
		flags += "U"
	}
	if flags == "" {
		return "N"
	}
	return flags
}

// kind is which of the kinds of clients it is that CLIENT LIST and CLIENT KILL tell apart.
func (c *client) kind() string {
	if c.session.subscriptions != nil && !c.session.subscriptions.none() {
		return "pubsub"
	}
	return "normal"
}

// events are those that the client is waited for: r, w or both.
func (c *client) events() string {
	events := ""
	if !c.muted() {
		events = "r"
	}
	if c.stream.Unwritten() > 0 {
		events += "w"
	}
	return events
}

// lastCommand is the name of the last command that the client has sent to this worker; NULL: none.
func (c *client) lastCommand() string {
	if c.last == 0 {
		return "NULL"
	}
	return resp.ByID(c.last - 1).Name
}

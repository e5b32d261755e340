// What ends a session, or a connection: RESET, QUIT, and what looks like HTTP.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// reset appends the reply to RESET: the client is as it was when it connected. It waits where its requests have gone over other server
// connections than they will. What CLIENT REPLY SKIP has said of the reply to this request stays, and that it has written.
func (c *client) reset(out []byte) []byte {
	if (c.session.greeting.index > 0 || len(c.session.dedicated) > 0) && !c.caughtUp() {
		return out
	}
	skipping := c.session.reply == replySkipping
	wrote, writeOwed := c.session.wrote, c.session.writeOwed
	certificate := c.session.certificate // it is the connection's
	c.resetSession()
	if certificate != nil {
		c.changeSession(func(s *session) { s.certificate = certificate })
	}
	if wrote > 0 || writeOwed > 0 {
		s := c.ownSession()
		s.wrote, s.writeOwed = wrote, writeOwed
	}
	if skipping {
		s := c.ownSession()
		s.reply, s.eachRequest = replySkipping, true
	}
	return resp.AppendSimple(out, "RESET")
}

func (c *client) quit(*resp.Command, []byte, []resp.Span, int) {
	c.respondScratch(resp.AppendSimple(c.pool.l.scratch[:0], "OK"))
	c.leave(link.HungUp)
}

// hangUp closes the connection of a client that speaks HTTP: a browser may have been tricked into sending a request here.
func (c *client) hangUp(cmd *resp.Command, _ []byte, _ []resp.Span, _ int) {
	c.noteRefusal(cmd.Name, speaksHTTP)
	c.leave(link.NoRequest)
}

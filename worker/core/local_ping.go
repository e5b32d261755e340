// PING and ECHO.

package core

import "github.com/pinion-proxy/pinion/codec/resp"

func (c *client) ping(cmd *resp.Command, b []byte, args []resp.Span, count int) {
	if len(b) >= longBytes && count == 2 && !c.pingsLikePushes() {
		c.echoLong(b, args)
		return
	}
	if count == 1 && c.pool.failsPings() {
		c.respond(errDrains)
		return
	}
	c.respondScratch(c.appendPong(c.pool.l.scratch[:0], cmd, b, args))
}

// appendPong appends the reply to PING: to a client that has subscribed in RESP2, one that looks like what is published.
func (c *client) appendPong(out []byte, cmd *resp.Command, b []byte, args []resp.Span) []byte {
	switch push := c.pingsLikePushes(); {
	case len(args) > 2:
		return resp.AppendWrongArity(out, cmd)
	case push:
		out = resp.AppendBulkString(resp.AppendArray(out, 2), "pong")
	case len(args) == 1:
		return resp.AppendSimple(out, "PONG")
	}
	if len(args) == 1 {
		return resp.AppendBulkString(out, "")
	}
	return resp.AppendBulk(out, args[1].Of(b))
}

func (c *client) echo(_ *resp.Command, b []byte, args []resp.Span, _ int) {
	if len(b) >= longBytes {
		c.echoLong(b, args)
		return
	}
	c.respondScratch(resp.AppendBulk(c.pool.l.scratch[:0], args[1].Of(b)))
}

// echoLong answers with an argument that is not copied.
func (c *client) echoLong(b []byte, args []resp.Span) {
	l := c.pool.l
	reply, err := c.stream.ClaimOrCopy(l.memory, b)
	if err != nil {
		c.respond(c.pool.errorText(errNoMemory))
		return
	}
	l.memory.Skip(reply, args[0].End())
	c.respondBuffer(reply)
}

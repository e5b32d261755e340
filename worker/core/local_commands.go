// What the proxy answers a Redis client itself.

package core

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// answerLocally answers a request of count arguments, the first of which are args, for which no server is needed.
func (c *client) answerLocally(cmd *resp.Command, b []byte, args []resp.Span, count int) {
	l := c.pool.l
	if len(b) >= longBytes && count == 2 && (cmd.Local == resp.LocalEcho || cmd.Local == resp.LocalPing && !c.pongs()) {
		c.echo(b, args)
		return
	}
	out := l.scratch[:0]
	switch cmd.Local {
	case resp.LocalPing:
		out = c.appendPong(out, cmd, b, args)
	case resp.LocalSubscribe, resp.LocalUnsubscribe:
		c.onSubscriptions(cmd, b, args, count)
		return
	case resp.LocalEcho:
		out = resp.AppendBulk(out, args[1].Of(b))
	case resp.LocalQuit:
		out = resp.AppendSimple(out, "OK")
		defer c.leave()
	case resp.LocalHangUp:
		c.noteRefusal(cmd.Name, speaksHTTP)
		c.leave()
		return
	case resp.LocalAuth:
		out = c.auth(out, b, args[1:])
	case resp.LocalHello:
		if len(args) < count || len(b) >= longBytes {
			out = resp.AppendError(out, resp.SyntaxError)
			break
		}
		out = c.hello(out, b, args[1:])
	case resp.LocalSelect:
		out = c.selectDB(out, args[1].Of(b))
	case resp.LocalReset:
		out = c.reset(out)
	case resp.LocalMulti:
		out = c.multi(out)
	case resp.LocalExec:
		c.exec(cmd)
		return
	case resp.LocalDiscard:
		out = c.discard(out)
	case resp.LocalWatch:
		c.watchKeys(cmd, b, args, count)
		return
	case resp.LocalUnwatch:
		out = c.unwatch(out)
	case resp.LocalMonitor:
		c.startMonitoring(cmd, b)
		return
	case resp.LocalInfo:
		c.info(cmd, b, args)
		return
	case resp.LocalCommand, resp.LocalCommandCount, resp.LocalCommandDocs, resp.LocalCommandInfo, resp.LocalCommandList:
		c.describeCommands(cmd, b, args)
		return
	case resp.LocalClientSetName:
		out = appendOutcome(out, c.setName(args[2].Of(b)))
	case resp.LocalClientGetName:
		out = c.appendName(out)
	case resp.LocalClientSetInfo:
		out = appendOutcome(out, c.setInfo(args[2].Of(b), args[3].Of(b)))
	case resp.LocalClientID:
		out = resp.AppendInt(out, int64(c.id))
	case resp.LocalClientInfo:
		out = c.version().AppendVerbatim(out, c.appendDescription(nil))
	case resp.LocalClientReply:
		out = c.setReplies(out, args[2].Of(b))
	case resp.LocalClientTracking:
		c.track(b, args, count)
		return
	case resp.LocalClientCaching:
		out = c.setCaching(out, args[2].Of(b))
	case resp.LocalClientTrackingInfo:
		out = c.appendTrackingInfo(out)
	case resp.LocalClientGetRedir:
		out = resp.AppendInt(out, c.redirect())
	case resp.LocalClientNoEvict, resp.LocalClientNoTouch:
		out = appendSwitch(out, args[2].Of(b))
	case resp.LocalClientList, resp.LocalClientKill, resp.LocalClientPause, resp.LocalClientUnpause, resp.LocalClientUnblock:
		c.askAllWorkers(cmd, b, args)
		return
	case resp.LocalRole:
		out = appendRole(out)
	}
	if c.waits >= waitsForReplies {
		return
	}
	c.respondScratch(out)
}

// echo answers ECHO and PING with a long argument, which is not copied.
func (c *client) echo(b []byte, args []resp.Span) {
	l := c.pool.l
	reply, err := c.stream.ClaimOrCopy(l.memory, b)
	if err != nil {
		c.respond(c.pool.errorText(errNoMemory))
		return
	}
	l.memory.Skip(reply, args[0].End())
	c.respondBuffer(reply)
}

// appendPong answers PING: where what is published looks like a reply, in that form.
func (c *client) appendPong(out []byte, cmd *resp.Command, b []byte, args []resp.Span) []byte {
	switch pongs := c.pongs(); {
	case len(args) > 2:
		return resp.AppendWrongArity(out, cmd)
	case pongs:
		out = resp.AppendBulkString(resp.AppendArray(out, 2), "pong")
	case len(args) == 1:
		return resp.AppendSimple(out, "PONG")
	}
	if len(args) == 1 {
		return resp.AppendBulkString(out, "")
	}
	return resp.AppendBulk(out, args[1].Of(b))
}

// appendOutcome appends +OK, or the error text where there is one.
func appendOutcome(out []byte, failure string) []byte {
	if failure != "" {
		return resp.AppendError(out, failure)
	}
	return resp.AppendSimple(out, "OK")
}

// auth answers AUTH with "password" or "user password". Like redis_auth of twemproxy, the pool has one password and no
// users. Without a password, the user default may give any, as with Redis.
func (c *client) auth(out, b []byte, args []resp.Span) []byte {
	if len(args) > 2 {
		return resp.AppendError(out, resp.SyntaxError)
	}
	if len(args) == 1 {
		if c.pool.spec.Password == "" {
			return resp.AppendError(out, resp.NoPassword)
		}
		if !c.login(defaultUser, args[0].Of(b)) {
			c.noteRefusal("auth", wrongPassword)
			return resp.AppendError(out, resp.InvalidPassword)
		}
	} else if !c.login(args[0].Of(b), args[1].Of(b)) {
		c.noteRefusal("auth", wrongPassword)
		return resp.AppendError(out, resp.WrongPass)
	}
	return resp.AppendSimple(out, "OK")
}

var defaultUser = []byte("default")

// login compares in a time that tells nothing about the password. A wrong one takes back an earlier right one, as with
// twemproxy.
func (c *client) login(user, password []byte) bool {
	if c.pool.spec.Password == "" {
		return bytes.Equal(user, defaultUser)
	}
	if len(password) > resp.StrangerBytes { // longer than any pool's
		c.authenticate(false)
		return false
	}
	given := sha256.Sum256(password) // of equal length whatever was given: lengths tell nothing either
	right := subtle.ConstantTimeCompare(given[:], c.pool.password[:]) == 1
	if !right || !bytes.Equal(user, defaultUser) {
		c.authenticate(false)
		return false
	}
	c.authenticate(true)
	return true
}

// reset answers RESET: the client is as it was when it connected. It waits where its requests have gone over other server
// connections than they will. Only what CLIENT REPLY SKIP has said of the reply to this request stays.
func (c *client) reset(out []byte) []byte {
	if (c.session.greeting.index > 0 || len(c.session.dedicated) > 0) && !c.settled() {
		return out
	}
	skipping := c.session.reply == replySkipping
	c.resetSession()
	if skipping {
		s := c.ownSession()
		s.reply, s.eachRequest = replySkipping, true
	}
	return resp.AppendSimple(out, "RESET")
}

// appendSwitch answers an option that is ON or OFF and changes nothing here.
func appendSwitch(out, word []byte) []byte {
	if bytes.EqualFold(word, []byte("ON")) || bytes.EqualFold(word, []byte("OFF")) {
		return resp.AppendSimple(out, "OK")
	}
	return resp.AppendError(out, resp.SyntaxError)
}

// appendRole answers ROLE: to its clients the pool is a master without replicas.
func appendRole(out []byte) []byte {
	out = resp.AppendBulkString(resp.AppendArray(out, 3), "master")
	out = resp.AppendInt(out, 0)
	return resp.AppendArray(out, 0)
}

func (c *client) appendName(out []byte) []byte {
	name := c.session.name
	if name == "" {
		return c.version().AppendNull(out)
	}
	return resp.AppendBulkString(out, name)
}

// peer returns the client's address, for messages.
func (c *client) peer() string { return sock.PeerAddress(c.stream.FD()) }

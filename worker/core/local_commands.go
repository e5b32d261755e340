// What the proxy answers a Redis client itself.

package core

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// answerLocally answers a request of count arguments, the first of which are args, for which no server is needed.
func (c *client) answerLocally(cmd *resp.Command, b []byte, args []resp.Span, count int) {
	l := c.pool.l
	if len(b) >= longBytes && count == 2 && (cmd.Local == resp.LocalEcho || cmd.Local == resp.LocalPing) {
		c.echo(b, args)
		return
	}
	out := l.scratch[:0]
	switch cmd.Local {
	case resp.LocalPing:
		out = appendPong(out, cmd, b, args)
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
		if len(args) < count {
			out = resp.AppendError(out, resp.SyntaxError)
			break
		}
		out = c.hello(out, b, args[1:])
	case resp.LocalSelect:
		out = c.selectDB(out, args[1].Of(b))
	case resp.LocalReset:
		out = c.reset(out)
	case resp.LocalInfo:
		out = resp.AppendBulk(out, l.info(c.pool))
	case resp.LocalClientSetName:
		out = appendOutcome(out, c.setName(args[2].Of(b)))
	case resp.LocalClientGetName:
		out = c.appendName(out)
	case resp.LocalClientSetInfo:
		out = appendOutcome(out, c.setInfo(args[2].Of(b), args[3].Of(b)))
	case resp.LocalClientID:
		out = resp.AppendInt(out, int64(c.id))
	case resp.LocalClientInfo:
		out = resp.AppendBulkString(out, c.describe())
	case resp.LocalClientNoEvict, resp.LocalClientNoTouch:
		out = appendSwitch(out, args[2].Of(b))
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

func appendPong(out []byte, cmd *resp.Command, b []byte, args []resp.Span) []byte {
	switch len(args) {
	case 1:
		return resp.AppendSimple(out, "PONG")
	case 2:
		return resp.AppendBulk(out, args[1].Of(b))
	}
	return resp.AppendWrongArity(out, cmd)
}

// appendOutcome appends +OK, or the error text where there is one.
func appendOutcome(out []byte, failure string) []byte {
	if failure != "" {
		return resp.AppendError(out, failure)
	}
	return resp.AppendSimple(out, "OK")
}

// auth answers AUTH with "password" or "user password". Like redis_auth of twemproxy, the pool has one password and no
// users.
func (c *client) auth(out, b []byte, args []resp.Span) []byte {
	if len(args) > 2 {
		return resp.AppendError(out, resp.SyntaxError)
	}
	if c.pool.spec.Password == "" {
		return resp.AppendError(out, resp.NoPassword)
	}
	if len(args) == 1 {
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

// hello answers HELLO [version [AUTH user password] [SETNAME name]].
func (c *client) hello(out, b []byte, args []resp.Span) []byte {
	if len(args) > 0 {
		version, ok := resp.ParseInt(args[0].Of(b))
		if !ok {
			return resp.AppendError(out, resp.BadProto)
		}
		if version != 2 {
			return resp.AppendError(out, resp.NoProto)
		}
		args = args[1:]
	}
	var name []byte
	for len(args) > 0 {
		switch option := args[0].Of(b); {
		case bytes.EqualFold(option, []byte("AUTH")) && len(args) >= 3:
			if c.pool.spec.Password == "" || !c.login(args[1].Of(b), args[2].Of(b)) {
				c.noteRefusal("hello", wrongPassword)
				return resp.AppendError(out, resp.WrongPass)
			}
			args = args[3:]
		case bytes.EqualFold(option, []byte("SETNAME")) && len(args) >= 2:
			name = args[1].Of(b)
			args = args[2:]
		default:
			return resp.AppendError(out, fmt.Sprintf("ERR Syntax error in HELLO option '%.128s'", option))
		}
	}
	if !c.session.authenticated {
		return resp.AppendError(out, resp.NoAuth)
	}
	if name != nil {
		if failure := c.setName(name); failure != "" {
			return resp.AppendError(out, failure)
		}
	}
	out = resp.AppendArray(out, 14)
	out = resp.AppendBulkString(out, "server")
	out = resp.AppendBulkString(out, "pinion")
	out = resp.AppendBulkString(out, "version")
	out = resp.AppendBulkString(out, c.pool.l.spec.Build)
	out = resp.AppendBulkString(out, "proto")
	out = resp.AppendInt(out, 2)
	out = resp.AppendBulkString(out, "id")
	out = resp.AppendInt(out, int64(c.id))
	out = resp.AppendBulkString(out, "mode")
	out = resp.AppendBulkString(out, "standalone")
	out = resp.AppendBulkString(out, "role")
	out = resp.AppendBulkString(out, "master")
	out = resp.AppendBulkString(out, "modules")
	return resp.AppendArray(out, 0)
}

// selectDB answers SELECT: a pool has one database, redis_db. A client that wants another one would go on in this one, so
// it is not served any more.
func (c *client) selectDB(out, db []byte) []byte {
	n, ok := resp.ParseInt(db)
	switch {
	case !ok:
		return resp.AppendError(out, resp.NotAnInteger)
	case n < 0:
		return resp.AppendError(out, resp.BadDB)
	case n != int64(c.pool.spec.DB):
		c.noteRefusal("select", otherDatabase)
		c.leave()
		return resp.AppendOtherDB(out, c.pool.spec.DB)
	}
	return resp.AppendSimple(out, "OK")
}

// reset answers RESET: the client is as it was when it connected.
func (c *client) reset(out []byte) []byte {
	c.resetSession()
	return resp.AppendSimple(out, "RESET")
}

// appendSwitch answers an option that is ON or OFF and changes nothing here.
func appendSwitch(out, word []byte) []byte {
	if bytes.EqualFold(word, []byte("ON")) || bytes.EqualFold(word, []byte("OFF")) {
		return resp.AppendSimple(out, "OK")
	}
	return resp.AppendError(out, resp.SyntaxError)
}

func (c *client) appendName(out []byte) []byte {
	name := c.session.name
	if name == "" {
		return resp.AppendNull(out)
	}
	return resp.AppendBulkString(out, name)
}

// describe answers CLIENT INFO in the form of Redis, with the fields that have a meaning here.
func (c *client) describe() string {
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=%d name=%s db=%d qbuf=%d oll=%d omem=%d user=default resp=2 lib-name=%s lib-ver=%s\n",
		c.id, c.peer(), sock.LocalAddress(c.stream.FD()), c.stream.FD(), c.session.name, c.pool.spec.DB, len(c.stream.Kept()), c.owed, c.stream.Out.Len(),
		c.session.libName, c.session.libVersion)
}

// peer returns the client's address, for messages.
func (c *client) peer() string { return sock.PeerAddress(c.stream.FD()) }

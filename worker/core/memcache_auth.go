// Authentication in memcached pools that have memcached_auth or users: by clients, with SASL PLAIN in the binary protocol and with their first
// "set" in text, and to servers that ask for it, in text.

package core

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

var errLogin = errors.New("server refuses memcached_auth")

// credentialsDigest returns what tells one user and password from others. No user has a 0 byte.
func credentialsDigest(user, password []byte) [sha256.Size]byte {
	return sha256.Sum256(bytes.Join([][]byte{user, password}, []byte{0}))
}

// loginMemcache compares in a time that tells nothing about the password. Wrong credentials take back earlier right ones, as with
// memcached.
func (c *client) loginMemcache(given memcache.Credentials) (right bool) {
	if c.pool.users.list != nil {
		right = c.logIn(given.User, given.Password) == ""
		if !right {
			c.authenticate(false)
		}
		return right
	}
	digest := credentialsDigest(given.User, given.Password) // of equal length whatever was given: lengths tell nothing either
	right = subtle.ConstantTimeCompare(digest[:], c.pool.password[:]) == 1
	c.authenticate(right)
	return right
}

// admitMemcache processes the request at the front of b, of a text client that is not authenticated, and returns how many bytes of it
// are here; 0: it is incomplete.
func (c *client) admitMemcache(b []byte) (used int) {
	given, size, refusal := memcache.ConsumeStranger(b)
	switch {
	case size == 0:
		return 0
	case refusal != nil && refusal.Close:
		*c.pool.counters[link.ClientErr]++
		c.respond([]byte(refusal.Reply))
		c.leave(link.NoRequest)
		return len(b)
	case refusal != nil:
		c.noteRefusal("request", noPassword)
		c.respond([]byte(refusal.Reply))
	case c.loginMemcache(given):
		c.respond([]byte(memcache.Authenticated))
	default:
		c.noteRefusal("set", wrongPassword)
		c.respond([]byte(memcache.WrongPassword))
	}
	used = min(size, len(b))
	c.skip = uint32(size - used)
	return used
}

// sasl answers a request that is about SASL, which is here as a whole unless it is wrong in any case.
func (c *client) sasl(r *memcache.BinaryRequest, step memcache.AuthStep) {
	var given memcache.Credentials
	if step == memcache.AuthPlain {
		given, step = r.Credentials()
	}
	switch step {
	case memcache.AuthBegin:
		c.authenticate(false)
	case memcache.AuthPlain:
		if !c.loginMemcache(given) {
			step = memcache.AuthWrong
		}
	case memcache.AuthWrong:
		c.authenticate(false)
	}
	if step == memcache.AuthWrong {
		c.noteRefusal("SASL", wrongPassword)
	}
	c.respondScratch(r.Form.AppendAuth(c.pool.l.scratch[:0], step))
}

// memcacheGreeting returns the greeting of server connections. Where there is a password, a server is asked for its version first: one
// that does not ask for a password would store it.
func memcacheGreeting(spec *link.Pool) *greeting {
	g := &greeting{version: resp.RESP2, db: spec.DB} // as greetingOf finds it
	if spec.ServerLogin().Password != "" {
		g.bytes, g.steps = memcacheProtocol.ping, []greetingStep{greetStranger}
	}
	return g
}

// agreedLogin is agreed for the steps of memcacheGreeting. Others may follow, each after the reply to the one before.
func (c *conn) agreedLogin(step greetingStep, reply []byte) error {
	p := c.endpoint.pool
	switch {
	case step == greetStranger && memcache.AsksForPassword(reply):
		login := p.spec.ServerLogin()
		return c.greetOn(greetLogin, memcache.AppendCredentials(nil, login.User, login.Password))
	case step == greetLogin && string(reply) != memcache.Authenticated:
		return fmt.Errorf("%w: %.200s", errLogin, bytes.TrimRight(reply, "\r\n"))
	case step == greetLogin && c.meta == metaAwaited:
		return c.greetOn(greetVersion, p.ping)
	case step == greetLogin:
		return nil
	case c.meta == metaAwaited:
		return c.agreed(greetVersion, reply)
	}
	return c.agreed(greetPing, reply)
}

// greetOn asks for one thing more.
func (c *conn) greetOn(step greetingStep, text []byte) error {
	c.steps = []greetingStep{step}
	return c.stream.SendFirst(text)
}

// AUTH: the password of a pool.

package core

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// auth appends the reply to AUTH with "password" or "user password". Like redis_auth of twemproxy, the pool has one password and no
// users. Without a password, the user default may give any, as with Redis.
func (c *client) auth(out, b []byte, args []resp.Span) []byte {
	args = args[1:]
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
	if len(password) > resp.UnauthenticatedBytes { // longer than any pool's
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

// AUTH: the password of a pool, or of one of its users.

package core

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// auth appends the reply to AUTH with "password" or "user password". A pool that has no users has one password, like redis_auth of twemproxy.
// Without a password, the user default may give any, as with Redis.
func (c *client) auth(out, b []byte, args []resp.Span) []byte {
	args = args[1:]
	if len(args) > 2 {
		return resp.AppendError(out, resp.SyntaxError)
	}
	user, password := defaultUser, args[len(args)-1].Of(b)
	if len(args) == 2 {
		user = args[0].Of(b)
	} else if !c.pool.hasLogin() {
		return resp.AppendError(out, resp.NoPassword)
	}
	if failure := c.login(user, password); failure != "" {
		c.noteRefusal("auth", wrongPassword)
		if len(args) == 1 && c.pool.users.list == nil {
			failure = resp.InvalidPassword
		}
		return resp.AppendError(out, failure)
	}
	return resp.AppendSimple(out, "OK")
}

var defaultUser = []byte("default")

// login has the client be the user, or returns the text of the error.
func (c *client) login(user, password []byte) (failure string) {
	if c.pool.users.list != nil {
		return c.logIn(user, password)
	}
	if !c.givePassword(user, password) {
		return resp.WrongPass
	}
	return ""
}

// givePassword is login of a pool without users. It compares in a time that tells nothing about the password. A wrong one takes back an earlier
// right one, as with twemproxy.
func (c *client) givePassword(user, password []byte) bool {
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

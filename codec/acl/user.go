// A user: what the rules come to.

package acl

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// DefaultUser is the user that a client is before it says who it is, and the one of AUTH with a password alone.
const DefaultUser = "default"

// Sum is the SHA-256 of a password.
type Sum = [sha256.Size]byte

// User is somebody who may do some things and not others.
type User struct {
	Name    string
	Enabled bool
	NoPass  bool // any password will do
	Sums    []Sum

	allowed  []uint64 // bit i: the row of the command table with that ID
	commands []string // the rules that have come to this, without those that others have overruled
	keys     []keyPattern
	channels []string

	allCommands, allKeys, allChannels bool
	readsAll, writesAll               bool // one of keys says so of every key
}

// keyPattern is a pattern of keys, and what may be done to those that match it.
type keyPattern struct {
	text   string
	access resp.Access // Reads, Writes, or both
}

// newUser returns a user who may do nothing.
func newUser(name string) *User {
	return &User{Name: name, allowed: make([]uint64, (resp.NumCommands+63)/64), commands: []string{"-@all"}}
}

// MayDoAll tells whether there is nothing that the user may not do.
func (u *User) MayDoAll() bool { return u.allCommands && u.allKeys && u.allChannels }

// MayRun tells whether the user may send commands of that row.
func (u *User) MayRun(c *resp.Command) bool {
	return u.allowed[c.ID/64]>>(c.ID%64)&1 != 0 || isForEverybody(c)
}

// isForEverybody tells whether a client needs the command to be anybody, or to leave.
func isForEverybody(c *resp.Command) bool {
	switch c.Local {
	case resp.LocalAuth, resp.LocalHello, resp.LocalQuit, resp.LocalReset, resp.LocalHangUp:
		return true
	}
	return false
}

// Accepts tells whether the user may log in with a password, in a time that tells nothing about the right ones.
func (u *User) Accepts(password []byte) bool {
	given := sha256.Sum256(password) // of equal length whatever was given: lengths tell nothing either
	right := 0
	for i := range u.Sums {
		right |= subtle.ConstantTimeCompare(given[:], u.Sums[i][:])
	}
	return u.Enabled && (u.NoPass || right == 1)
}

// Equal tells whether two users may do the same, and log in by the same passwords.
func (u *User) Equal(other *User) bool { return u.Text() == other.Text() }

// set allows or forbids rows.
func (u *User) set(rows []*resp.Command, may bool) {
	for _, c := range rows {
		if may {
			u.allowed[c.ID/64] |= 1 << (c.ID % 64)
		} else {
			u.allowed[c.ID/64] &^= 1 << (c.ID % 64)
		}
	}
	u.allCommands = !slices.ContainsFunc(allRows, func(c *resp.Command) bool { return !u.MayRun(c) })
}

// allRows are all rows of the command table.
var allRows = rowsWith(func(*resp.Command) bool { return true })

func rowsWith(is func(c *resp.Command) bool) (rows []*resp.Command) {
	for id := range resp.NumCommands {
		if c := resp.ByID(uint16(id)); is(c) {
			rows = append(rows, c)
		}
	}
	return rows
}

// HasNoLimits tells whether nothing is said of what the user may do, or that it is everything.
func (u *User) HasNoLimits() bool {
	return u.MayDoAll() || u.Keys()+u.Channels() == "" && len(u.commands) == 1 && u.commands[0] == "-@all"
}

// ReachesBeyondKeys tells whether the user may use some keys only, and run scripts, which may use others.
func (u *User) ReachesBeyondKeys() bool {
	return !u.allKeys && slices.ContainsFunc(allRows, func(c *resp.Command) bool { return c.Script && u.MayRun(c) })
}

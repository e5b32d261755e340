// A session: what a client has set, and how that is written to and read from the record of a client that moves.

package core

import (
	"bytes"
	"fmt"
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/handoff"
)

// session is the state of a client that its later requests depend on, whichever worker serves them. Loop only.
type session struct {
	authenticated bool // has given the password, or none is asked for
	plain         bool // shared by all clients of the pool that have set nothing, as most do: never written

	name       string // set by CLIENT SETNAME
	libName    string
	libVersion string
}

// sessions are the two sessions that the clients of a pool share that have set nothing, at no cost.
type sessions struct{ unauthenticated, authenticated session }

func newSessions() sessions {
	return sessions{unauthenticated: session{plain: true}, authenticated: session{plain: true, authenticated: true}}
}

func (ss *sessions) plain(authenticated bool) *session {
	if authenticated {
		return &ss.authenticated
	}
	return &ss.unauthenticated
}

// firstSession returns the session of a client that has just connected to the pool.
func (p *pool) firstSession() *session { return p.sessions.plain(p.spec.Password == "") }

// sessionOf returns the session of a client that comes from another worker. What it takes is counted.
func (p *pool) sessionOf(r *handoff.Record) *session {
	authenticated := r.Authenticated || p.spec.Password == ""
	if r.Name+r.LibName+r.LibVersion == "" {
		return p.sessions.plain(authenticated)
	}
	s := &session{authenticated: authenticated, name: r.Name, libName: r.LibName, libVersion: r.LibVersion}
	p.l.memory.Charge(s.cost())
	return s
}

// record writes the session down for another worker.
func (s *session) record(r *handoff.Record) {
	r.Authenticated = s.authenticated
	r.Name, r.LibName, r.LibVersion = s.name, s.libName, s.libVersion
}

// cost returns how many bytes are kept for one client alone.
func (s *session) cost() int {
	if s.plain {
		return 0
	}
	return int(unsafe.Sizeof(*s)) + len(s.name) + len(s.libName) + len(s.libVersion)
}

// authenticate notes whether the client is authenticated.
func (c *client) authenticate(may bool) {
	if c.session.plain {
		c.session = c.pool.sessions.plain(may)
	} else {
		c.session.authenticated = may
	}
}

// resetSession drops what the client has set.
func (c *client) resetSession() {
	c.pool.l.memory.Uncharge(c.session.cost())
	c.session = c.pool.firstSession()
}

// ownSession returns the client's session, to be written: its own, made when first needed.
func (c *client) ownSession() *session {
	if c.session.plain {
		c.session = &session{authenticated: c.session.authenticated}
		c.pool.l.memory.Charge(c.session.cost())
	}
	return c.session
}

// setField sets a field of the client's own session.
func (c *client) setField(field *string, value []byte) {
	c.pool.l.memory.Charge(len(value) - len(*field))
	*field = string(value)
}

// setName keeps the client's name, or returns the text of the error, if it is none.
func (c *client) setName(name []byte) (failure string) {
	switch {
	case len(name) > handoff.MaxNameBytes:
		return tooLong("Client names")
	case !printable(name):
		return resp.BadClientName
	}
	c.setField(&c.ownSession().name, name)
	return ""
}

// setInfo keeps what CLIENT SETINFO tells, or returns the text of the error, if it is wrong.
func (c *client) setInfo(attribute, value []byte) (failure string) {
	switch {
	case len(value) > handoff.MaxNameBytes:
		return tooLong(fmt.Sprintf("%.128s", attribute))
	case bytes.EqualFold(attribute, []byte("LIB-NAME")) && printable(value):
		c.setField(&c.ownSession().libName, value)
	case bytes.EqualFold(attribute, []byte("LIB-VER")) && printable(value):
		c.setField(&c.ownSession().libVersion, value)
	case printable(value):
		return fmt.Sprintf("ERR Unrecognized option '%.128s'", attribute)
	default:
		return fmt.Sprintf("ERR %.128s cannot contain spaces, newlines or special characters.", attribute)
	}
	return ""
}

// tooLong words that something a client has set is too long.
func tooLong(what string) string {
	return fmt.Sprintf("ERR %s cannot be longer than %d bytes.", what, handoff.MaxNameBytes)
}

// printable tells whether CLIENT LIST of Redis could show s: no spaces, no control characters.
func printable(s []byte) bool {
	for _, ch := range s {
		if ch < '!' || ch > '~' {
			return false
		}
	}
	return true
}

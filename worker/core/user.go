// Who a client is, in a pool that has users, and what it may send.

package core

import (
	"bytes"
	"fmt"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
)

// users is what a pool knows of its users. Loop only.
type users struct {
	list     *acl.List              // nil: the pool has none, and who gives its password may do all
	sessions map[*acl.User]*session // of clients that are such a user and have set nothing, shared by them
	attempts loginLimit
	log      aclLog
}

// readUsers reads the users of the pool, if it has any.
func (p *pool) readUsers() (err error) {
	if len(p.spec.Users) == 0 {
		return nil
	}
	p.users.sessions = map[*acl.User]*session{}
	if p.users.list, err = acl.NewList(p.spec.Users); err != nil {
		err = fmt.Errorf("pool %q: users: %w", p.name, err)
	}
	return err
}

// hasUser tells whether there is a user of that name.
func (p *pool) hasUser(name []byte) bool {
	if p.users.list == nil {
		return bytes.Equal(name, defaultUser)
	}
	return p.users.list.User(name) != nil
}

// hasLogin tells whether clients of the pool have to say who they are.
func (p *pool) hasLogin() bool {
	if p.users.list == nil {
		return p.spec.Password != ""
	}
	u := p.users.list.Default()
	return !u.Enabled || !u.NoPass
}

// needsLogin returns the error to a client that is nobody yet: what Redis says in a pool that has users, and else what nutcracker says.
func (p *pool) needsLogin(ofRedis string) string {
	if p.users.list == nil {
		return resp.NoAuth
	}
	return ofRedis
}

// plainSession returns the session of clients that have set nothing. u is who they are; nil: nobody in particular, or nobody yet.
func (p *pool) plainSession(u *acl.User, authenticated bool) *session {
	if u == nil || !authenticated {
		return p.sessions.plain(authenticated)
	}
	s := p.users.sessions[u]
	if s == nil {
		s = &session{plain: true, greeting: p.greetings[0]}
		s.beUser(u)
		p.users.sessions[u] = s
	}
	return s
}

// beUser notes who the client of the session is.
func (s *session) beUser(u *acl.User) {
	s.authenticated, s.user, s.limits = true, u, u
	if u.MayDoAll() {
		s.limits = nil
	}
}

// beUser has the client be a user who has shown who he is.
func (c *client) beUser(u *acl.User) {
	if c.session.plain {
		c.session = c.pool.plainSession(u, true)
	} else {
		c.session.beUser(u)
	}
}

// beUserNamed has the client be the user of that name, by what says so without a password: a certificate. It tells whether the pool
// has such a user, who is on.
func (c *client) beUserNamed(name []byte) bool {
	if c.pool.users.list == nil {
		return false
	}
	u := c.pool.users.list.User(name)
	if u == nil || !u.Enabled {
		return false
	}
	c.beUser(u)
	return true
}

// logIn has the client be a user whose password it gives, or returns the text of the error. A wrong password leaves it who it is, as with Redis.
func (c *client) logIn(name, password []byte) (failure string) {
	if !c.mayTryLogin(name) {
		return tooManyGuesses
	}
	u := c.pool.users.list.Login(name, password[:min(len(password), resp.UnauthenticatedBytes+1)]) // no user's is longer
	if u == nil {
		c.noteWrongLogin(name)
		return resp.WrongPass
	}
	c.beUser(u)
	return ""
}

// userName returns the name of the user that the client is.
func (c *client) userName() string {
	if c.session.user == nil {
		return acl.DefaultUser
	}
	return c.session.user.Name
}

// permits tells whether the client's user may send a request whose arity is right, and answers one that he may not.
func (c *client) permits(cmd *resp.Command, b []byte, args []resp.Span, count int) bool {
	d := c.judge(cmd, b, args, count)
	if d.Reason == acl.Allowed {
		return true
	}
	c.pool.users.log.add(c, cmd, d)
	c.noteRefusal(cmd.Name, notPermitted)
	failure := appendDenial(c.pool.l.scratch[:0], cmd, d)
	inside := c.session.tx != nil
	if cmd.Local == resp.LocalExec && inside {
		c.dropTransaction()
		failure = resp.AppendExecAbort(nil, failure)
	}
	c.reject(failure)
	if cmd.ChangesMode && d.Reason != acl.NoChannel && !inside {
		c.leave(link.Refused)
	}
	return false
}

// judge returns what the client's user, who may not do all, may not do of a request.
func (c *client) judge(cmd *resp.Command, b []byte, args []resp.Span, count int) acl.Denial {
	rt := &c.pool.l.redisRoute
	rt.judged = acl.Request{Command: cmd, Bytes: b, Args: args, Count: count}
	d, keys := c.session.limits.Check(&rt.judged, rt.keys)
	rt.judged, rt.keys = acl.Request{}, keys
	return d
}

// appendDenial appends the error reply to a request that its user may not send, in the words of Redis 7.0.
func appendDenial(dst []byte, cmd *resp.Command, d acl.Denial) []byte {
	switch d.Reason {
	case acl.NoKey:
		return resp.AppendError(dst, "NOPERM this user has no permissions to access one of the keys used as arguments")
	case acl.NoChannel:
		return resp.AppendError(dst, "NOPERM this user has no permissions to access one of the channels used as arguments")
	case acl.NoSortBy:
		return resp.AppendError(dst, "ERR BY option of SORT denied due to insufficient ACL permissions.")
	case acl.NoSortGet:
		return resp.AppendError(dst, "ERR GET option of SORT denied due to insufficient ACL permissions.")
	case acl.TooLong:
		return resp.AppendError(dst, "ERR '"+cmd.Name+"' of so many keys or channels is not supported by pinion for users who may not use all of them")
	}
	return resp.AppendError(dst, "NOPERM this user has no permissions to run the '"+cmd.Name+"' command")
}

// noLongerPermitted returns the error reply to a request that was queued before its user was forbidden to send it.
func (c *client) noLongerPermitted(cmd *resp.Command, d acl.Denial) []byte {
	c.pool.users.log.add(c, cmd, d)
	c.noteRefusal(cmd.Name, notPermitted)
	why := "no permission to execute the command or subcommand"
	switch d.Reason {
	case acl.NoCommand:
	case acl.NoChannel:
		why = "no permission to access one of the channels used as arguments"
	default:
		why = "no permission to touch the specified keys"
	}
	return resp.AppendError(c.pool.l.scratch[:0], "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "+
		"This command is no longer allowed for the following reason: "+why)
}

// userOf returns who a client that moves is here. It does not belong here if that user is no more, is off, or may not listen any
// more to what the client has subscribed to, monitors or tracks: it is closed where it is, as soon as it is owed nothing.
func (p *pool) userOf(records []handoff.Record) (u *acl.User, belongs bool) {
	r := &records[0]
	if p.users.list == nil {
		return nil, r.User == "" || r.User == acl.DefaultUser
	}
	if !r.Authenticated {
		return nil, true
	}
	name := r.User
	if name == "" { // of a pool that had no users
		name = acl.DefaultUser
	}
	u = p.users.list.User([]byte(name))
	if u == nil || !u.Enabled {
		return nil, false
	}
	if r.Monitoring != 0 && !u.MayRun(monitorCommand) || len(r.Tracking) > 0 && !u.MayRun(trackingCommand(r.Tracking)) {
		return nil, false
	}
	for i := range records {
		for _, sub := range records[i].Subscriptions {
			if !u.MayListen([]byte(sub.Name), channelKind(sub.Kind) == kindPattern) {
				return nil, false
			}
		}
	}
	return u, true
}

// trackingCommand returns the row of the first of these requests, all of which are CLIENT TRACKING.
func trackingCommand(requests []byte) *resp.Command {
	_, args, _ := resp.ConsumeRequest(requests, nil)
	if len(args) < 2 {
		return clientCommand
	}
	return clientCommand.Resolve(requests, args)
}

var clientCommand = resp.Lookup([]byte("client"))

// maxWaitingBytes is the size of a request that is kept while it waits in a server, in case that its user may not send it any more.
const maxWaitingBytes = 4 << 10

// checkWait calls off what waits in a server, if the rules by which the client goes on here forbid it.
func (c *client) checkWait() {
	own := c.session.waitsOn
	if own == nil || c.session.limits == nil || !own.isBlocked() {
		return
	}
	b, cmd := c.session.waitsAs, own.head.command
	if len(b) == 0 {
		own.callOffFor(unblockedByRules)
		return
	}
	_, args, _ := resp.ConsumeRequest(b, nil)
	d := c.judge(cmd, b, args, len(args))
	if d.Reason == acl.Allowed {
		return
	}
	c.pool.users.log.add(c, cmd, d)
	c.noteRefusal(cmd.Name, notPermitted)
	own.callOffFor(appendDenial(nil, cmd, d))
}

// recordUser returns the name of the user that a client is, in a pool that has users.
func (p *pool) recordUser(s *session) string {
	if p.users.list == nil || s.user == nil {
		return ""
	}
	return s.user.Name
}

// stateUser returns the user that the client is known to be.
func (c *client) stateUser() string {
	if !c.session.authenticated || c.session.user == nil {
		return ""
	}
	return c.session.user.Name
}

// isUser tells whether the client is the user of that name.
func (c *client) isUser(name []byte) bool { return bytes.Equal(name, []byte(c.userName())) }

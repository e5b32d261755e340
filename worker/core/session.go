// A session: what a client has set, and how that is written to and read from the record of a client that moves.

package core

import (
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/handoff"
)

// session is the state of a client that its later requests depend on, whichever worker serves them. Loop only.
type session struct {
	certificate   *clientCertificate // verified; nil: none, or no TLS
	user          *acl.User          // who it is; nil: the pool has no users, or nobody yet
	limits        *acl.User          // the same if there is something that the user may not do
	authenticated bool               // has given the password, or none is asked for
	eachRequest   bool               // something of this changes with each request, see beginRequest
	reply         replyMode
	plain         bool // shared by all clients of the pool that have set nothing, as most do: never written

	greeting *greeting // of the server connections that it uses: its protocol and database

	name       string // set by CLIENT SETNAME
	libName    string
	libVersion string

	dedicated []*conn // server connections of this client alone
	waitsOn   *conn   // of them, the one that a request which may wait in the server has gone to; nil: none has
	waitsFor  []byte  // and the first of its keys
	waitsAs   []byte  // and the request, as the client has sent it; empty: it is longer than maxWaitingBytes, or not known

	subscriptions *subscriptions // nil: it has had none
	tracking      *tracking      // nil: it tracks nothing
	monitor       *conn          // of dedicated, the one over which it monitors its server; nil: it does not

	writeOwed int32 // with read_your_writes: how many replies until that to its latest write; 0: it has got that
	wrote     int64 // ns: likewise, when it last got one, or may have; 0: not lately

	tx    *transaction // between MULTI and EXEC; nil: not there
	watch *watch       // nil: it watches no keys
}

// sessions are the two sessions that the clients of a pool share that have set nothing, at no cost.
type sessions struct{ unauthenticated, authenticated session }

// newSessions returns the sessions of clients that have set nothing. Their server connections have the greeting g.
func newSessions(g *greeting) sessions {
	return sessions{
		unauthenticated: session{plain: true, greeting: g},
		authenticated:   session{plain: true, greeting: g, authenticated: true},
	}
}

func (ss *sessions) plain(authenticated bool) *session {
	if authenticated {
		return &ss.authenticated
	}
	return &ss.unauthenticated
}

// firstSession returns the session of a client that has just connected to the pool.
func (p *pool) firstSession() *session {
	if l := p.users.list; l != nil {
		return p.plainSession(l.Default(), !p.hasLogin())
	}
	return p.sessions.plain(p.spec.Password == "")
}

// sessionOf returns the session of a client that comes from another worker, and is the user u here. What it takes is counted.
func (p *pool) sessionOf(r *handoff.Record, u *acl.User) *session {
	authenticated := r.Authenticated || !p.hasLogin()
	if u == nil && authenticated && p.users.list != nil {
		u = p.users.list.Default()
	}
	db := p.spec.DB
	if r.HasDB {
		db = int(r.DB)
	}
	g := p.greetingOf(max(resp.RESP2, resp.Version(r.RESP)), db)
	if r.Name+r.LibName+r.LibVersion == "" && r.Verified == 0 && g.index == 0 && r.Reply == handoff.ReplyOn && r.Tracking == nil {
		return p.plainSession(u, authenticated)
	}
	s := &session{authenticated: authenticated, greeting: g, name: r.Name, libName: r.LibName, libVersion: r.LibVersion}
	if u != nil {
		s.beUser(u)
	}
	switch r.Reply {
	case handoff.ReplyOff:
		s.reply = replyNone
	case handoff.ReplySkip:
		s.reply = replySkipNext
	}
	if r.Verified != 0 {
		s.certificate = &clientCertificate{user: r.TLSUser}
	}
	s.eachRequest = s.reply != replyAll
	p.restoreTracking(s, r)
	p.l.memory.Charge(s.cost())
	return s
}

// recordSession writes a session down for another worker.
func (p *pool) recordSession(s *session, r *handoff.Record) {
	r.Authenticated = s.authenticated
	r.User = p.recordUser(s)
	r.Name, r.LibName, r.LibVersion = s.name, s.libName, s.libVersion
	if s.certificate != nil {
		r.Verified, r.TLSUser = handoff.VerifiedCertificate, s.certificate.user
	}
	if s.greeting.version == resp.RESP3 {
		r.RESP = uint32(resp.RESP3)
	}
	if s.greeting.db != p.spec.DB {
		r.HasDB, r.DB = true, uint32(s.greeting.db)
	}
	s.tracking.record(r, s.tx != nil)
	if s.monitor != nil {
		r.Monitoring = handoff.Monitors
	}
	switch s.reply {
	case replyNone:
		r.Reply = handoff.ReplyOff
	case replySkipNext:
		r.Reply = handoff.ReplySkip
	}
	if t := s.tx; t != nil {
		r.Transaction = &handoff.Transaction{Aborted: t.aborted, Count: uint32(t.count), Queued: t.queued.Pieces(nil)}
	}
}

// cost returns how many bytes are kept for one client alone, but for a transaction.
func (s *session) cost() int {
	if s.plain {
		return 0
	}
	return int(unsafe.Sizeof(*s)) + len(s.name) + len(s.libName) + len(s.libVersion) + 8*cap(s.dedicated) + cap(s.waitsFor) + cap(s.waitsAs) + s.subscriptions.cost() + s.tracking.cost() + s.watch.cost()
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
	c.dropTransaction()
	c.dropTracking()
	c.forgetWatch()
	c.endDedicated()
	c.dropSubscriptions()
	c.pool.l.memory.Uncharge(c.session.cost())
	c.session = c.pool.firstSession()
}

// ownSession returns the client's session, to be written: its own, made when first needed.
func (c *client) ownSession() *session {
	if c.session.plain {
		before := c.session
		c.session = &session{authenticated: before.authenticated, user: before.user, limits: before.limits, greeting: before.greeting}
		c.pool.l.memory.Charge(c.session.cost())
	}
	return c.session
}

// version returns the version of the protocol in which the client is answered.
func (c *client) version() resp.Version { return c.session.greeting.version }

// greetAs has the client's further requests go over server connections of that protocol and database. All that it has asked must be answered.
func (c *client) greetAs(version resp.Version, db int) {
	g, before := c.pool.greetingOf(version, db), c.session.greeting
	if g == before {
		return
	}
	c.ownSession().greeting = g
	if c.session.watch != nil { // over a connection of another protocol, of keys of another database
		keys := c.session.watch.keys
		c.dropWatch()
		c.ownWatch().keys = keys
	}
	if g.version != before.version {
		c.endDedicatedFor(^forMonitoring)
		c.checkSubscriptions()
	}
	c.retrack()
	c.selectDedicated(g)
}

// beginRequest changes what changes with each request.
func (c *client) beginRequest(cmd *resp.Command) {
	s := c.session
	s.reply = s.reply.forNext()
	if s.tracking != nil && s.tx == nil && (cmd == nil || cmd.Name != "client") {
		s.tracking.caching = s.tracking.caching.forNext()
	}
}

// changeSession changes the client's own session, and counts what it takes.
func (c *client) changeSession(change func(s *session)) {
	s := c.ownSession()
	before := s.cost()
	change(s)
	c.pool.l.memory.Charge(s.cost() - before)
}

// setField sets a field of the client's own session.
func (c *client) setField(field *string, value []byte) {
	c.pool.l.memory.Charge(len(value) - len(*field))
	*field = string(value)
}

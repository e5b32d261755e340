// The greeting: what a fresh server connection must agree to before it gets requests, AUTH, SELECT and HELLO 3.

package core

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

var (
	errGreeting = errors.New("server refuses AUTH or SELECT")
	errNoRESP3  = errors.New("server does not speak RESP3")
	errPassword = errors.New("wants a password")
	errNoMeta   = errors.New("server is older than memcached 1.6.10, and was not before")
)

// greeting is what the connections of some sessions have in common, and no others: the protocol and the database.
type greeting struct {
	index   int // of pool.greetings; 0: of the sessions that have set nothing
	version resp.Version
	db      int
	bytes   []byte
	steps   []greetingStep // one for each reply to bytes
	reads   readsUse       // what reads the connections are for, beside others

	inPlace, readOnly *greeting // the same for such reads; nil: no request has needed them
}

// readsUse says that connections are for reads only, or for what concerns these.
type readsUse uint8

const (
	readsInPlace readsUse = iota + 1 // to primaries, for reads in the place of replicas
	readsReplica                     // to replicas of a cluster
	endsScripts                      // no reads, but what ends scripts
)

// greetingStep is what a reply to a greeting is about.
type greetingStep uint8

const (
	greetPing greetingStep = iota + 1
	greetAuth
	greetSelect
	greetHello
	greetVersion
	greetOpen // whether it takes the connection, and asks for no password that the pool does not have: any other answer will do
	greetReadOnly
	greetStranger // of memcached: whether it asks for a password
	greetLogin    // the same: the password
)

// onlyPing is the greeting of a connection that must answer first and has no other.
var onlyPing = []greetingStep{greetPing}

// onlyOpen is the greeting of a connection that the server check waits for and that has no other. A server that wants a password
// takes connections all the same, and then refuses every request.
var onlyOpen = []greetingStep{greetOpen}

// onlyVersion is the greeting of a connection on which requests wait that another server has been asked about, see forwardMeta.
var onlyVersion = []greetingStep{greetVersion}

// greetingOf returns the greeting of the pool's server connections for that protocol and database.
func (p *pool) greetingOf(version resp.Version, db int) *greeting {
	for _, g := range p.greetings {
		if g.version == version && g.db == db && g.reads == 0 {
			return g
		}
	}
	g := &greeting{index: len(p.greetings), version: version, db: db}
	g.addLogin(p.spec)
	if db > 0 {
		g.add(greetSelect, "SELECT", fmt.Sprint(db))
	}
	if version == resp.RESP3 {
		g.add(greetHello, "HELLO", "3")
	}
	p.greetings = append(p.greetings, g)
	return g
}

// addLogin appends AUTH, if servers are given a password.
func (g *greeting) addLogin(spec *link.Pool) {
	if words := spec.ServerLogin().Words(); words != nil {
		g.add(greetAuth, words...)
	}
}

// add appends a request.
func (g *greeting) add(step greetingStep, words ...string) {
	g.bytes = resp.AppendArray(g.bytes, len(words))
	for _, word := range words {
		g.bytes = resp.AppendBulkString(g.bytes, word)
	}
	g.steps = append(g.steps, step)
}

// greetingTime is how long a server may keep silent before it has answered the greeting, in ns. Where the pool has no
// timeout it is longer than Redis lets a script keep it from answering (busy-reply-threshold, 5 s).
func (p *pool) greetingTime() int64 {
	if p.timeout > 0 {
		return p.timeout
	}
	return int64(10 * time.Second)
}

// greetingTime is that of the pool, or for a replica the time for an attempt.
func (c *conn) greetingTime() int64 {
	if c.reads != nil {
		return c.endpoint.pool.attemptTime()
	}
	return c.endpoint.pool.greetingTime()
}

// greeted handles a reply to the greeting. Requests are sent only after all replies were good: one that ran in the wrong
// database would be silently wrong.
func (c *conn) greeted(reply []byte) error {
	if c.isChecked() && c.lacksPassword(reply) {
		return fmt.Errorf("%w; set %s", errPassword, passwordKey(c.endpoint.pool.spec))
	}
	step := c.steps[0]
	c.steps = c.steps[1:]
	agreed := c.agreed
	if step >= greetStranger {
		agreed = c.agreedLogin
	}
	if err := agreed(step, reply); err != nil {
		return err
	}
	if len(c.steps) == 0 {
		c.becomeReady()
	}
	return nil
}

// agreed returns what a reply to a step of the greeting means. A server without a password accepts any.
func (c *conn) agreed(step greetingStep, reply []byte) error {
	switch {
	case (step == greetPing || step == greetVersion) && !isServing(c.endpoint.pool.spec.Protocol, reply):
		c.endpoint.doubt()
		return &refusal{bytes.Clone(reply)}
	case step == greetOpen && (resp.RefusesConnection(reply) || memcache.RefusesConnection(reply)):
		return &refusal{bytes.Clone(reply)}
	case step == greetPing, step == greetOpen:
	case step == greetVersion && !memcache.KnowsMeta(reply):
		return errNoMeta
	case step == greetVersion:
		c.meta = metaKnown
	case step == greetAuth && resp.AsksNoPassword(reply):
		c.endpoint.warnOpen()
	case step == greetHello && resp.RefusesVersion(reply):
		return errNoRESP3
	case step == greetHello && resp.IsError(reply):
		return &refusal{bytes.Clone(reply)}
	case resp.IsError(reply) && c.greeting.index > 0 && step == greetSelect && !resp.IsOutOfService(reply):
		return &noDatabase{c.greeting.db, bytes.Clone(reply)}
	case resp.IsError(reply):
		return fmt.Errorf("%w: %.200s", errGreeting, bytes.TrimRight(reply[1:], "\r\n"))
	case step == greetAuth:
		c.endpoint.open = false
	case step == greetHello:
		c.endpoint.resp3.version, _ = resp.HelloVersion(reply)
	}
	return nil
}

// noDatabase is the refusal of a database that a session has selected.
type noDatabase struct {
	db    int
	reply []byte
}

func (e *noDatabase) Error() string {
	return fmt.Sprintf("server refuses SELECT %d: %.200s", e.db, bytes.TrimRight(e.reply, "\r\n"))
}

// onlySessionsAsk tells whether a connection has failed for what only sessions ask for, a database or RESP3. Other connections to the
// server do not.
func onlySessionsAsk(err error) bool {
	var (
		db   *noDatabase
		told *sessionRefusal
	)
	return errors.As(err, &told) || err == errNoRESP3 || err == errNoMeta || err == errOpenTransaction || errors.As(err, &db)
}

// HELLO: which protocol a client speaks, who it is, and whether the servers speak the same.

package core

import (
	"bytes"
	"cmp"
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// helloRequest is what HELLO [version [AUTH user password] [SETNAME name]] asks.
type helloRequest struct {
	version        resp.Version // 0: the one that is spoken already
	user, password []byte       // nil: not given
	name           []byte
}

// parseHello reads the arguments of HELLO, or returns the text of the error.
func parseHello(b []byte, args []resp.Span) (h helloRequest, failure string) {
	if len(args) > 0 {
		version, ok := resp.ParseInt(args[0].Of(b))
		if !ok {
			return h, resp.BadProto
		}
		if version != int64(resp.RESP2) && version != int64(resp.RESP3) {
			return h, resp.NoProto
		}
		h.version = resp.Version(version)
		args = args[1:]
	}
	for len(args) > 0 {
		switch option := args[0].Of(b); {
		case bytes.EqualFold(option, []byte("AUTH")) && len(args) >= 3:
			h.user, h.password = args[1].Of(b), args[2].Of(b)
			args = args[3:]
		case bytes.EqualFold(option, []byte("SETNAME")) && len(args) >= 2:
			h.name = args[1].Of(b)
			if failure := nameFailure(h.name); failure != "" {
				return h, failure
			}
			args = args[2:]
		default:
			return h, fmt.Sprintf("ERR Syntax error in HELLO option '%.128s'", option)
		}
	}
	return h, ""
}

// hello answers HELLO, unless the client has to wait.
func (c *client) hello(_ *resp.Command, b []byte, args []resp.Span, count int) {
	out := c.pool.l.scratch[:0]
	if len(args) < count || len(b) >= longBytes {
		c.respondScratch(resp.AppendError(out, resp.SyntaxError))
		return
	}
	c.respondUnlessWaiting(c.meet(out, b, args[1:]))
}

// meet carries out HELLO and appends the reply, unless the client has to wait.
func (c *client) meet(out, b []byte, args []resp.Span) []byte {
	h, failure := parseHello(b, args)
	if failure != "" {
		return resp.AppendError(out, failure)
	}
	if h.password != nil {
		failure = c.login(h.user, h.password)
	}
	switch {
	case failure != "":
		c.noteRefusal("hello", wrongPassword)
		return resp.AppendError(out, failure)
	case !c.session.authenticated:
		return resp.AppendError(out, c.pool.needsLogin(resp.HelloNeedsLogin))
	case c.pool.toldVersion() == "":
		if _, known := c.askForRESP3(); !known { // they tell their version with it
			return out
		}
	}
	if h.version != 0 && h.version != c.version() {
		if c.session.tracking != nil {
			return resp.AppendError(out, resp.TrackingKeepsRESP3)
		}
		if h.version == resp.RESP3 {
			speak, known := c.askForRESP3()
			if !known {
				return out
			}
			if !speak {
				return append(out, redisNoProto...)
			}
		}
		if !c.caughtUp() {
			return out
		}
		c.greetAs(h.version, c.session.greeting.db)
	}
	if h.name != nil {
		c.setName(h.name)
	}
	return c.appendHello(out)
}

// appendHello appends what HELLO tells of the server, which the proxy is for its clients.
func (c *client) appendHello(out []byte) []byte {
	v := c.version()
	out = v.AppendMap(out, 7)
	out = resp.AppendBulkString(out, "server")
	out = resp.AppendBulkString(out, "redis")
	out = resp.AppendBulkString(out, "version")
	out = resp.AppendBulkString(out, cmp.Or(c.pool.toldVersion(), resp.UsualServerVersion))
	out = resp.AppendBulkString(out, "proto")
	out = resp.AppendInt(out, int64(v))
	out = resp.AppendBulkString(out, "id")
	out = resp.AppendInt(out, int64(c.id))
	out = resp.AppendBulkString(out, "mode")
	out = resp.AppendBulkString(out, "standalone")
	out = resp.AppendBulkString(out, "role")
	out = resp.AppendBulkString(out, "master")
	out = resp.AppendBulkString(out, "modules")
	return resp.AppendArray(out, 0)
}

// toldVersion returns the lowest version that a live server of the pool has told: clients ask for nothing that one of them cannot do.
// It is empty if none has.
func (p *pool) toldVersion() string {
	var told []string
	for i, s := range p.servers {
		if version := s.primary.resp3.version; version != "" && p.placement.live[i] {
			told = append(told, version)
		}
	}
	if len(told) == 0 {
		return ""
	}
	return resp.OldestVersion(told)
}

const (
	// resp3Patience is how long a client waits at most until servers tell whether they speak RESP3. Those that have not answered
	// by then are taken to: if they do not, its requests fail with an error.
	resp3Patience = time.Second
	// resp3Pause is for how long a server that speaks only RESP2, or has not answered, is not asked again.
	resp3Pause = 5 * time.Second
)

// resp3Inquiry is what a pool does to learn whether its servers speak RESP3: when a client first wants to, a connection that
// says so is opened to each live server. Loop only.
type resp3Inquiry struct {
	waiting []*client // for the outcome
	left    int       // servers that have not answered
	timer   timer.Timer
}

// resp3Knowledge is what is known of an endpoint.
type resp3Knowledge struct {
	version string // of the server, as it has last told; empty: it has not
	speaks  bool   // the last one that was asked for it
	refuses bool   // has said that it does not
	asked   bool   // the pool's inquiry waits for its answer
	asks    int64  // ns: when it may be asked again
}

// askForRESP3 tells whether the pool's live servers speak RESP3. Where it is not known the client waits, and asks again.
func (c *client) askForRESP3() (speak, known bool) {
	p := c.pool
	q := &p.resp3
	if q.left == 0 {
		p.inquireRESP3()
	}
	if q.left > 0 {
		c.waits = waitsForServers
		q.waiting = append(q.waiting, c)
		return false, false
	}
	for i, s := range p.servers {
		if p.placement.live[i] && s.primary.resp3.refuses {
			return false, true
		}
	}
	return true, true
}

// inquireRESP3 asks the servers of which it is not known.
func (p *pool) inquireRESP3() {
	q := &p.resp3
	for i, s := range p.servers {
		k := &s.primary.resp3
		if p.placement.live[i] && !k.speaks && p.l.now >= k.asks {
			k.asked, k.asks = true, p.l.now+int64(resp3Pause)
			q.left++
		}
	}
	if q.left == 0 {
		return
	}
	q.timer.Fire = p.endRESP3Inquiry
	p.l.timers.Set(&q.timer, p.l.now+int64(resp3Patience))
	for _, s := range p.servers {
		if s.primary.resp3.asked {
			s.primary.connectForRESP3()
		}
	}
}

// connectForRESP3 opens a connection that begins with HELLO 3. A failure does not count against the server: no request waits.
func (e *endpoint) connectForRESP3() {
	if c := e.conn(e.pool.greetingOf(resp.RESP3, e.pool.spec.DB), 0); c.state == connClosed {
		c.tentative = true
		c.open()
	}
}

// noteRESP3 is called when a connection of RESP3 is open, or an attempt has failed.
func (e *endpoint) noteRESP3(err error) {
	k, q := &e.resp3, &e.pool.resp3
	if err == nil || err == errNoRESP3 {
		k.speaks, k.refuses = err == nil, err != nil
	}
	if !k.asked || e.isFormer() {
		return
	}
	k.asked = false
	q.left--
	if q.left == 0 {
		e.pool.endRESP3Inquiry()
	}
}

// endRESP3Inquiry has the clients that wait ask again. Servers that have not answered are not waited for any more.
func (p *pool) endRESP3Inquiry() {
	q := &p.resp3
	p.l.timers.Stop(&q.timer)
	q.left = 0
	for _, s := range p.servers {
		s.primary.resp3.asked = false
	}
	waiting := q.waiting
	q.waiting = nil
	for _, c := range waiting {
		if c.waits == waitsForServers {
			c.waits = waitsForNothing
			c.unmute()
		}
	}
}

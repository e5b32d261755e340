// The requests of Redis clients, and the servers that they go to.

package core

import (
	"errors"
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// redisRoute is the request at hand, as its route sees it. Its slices serve one request after the other. Loop only.
type redisRoute struct {
	args   []resp.Span // all, or of a long one the first
	keys   []int32     // the indexes of those that are keys and stand alone
	inline []byte      // an inline request, rewritten as an array, which is what servers get
	judged acl.Request // while it is looked at whether its user may send it
}

// trim frees the memory of one large request.
func (rt *redisRoute) trim(m *memory.Allocator) {
	if cap(rt.inline) > maxKeptScratchBytes {
		m.CountGarbage(cap(rt.inline))
		rt.inline = nil
	}
	if cap(rt.args) > maxKeptArgs {
		m.CountGarbage(cap(rt.args) * int(unsafe.Sizeof(resp.Span{})))
		rt.args = nil
	}
	if cap(rt.keys) > maxKeptArgs {
		rt.keys = nil
	}
}

// processRedis processes the requests at the front of b, until one is incomplete or the client is muted, and returns how many
// bytes those are.
func (c *client) processRedis(b []byte) (used int) {
	l := c.pool.l
	c.waits = waitsForNothing
	if c.progress != (requestProgress{}) {
		if c.endsUnauthenticated(b) {
			return len(b)
		}
		n, ok := c.measured(b)
		if !ok {
			return 0
		}
		if n >= longBytes && !resp.IsInline(b) && int64(n) <= c.pool.spec.MaxRequestBytes {
			c.longRequest(b[:n])
			if c.isPutBack() {
				return 0
			}
			used = n
		}
	}
	for used < len(b) && !c.muted() {
		if c.endsUnauthenticated(b[used:]) {
			return len(b)
		}
		n, request, err := l.redisRoute.next(b[used:])
		if err != nil {
			c.refuseProtocol(err)
			return len(b)
		}
		if n == 0 {
			if len(b)-used >= stream.DirectBytes {
				c.measured(b[used:])
			}
			return used
		}
		used += n
		l.io.Spent += requestToll
		if int64(n) > c.pool.spec.MaxRequestBytes {
			c.refuseSize()
			return len(b)
		}
		switch {
		case len(request) >= longBytes && !resp.IsInline(b[used-n:]):
			c.longRequest(request)
		case len(l.redisRoute.args) > 0:
			c.redisRequest(request, l.redisRoute.args, len(l.redisRoute.args))
		}
		if c.isPutBack() {
			return used - n
		}
	}
	return used
}

// endsUnauthenticated tells whether a client that is not authenticated sends more than it may, and ends the connection.
func (c *client) endsUnauthenticated(b []byte) bool {
	if c.session.authenticated {
		return false
	}
	err := resp.CheckUnauthenticated(b)
	if err != nil {
		c.refuseProtocol(err)
	}
	return err != nil
}

// next takes one request off b. Its arguments, in rt.args, are offsets into request.
func (rt *redisRoute) next(b []byte) (n int, request []byte, err error) {
	if !resp.IsInline(b) {
		n, rt.args, err = resp.ConsumeRequest(b, rt.args)
		return n, b[:n], err
	}
	n, rt.inline, err = resp.ConsumeInline(b, rt.inline[:0])
	if err != nil || n == 0 {
		return n, nil, err
	}
	_, rt.args, err = resp.ConsumeRequest(rt.inline, rt.args)
	return n, rt.inline, err
}

// measured looks on through a long incomplete request, so that its pieces are not parsed over and over. It tells whether
// there is something to parse, and how long it is if it is a request.
func (c *client) measured(b []byte) (n int, ok bool) {
	if len(b) < int(c.progress.pos) {
		return 0, false
	}
	n, next, err := resp.MeasureRequest(b, c.progress.redis())
	if n == 0 && err == nil {
		c.progress = requestProgress{int32(next.Pos), int32(next.Left)}
		if int64(next.Pos) > c.pool.spec.MaxRequestBytes {
			c.refuseSize()
		}
		return 0, false
	}
	c.progress = requestProgress{}
	return n, true
}

// mostHeadArgs is how many arguments of a long request are looked at before it is known what it asks: more than an error about
// an unknown command shows, and than usually are in front of the keys.
const mostHeadArgs = 64

// maxOptions is how many arguments a request may have whose keys are anywhere among them: they are looked at in one turn.
const maxOptions = 64 << 10

// longRequest routes a request that may have very many arguments.
func (c *client) longRequest(b []byte) {
	l := c.pool.l
	l.io.Spent += requestToll
	count, args := resp.RequestHead(b, l.redisRoute.args, mostHeadArgs)
	l.redisRoute.args = args
	if count > 0 {
		c.redisRequest(b, args, count)
	}
}

// divideRedis sends each server the part of a long request that concerns its keys.
func (c *client) divideRedis(cmd *resp.Command, b []byte, name resp.Span, keys int) {
	if keys == 1 || len(c.pool.servers) == 1 && !c.pool.wantsKeyErrors(cmd) {
		key, _ := resp.NextArg(b, name.End())
		c.forward(cmd, b, c.pool.placeOne(key.Of(b)))
		return
	}
	if w := c.beginDivision(b, c.pool.redisFanout(cmd), keys); w != nil {
		w.request.command = cmd
		c.pool.l.memory.Skip(w.b, name.End())
	}
}

// wantsKeyErrors tells whether an error reply of a server is to stand for each of its keys.
func (p *pool) wantsKeyErrors(cmd *resp.Command) bool {
	return cmd.Merge.PerKey && p.spec.MGetErrors == link.MGetErrorsPerKey
}

// refuseProtocol answers bytes that are no request and ends the connection: nothing tells where the next one begins.
func (c *client) refuseProtocol(err error) {
	l := c.pool.l
	*c.pool.counters[link.ClientErr]++
	l.log(logevent.ProtocolError, c.pool.name, c.id, c.peer(), err)
	l.scratch = resp.AppendProtocolError(l.scratch[:0], err)
	c.respond(l.scratch)
	c.leave(link.NoRequest)
}

// redisRequest looks up one request of count arguments, the first of which are args, in the command table, and has it routed.
func (c *client) redisRequest(b []byte, args []resp.Span, count int) {
	cmd := resp.Lookup(args[0].Of(b))
	if c.session.eachRequest {
		c.beginRequest(cmd)
	}
	if !c.session.authenticated && (cmd == nil || !beforeAuth(cmd)) {
		c.noteUnauthenticated(cmd)
		c.reject(resp.AppendError(c.pool.l.scratch[:0], c.pool.needsLogin(resp.NotLoggedIn)))
		return
	}
	if cmd == nil {
		c.noteRefusal(shownName(args[0].Of(b)), noSuchCommand)
		c.reject(resp.AppendUnknownCommand(c.pool.l.scratch[:0], b, args))
		return
	}
	if len(cmd.Subs) > 0 {
		if cmd = c.subcommand(cmd, b, args); cmd == nil {
			return
		}
	}
	if (cmd.Route != resp.Refuse || len(cmd.Subs) > 0) && !cmd.CheckArity(count) {
		c.rejectArity(cmd)
		return
	}
	if c.session.limits != nil && !c.permits(cmd, b, args, count) {
		return
	}
	if c.pool.pause.on && c.pool.pause.stops(cmd) {
		c.waits = waitsForUnpause
		return
	}
	if c.last = cmd.ID + 1; c.counted {
		c.counted = false
	} else {
		c.pool.countCommand(cmd)
		if len(c.pool.l.observed) > 0 {
			c.observeRedis(cmd, b, args)
		}
	}
	c.routeRedis(cmd, b, args, count)
}

// routeRedis brings a well-formed request to where it is answered, if the client's session allows it.
func (c *client) routeRedis(cmd *resp.Command, b []byte, args []resp.Span, count int) {
	if c.session.monitor != nil && cmd.UsesKeyspace() {
		c.reject(resp.AppendError(c.pool.l.scratch[:0], resp.MonitorsOnly))
		return
	}
	if c.pool.replicas != nil && c.pool.replicas.own > 0 {
		c.noteWrite(cmd)
	}
	if c.session.tx != nil && !isNeverQueued(cmd) {
		c.queueRequest(cmd, b, args, count)
		return
	}
	if c.session.subscriptions != nil && !c.allowsCommand(cmd) {
		return
	}
	switch c.pool.routes[cmd.ID] {
	case resp.Forward:
		c.forwardRedis(cmd, b, args, count)
	case resp.Fragment:
		c.fanOutRedis(cmd, b, args, count)
	case resp.Keyless:
		if cmd.Kills {
			c.forwardAll(cmd, b, args)
			return
		}
		c.forward(cmd, b, c.pool.placement.fixed())
	case resp.All:
		c.forwardAll(cmd, b, args)
	case resp.Scan:
		c.scan(cmd, b, args)
	case resp.Local:
		localAnswers[cmd.Local](c, cmd, b, args, count)
	case resp.Solo:
		c.refuse(cmd, needsSolo, resp.AppendNeedsSolo)
	case routeUsers:
		c.answerACL(cmd, b, args, count)
	case routeDenied:
		c.refuse(cmd, deniedByPool, resp.AppendDenied)
	default:
		c.refuse(cmd, notSupported, resp.AppendNotSupported)
	}
}

// refuse answers a command that clients of the pool cannot use. Where the client's next requests would mean something else after it
// (those behind MULTI are not to be executed), they are not processed and the connection ends, as with nutcracker.
func (c *client) refuse(cmd *resp.Command, reason string, appendError func(dst []byte, cmd *resp.Command) []byte) {
	c.noteRefusal(cmd.Name, reason)
	c.respondScratch(appendError(c.pool.l.scratch[:0], cmd))
	if cmd.ChangesMode {
		c.leave(link.Refused)
	}
}

// beforeAuth tells whether a client that is not authenticated may send this command.
func beforeAuth(cmd *resp.Command) bool {
	switch cmd.Local {
	case resp.LocalAuth, resp.LocalHello, resp.LocalQuit, resp.LocalReset, resp.LocalHangUp:
		return true
	}
	return false
}

// subcommand resolves the row of a container command's subcommand, or answers that there is none.
func (c *client) subcommand(cmd *resp.Command, b []byte, args []resp.Span) *resp.Command {
	row := cmd.Resolve(b, args)
	if row != nil {
		return row
	}
	c.noteRefusal(cmd.Name, noSuchSub)
	c.reject(resp.AppendUnknownSubcommand(c.pool.l.scratch[:0], b, args))
	return nil
}

// forwardRedis sends a request to the one server that all its keys live on, or refuses it.
func (c *client) forwardRedis(cmd *resp.Command, b []byte, args []resp.Span, count int) {
	if cmd.HasOneKey() {
		c.forward(cmd, b, c.pool.placeOne(args[1].Of(b)))
		return
	}
	l, p := c.pool.l, c.pool
	var other *resp.OtherDB
	blocks := cmd.Blocking && cmd.Blocks(b, args)
	if blocks && len(args) < count {
		c.forwardOptions(cmd, b, count)
		return
	}
	alone, row, err := cmd.Locate(b, args, count, l.redisRoute.keys)
	l.redisRoute.keys = alone
	switch {
	case errors.Is(err, resp.ErrMoreArgs):
		c.forwardOptions(cmd, b, count)
		return
	case errors.As(err, &other):
		if failure := c.refuseOtherDB(other); failure != nil {
			c.respondScratch(failure)
			return
		}
	case errors.Is(err, resp.ErrForeign):
		if p.placement.divides() && p.cluster == nil { // whose nodes refuse themselves what is not theirs
			c.noteRefusal(cmd.Name, foreignKeys)
			c.respondScratch(resp.AppendForeign(l.scratch[:0], cmd))
			return
		}
	case err != nil:
		c.respondScratch(resp.AppendError(l.scratch[:0], err.Error()))
		return
	}
	if blocks {
		c.block(cmd, b, args, alone, row)
		return
	}
	c.forwardTogether(cmd, b, args, count, alone, row)
}

// forwardOptions is forwardRedis for a long request whose first arguments do not tell the keys.
func (c *client) forwardOptions(cmd *resp.Command, b []byte, count int) {
	l := c.pool.l
	if count > maxOptions {
		c.respondScratch(resp.AppendTooMany(l.scratch[:0], cmd, maxOptions))
		return
	}
	_, l.redisRoute.args, _ = resp.ConsumeRequest(b, l.redisRoute.args)
	c.forwardRedis(cmd, b, l.redisRoute.args, count)
}

// fanOutRedis sends each server the part of a request that concerns its keys.
func (c *client) fanOutRedis(cmd *resp.Command, b []byte, args []resp.Span, count int) {
	l, p := c.pool.l, c.pool
	_, keys, err := cmd.Locate(b, args, count, l.redisRoute.keys)
	if err != nil {
		c.respondScratch(resp.AppendError(l.scratch[:0], err.Error()))
		return
	}
	if len(b) >= longBytes {
		c.divideRedis(cmd, b, args[0], keys.Count)
		return
	}
	if keys.Count == 1 {
		c.forward(cmd, b, p.placeOne(args[keys.First].Of(b)))
		return
	}
	f := p.redisFanout(cmd)
	for i := range keys.Count {
		p.fanouts.assign(f, p.placeAmong(args[keys.First+i*keys.Step].Of(b)))
	}
	r := l.requests.get()
	r.command = cmd
	r.bytes = int32(len(b))
	c.push(r)
	c.dispatch(r, f, func(dst []byte, part []int32) []byte {
		return resp.AppendFragment(dst, b, args, cmd, part)
	})
}

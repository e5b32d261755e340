// The requests of memcached clients, and the servers that they go to.

package core

import (
	"errors"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// memcacheRoute is the request at hand, as its route sees it. Its slices serve one request after the other. Loop only.
type memcacheRoute struct {
	keys  []memcache.Span
	key   []byte             // the only one, where that is not in the request as it is placed
	form  memcache.ReplyForm // of the reply
	text  []byte             // a binary request, rewritten as text, which is what servers get
	reply []byte             // to a request that has a form
}

// trim frees the memory of one large request or reply.
func (rt *memcacheRoute) trim(m *memory.Allocator) {
	if cap(rt.keys) > maxKeptArgs {
		rt.keys = nil
	}
	for _, b := range []*[]byte{&rt.text, &rt.reply} {
		if cap(*b) > maxKeptScratchBytes {
			m.CountGarbage(cap(*b))
			*b = nil
		}
	}
}

// processMemcache processes the requests at the front of b, until one is incomplete or the client is muted, and returns how
// many bytes those are.
func (c *client) processMemcache(b []byte) (used int) {
	c.waits = waitsForNothing
	if c.dialect != dialectText && c.isBinary(b) {
		return c.processBinary(b)
	}
	l := c.pool.l
	used = c.skipped(b)
	if c.progress != (requestProgress{}) && !c.measuredMemcache(b) {
		return used // which is 0: what is skipped is not measured
	}
	for used < len(b) && !c.muted() {
		if !c.session.authenticated {
			l.io.Spent += requestToll
			n := c.admitMemcache(b[used:])
			if n == 0 {
				return used
			}
			used += n
			continue
		}
		var (
			n   int
			r   memcache.Request
			err error
		)
		r, l.memcacheRoute.keys, n, err = memcache.ConsumeRequest(b[used:], l.memcacheRoute.keys)
		if n == 0 && err == nil {
			if len(b)-used >= stream.DirectBytes {
				c.measuredMemcache(b[used:])
			}
			if int64(c.progress.pos) > c.pool.spec.MaxRequestBytes {
				return used + c.skipMemcache(&r, int(c.progress.pos), len(b)-used)
			}
			return used
		}
		l.io.Spent += requestToll
		if err != nil {
			used += c.refuseMemcache(err, n, b[used:])
			continue
		}
		if int64(n) > c.pool.spec.MaxRequestBytes {
			used += c.skipMemcache(&r, n, n)
			continue
		}
		l.memcacheRoute.form = r.Form()
		c.memcacheRequest(b[used:used+n], &r, l.memcacheRoute.keys)
		used += n
	}
	return used
}

// skipped returns how many of b belong to a request that is refused already.
func (c *client) skipped(b []byte) (used int) {
	used = min(len(b), int(c.skip))
	c.skip -= uint32(used)
	return used
}

// measuredMemcache continues measuring a long incomplete request, so that its pieces are not parsed over and over. It tells
// whether there is something to parse.
func (c *client) measuredMemcache(b []byte) bool {
	if len(b) < int(c.progress.pos) {
		return false
	}
	n, next, err := memcache.MeasureRequest(b, c.progress.memcache())
	if n == 0 && err == nil {
		c.progress = requestProgress{int32(next.Pos), int32(next.Scan)}
		return false
	}
	c.progress = requestProgress{}
	return true
}

// skipMemcache answers a request of more than max_request_bytes without keeping it: size bytes are to be skipped, have of
// which are here. It returns how many of those it has skipped.
func (c *client) skipMemcache(r *memcache.Request, size, have int) (used int) {
	c.progress = requestProgress{}
	*c.pool.counters[link.ClientErr]++
	if !r.NoReply {
		c.respond([]byte(memcache.TooLarge))
	}
	used = min(size, have)
	c.skip = uint32(size - used)
	return used
}

// refuseMemcache answers bytes at the front of b that are no request: n of them are to be skipped. It returns how many of b
// it has skipped.
func (c *client) refuseMemcache(err error, n int, b []byte) (used int) {
	have := len(b)
	var fault *memcache.RequestError
	if !errors.As(err, &fault) {
		c.leave(link.NoRequest)
		return have
	}
	if fault.Reply != "" {
		c.respond([]byte(fault.Reply))
	}
	if fault.Close {
		*c.pool.counters[link.ClientErr]++
		c.pool.l.log(logevent.ProtocolError, c.pool.name, c.id, c.peer(), err)
		c.leave(link.NoRequest)
		return have
	}
	c.noteMemcache(b)
	used = min(n, have)
	c.skip = uint32(n - used)
	return used
}

// memcacheRequest routes one request by the command table.
func (c *client) memcacheRequest(b []byte, r *memcache.Request, keys []memcache.Span) {
	p := c.pool
	p.countFamily(familyOfMemcache(r.Cmd))
	if len(p.l.observed) > 0 {
		c.observeMemcache(r, b, keys)
	}
	switch r.Cmd.Route {
	case memcache.Forward:
		c.forwardKey(b, r, keys[0])
	case memcache.Fragment:
		c.fanOutMemcache(b, r, keys)
	case memcache.Broadcast:
		c.broadcast(b, r)
	case memcache.Keyless:
		c.forwardMemcache(b, r, p.placement.fixed())
	case memcache.NoOp:
		c.respond(noOpReply)
	default: // quit
		c.leave(link.HungUp)
	}
}

var noOpReply = []byte(memcache.NoOpReply)

// forwardKey sends a request to the server of its only key.
func (c *client) forwardKey(b []byte, r *memcache.Request, span memcache.Span) {
	key := span.Of(b)
	if r.EncodedKey {
		rt := &c.pool.l.memcacheRoute
		rt.key = r.AppendKey(rt.key[:0], b, span)
		key = rt.key
	}
	server := c.pool.placeOne(key)
	if r.Cmd.IsMeta() && r.Cmd.HasData {
		c.pool.l.sampling.forgo() // the server may be asked for its version first
		c.forwardMeta(b, r, server)
		return
	}
	c.forwardMemcache(b, r, server)
}

// forwardMemcache sends a request to one server. noreply is not sent on: the server's reply tells when the request is done.
func (c *client) forwardMemcache(b []byte, r *memcache.Request, server int) {
	l := c.pool.l
	if !r.Plain() {
		l.scratch = memcache.AppendForward(l.scratch[:0], b, r)
		b = l.scratch
	}
	req := c.oweMemcache(len(b), r)
	c.pool.forward(req, c, server, b, &c.stream)
}

// oweMemcache appends a request to the client's out queue.
func (c *client) oweMemcache(size int, r *memcache.Request) *request {
	req := c.pool.l.requests.get()
	req.bytes = int32(size)
	if r.NoReply {
		req.state |= isNoReply
	}
	req.setForm(c.pool.l.memcacheRoute.form)
	c.push(req)
	return req
}

// fanOutMemcache sends each server the part of a request that concerns its keys.
func (c *client) fanOutMemcache(b []byte, r *memcache.Request, keys []memcache.Span) {
	if len(keys) == 1 {
		c.forwardMemcache(b, r, c.pool.placeOne(keys[0].Of(b)))
		return
	}
	f := c.pool.fanouts.get()
	if len(b) >= longBytes {
		f.protocol.(*memcacheFanout).request = *r
		c.beginDivision(b, f, len(keys))
		return
	}
	for _, key := range keys {
		c.pool.fanouts.assign(f, c.pool.placeAmong(key.Of(b)))
	}
	c.dispatchMemcache(b, r, keys, f)
}

// broadcast sends a request to every server.
func (c *client) broadcast(b []byte, r *memcache.Request) {
	f := c.pool.fanouts.get()
	for i := range c.pool.placement.all {
		c.pool.fanouts.assign(f, i)
	}
	c.dispatchMemcache(b, r, nil, f)
}

func (c *client) dispatchMemcache(b []byte, r *memcache.Request, keys []memcache.Span, f *fanout) {
	m := f.protocol.(*memcacheFanout)
	m.init(b, r, keys)
	req := c.oweMemcache(len(b), r)
	c.dispatch(req, f, func(dst []byte, part []int32) []byte {
		if m.request.Cmd.Route == memcache.Broadcast {
			return memcache.AppendForward(dst, m.line, &m.request)
		}
		return memcache.AppendFragment(dst, m.line, &m.request, m.keys, part)
	})
}

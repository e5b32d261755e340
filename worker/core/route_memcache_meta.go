// Meta commands with data. They wait until it is known that their server does not take the data for commands, as memcached
// before 1.6.10 does: the first one on a server connection is preceded by a question for the server's version.

package core

import (
	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// metaSupport is what is known of the server at the other end of a connection.
type metaSupport uint8

const (
	metaUnknown metaSupport = iota
	metaKnown               // it knows the meta commands
	metaForeign             // it does not
	metaAwaited             // it must know them: some of what waits for the connection may be one
)

// versionCheck is what a request waits for whose server is asked for its version. Loop only.
type versionCheck struct {
	server int
	reply  []byte // to the question
}

// forwardMeta sends a request with data to its server, or refuses it. The server may be asked first.
func (c *client) forwardMeta(b []byte, r *memcache.Request, server int) {
	p, l := c.pool, c.pool.l
	known := metaKnown
	if server >= 0 {
		known = c.serverConn(server).meta
	}
	switch {
	case known == metaKnown:
		c.forwardMemcache(b, r, server)
		return
	case known == metaForeign:
		c.respondScratch(c.refuseMeta(l.memcacheRoute.form))
		return
	case !r.Plain():
		l.scratch = memcache.AppendForward(l.scratch[:0], b, r)
		b = l.scratch
	}
	whole, err := c.stream.ClaimOrCopy(l.memory, b)
	if err != nil {
		c.respondScratch(l.memcacheRoute.form.Append(l.scratch[:0], p.errorText(errNoMemory)))
		return
	}
	w := c.walkOver(whole, 0, &versionCheck{server: server})
	w.request.setForm(l.memcacheRoute.form)
	w.asks = l.requests.get()
	w.asks.state |= isReformed
	w.asks.bytes = int32(len(p.ping))
	c.push(w.asks)
	p.forward(w.asks, c, server, p.ping, nil)
}

// refuseMeta returns the refusal of a request with data whose server does not know the meta commands.
func (c *client) refuseMeta(form memcache.ReplyForm) []byte {
	c.noteRefusal("ms", needsMeta)
	return form.Append(c.pool.l.scratch[:0], needsMetaReply)
}

var needsMetaReply = []byte(memcache.NeedsMeta)

// came is called with the reply to the question, or with the error that stands for none.
func (v *versionCheck) came(reply []byte) { v.reply = append(v.reply, reply...) }

func (v *versionCheck) nextKey(*keyWalk, *pool) (copied int) { return 0 }

// send sends the request, or answers it with what came instead of the server's version.
func (v *versionCheck) send(w *keyWalk, c *client) {
	p := c.pool
	conn := c.serverConn(v.server)
	switch {
	case memcache.KnowsMeta(v.reply):
		conn.meta = metaKnown
		var body stream.Output
		body.Adopt(w.b)
		p.forwardOutput(w.request, c, v.server, nil, &body)
		return
	case isServing(p.spec.Protocol, v.reply):
		conn.meta = metaForeign
		c.noteRefusal("ms", needsMeta)
		v.reply = needsMetaReply
	}
	p.l.memory.Put(w.b)
	p.l.answer(w.request, v.reply, nil)
}

func (v *versionCheck) cost() (bytes int) { return cap(v.reply) }

func (v *versionCheck) drop(*memory.Allocator) {}

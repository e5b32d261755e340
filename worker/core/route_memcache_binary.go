// Clients of memcached pools that speak the binary protocol. What they ask is rewritten as text and goes the way of text; the
// form of the request brings the reply back into theirs.

package core

import (
	"fmt"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// dialect is the protocol of memcached that a client has chosen with its first byte.
type dialect uint8

const (
	dialectUnknown dialect = iota
	dialectText
	dialectBinary
)

// isBinary tells whether the client, which sends b, speaks the binary protocol.
func (c *client) isBinary(b []byte) bool {
	if c.dialect == dialectUnknown && c.skip == 0 && len(b) > 0 {
		c.dialect = dialectText
		if b[0] == memcache.BinaryMagic {
			c.dialect = dialectBinary
		}
	}
	return c.dialect == dialectBinary
}

// processBinary is processMemcache for the binary protocol.
func (c *client) processBinary(b []byte) (used int) {
	l := c.pool.l
	used = c.skipped(b)
	for used < len(b) && !c.muted() {
		if b[used] != memcache.BinaryMagic {
			*c.pool.counters[link.ClientErr]++
			l.log(logevent.NotBinary, c.pool.name, c.id, c.peer(), b[used])
			c.leave(link.NoRequest)
			return len(b)
		}
		have := len(b) - used
		r := memcache.ConsumeBinary(b[used:])
		if r.Size == 0 {
			return used
		}
		l.memcacheRoute.form = r.Form
		step := c.authStep(&r)
		switch {
		case step == memcache.AuthPlain && r.Size > have:
			return used
		case step != memcache.AuthNone:
			c.sasl(&r, step)
		case !c.session.authenticated && !r.BeforeAuth():
			c.noteRefusal(fmt.Sprintf("opcode %#02x", r.Form.Opcode), noPassword)
			c.respondScratch(r.Form.AppendStatus(l.scratch[:0], memcache.StatusDenied))
			c.leave(link.NoRequest)
			return len(b)
		case r.Status != 0:
			c.refuseBinary(&r, r.Status)
		case int64(r.Size) > c.pool.spec.MaxRequestBytes:
			c.refuseBinary(&r, memcache.StatusTooLarge)
		case r.Size > have:
			return used
		default:
			c.binaryRequest(b[used:used+r.Size], &r)
		}
		l.io.Spent += requestToll
		n := min(r.Size, have)
		c.skip = uint32(r.Size - n)
		used += n
	}
	return used
}

// authStep returns what a request asks of SASL, which there is in pools where clients log in.
func (c *client) authStep(r *memcache.BinaryRequest) memcache.AuthStep {
	if !c.pool.hasLogin() || r.Close {
		return memcache.AuthNone
	}
	return r.Auth()
}

// refuseBinary answers a request that is not forwarded.
func (c *client) refuseBinary(r *memcache.BinaryRequest, status memcache.BinaryStatus) {
	if status == memcache.StatusUnknown {
		c.noteRefusal(fmt.Sprintf("opcode %#02x", r.Form.Opcode), noSuchCommand)
	} else {
		*c.pool.counters[link.ClientErr]++
	}
	c.respondScratch(r.Form.AppendStatus(c.pool.l.scratch[:0], status))
	if r.Close {
		c.leave(link.NoRequest)
	}
}

// failurePacket returns an error as the reply to the request that the client has begun to send; nil: there is none, or its header
// is not complete.
func (c *client) failurePacket(text []byte) []byte {
	b := c.stream.Kept()
	if len(b) == 0 || b[0] != memcache.BinaryMagic {
		return nil
	}
	r := memcache.ConsumeBinary(b)
	if r.Size == 0 {
		return nil
	}
	return r.Form.Append(nil, text)
}

// binaryRequest routes the request b, which is here as a whole.
func (c *client) binaryRequest(b []byte, r *memcache.BinaryRequest) {
	l := c.pool.l
	rt := &l.memcacheRoute
	switch {
	case r.NoOp:
		c.respondScratch(r.Form.AppendStatus(l.scratch[:0], 0))
		return
	case r.Quit:
		c.respondScratch(r.AppendQuitReply(l.scratch[:0]))
		c.leave(link.HungUp)
		return
	case r.HasValue() && len(r.Value) >= memory.ClaimBytes && c.forwardValue(b, r):
		c.pool.countFamily(link.Stores)
		if len(l.observed) > 0 {
			c.observe("set", r.Key, len(r.Value))
		}
		return
	}
	text, failure := r.AppendText(rt.text[:0])
	rt.text = text
	if failure != 0 {
		c.refuseBinary(r, failure)
		return
	}
	var (
		request memcache.Request
		err     error
	)
	request, rt.keys, _, err = memcache.ConsumeRequest(text, rt.keys)
	if err != nil {
		c.respondScratch(r.Form.Append(l.scratch[:0], []byte(err.Error())))
		return
	}
	c.memcacheRequest(text, &request, rt.keys)
}

// forwardValue is binaryRequest for one with a long value, which is not copied. It does nothing, and returns false, if the server
// must be asked for its version first.
func (c *client) forwardValue(b []byte, r *memcache.BinaryRequest) bool {
	p, l := c.pool, c.pool.l
	server := p.placement.one(r.Key)
	if server < 0 || c.serverConn(server).meta != metaKnown {
		return false
	}
	head, failure := r.AppendHead(l.memcacheRoute.text[:0])
	l.memcacheRoute.text = head
	if failure != 0 {
		c.refuseBinary(r, failure)
		return true
	}
	before := len(b) - len(r.Value)
	whole, err := c.stream.ClaimOrCopy(l.memory, b)
	if err != nil {
		c.respondScratch(r.Form.Append(l.scratch[:0], p.errorText(errNoMemory)))
		return true
	}
	l.memory.Skip(whole, before)
	var body stream.Output
	body.Adopt(whole)
	body.Append(l.memory, lineEnd)
	req := l.requests.get()
	req.bytes = int32(len(head) + body.Len())
	req.setForm(r.Form)
	c.push(req)
	p.forwardOutput(req, c, server, head, &body)
	return true
}

// Replies that do not reach the client as the server has sent them: not at all, where it wants none (noreply of memcached, CLIENT REPLY
// of Redis), or in another form. Servers reply to every request, since replies are paired in order.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/memory"
)

// noReply tells whether the client wants no reply to r.
func (r *request) noReply() bool { return r.state&isNoReply != 0 }

// reform returns the reply to r as the client gets it, a long one as whole; neither: it gets none. What depends on the reply happens.
func (c *client) reform(r *request, reply []byte) (reformed []byte, whole *memory.Buffer) {
	l := c.pool.l
	rt := &l.memcacheRoute
	switch {
	case c.walk != nil && c.walk.asks == r:
		c.walkAsked(reply)
		return nil, nil
	case r.command == resp.TrackEverywhere:
		c.trackedEverywhere(reply)
	case r.isWatch():
		c.watchAnswered(reply)
	}
	switch {
	case r.noReply():
		return nil, nil
	case !r.form.IsPacket():
		if r.form.Hides(reply) {
			return nil, nil
		}
		return reply, nil
	}
	if size := r.form.MaxBytes(reply); size >= memory.ClaimBytes {
		if whole, err := l.memory.Get(size); err == nil {
			whole.B = r.form.Append(whole.B[:0], reply)
			return nil, whole
		}
		reply = c.pool.errorText(errNoMemory)
	}
	rt.reply = r.form.Append(rt.reply[:0], reply)
	return rt.reply, nil
}

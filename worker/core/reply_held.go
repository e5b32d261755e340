// Replies that wait for those to earlier requests of the same client.

package core

import (
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// heldReply is a reply that waits in its request; nothing where the client wants none.
type heldReply struct {
	b        *memory.Buffer
	from, to int32 // in b, which is a shelf; to = 0: b is this reply's alone
}

func (h *heldReply) bytes() []byte {
	if h.to == 0 {
		return h.b.Bytes()
	}
	return h.b.B[h.from:h.to]
}

// holdReply keeps reply. One that is long gets a buffer of its own, the one in which it came if that can be. The others stand on
// the client's shelf, side by side: of a pipeline over several servers most replies wait, and with a buffer for each the
// memory that they lie in would be many times what they are.
func (c *client) holdReply(reply []byte, in *stream.Stream) (h heldReply) {
	switch {
	case len(reply) == 0:
		return h
	case len(reply) >= memory.ClaimBytes:
		h.b = c.pool.bufferReply(reply, in)
		c.held += h.b.Cost()
		return h
	}
	s := c.shelf
	if s == nil || cap(s.B)-len(s.B) < len(reply) {
		s = c.pool.l.memory.TakeChunk(max(len(reply), shelfAfter(s)))
		c.shelf = s
		c.held += s.Cost()
	}
	s.Users++
	h.b, h.from = s, int32(len(s.B))
	s.B = append(s.B, reply...)
	h.to = int32(len(s.B))
	return h
}

// shelfAfter returns how large a shelf is that follows s, which is full.
func shelfAfter(s *memory.Buffer) (bytes int) { return min(2*cap(s.Bytes()), memory.LargestChunkBytes) }

// dropHeldReply lets go of the reply that r, which has left the out queue, has held.
func (c *client) dropHeldReply(r *request) {
	b := r.reply.b
	if r.reply.to > 0 {
		b.Users--
		if b.Users > 0 {
			b = nil
		} else if b == c.shelf {
			c.shelf = nil
		}
	}
	r.reply = heldReply{}
	c.held -= b.Cost()
	c.pool.l.memory.Give(b)
}

// Replies that wait for those to earlier requests of the same client.

package core

import (
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// heldReply is a reply that waits in its request; empty with noreply.
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

// holdReply buffers a reply that has to wait. A long one gets its own buffer, if possible the one in which it came. Short
// ones share the client's shelf: in a pipeline over several servers most replies wait, and a buffer for each would cost many
// times their bytes.
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
		s = c.pool.l.memory.GetChunk(max(len(reply), shelfAfter(s)))
		c.shelf = s
		c.held += s.Cost()
	}
	s.Users++
	h.b, h.from = s, int32(len(s.B))
	s.B = append(s.B, reply...)
	h.to = int32(len(s.B))
	return h
}

// shelfAfter returns the size of the shelf that follows s, which is full.
func shelfAfter(s *memory.Buffer) (bytes int) { return min(2*cap(s.Bytes()), memory.LargestChunkBytes) }

// dropHeldReply frees the reply that r, which has left the out queue, has held.
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
	c.pool.l.memory.Put(b)
}

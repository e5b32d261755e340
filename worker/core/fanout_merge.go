// The reply to a request that went out as several, made of theirs. Where those are long, many values or large ones, it is made
// a slice per turn, as fast as the client takes it, when all of them are here. Large values are not copied.

package core

import (
	"errors"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// merger is how a protocol makes one reply of several.
type merger interface {
	// merge appends the reply that the replies to the fragments of f amount to. The elements of replies are used up.
	merge(dst []byte, f *fanout, replies [][]byte) []byte
	// perKey tells whether that is a list of something for each key. Only one that is can be made key by key, as follows.
	perKey() bool

	// openList takes off the replies to f what is before their first values, unless there is a failure, which is the reply
	// instead. The count of a fragment that has failed alone becomes failedPart.
	openList(f *fanout, replies [][]byte) (failure []byte)
	// appendListHead appends what a list for so many keys begins with.
	appendListHead(dst []byte, keys int) []byte
	// frontValue returns the size of the next key's value at the front of rest; 0: it has none. If !ok there is something that
	// is no value.
	frontValue(f *fanout, rest []byte) (size int, ok bool)
	// appendListEnd appends what a list ends with, of whose parts only these rests are left.
	appendListEnd(dst []byte, rests []*memory.Buffer) []byte
}

// maxMergedBytes is how much of a merged reply waits to be written. More of it is made when that is.
const maxMergedBytes = stream.MaxSendBytes

var errUnmergeable = errors.New("server answered with an error within a list of values, when the reply had begun")

// mergeAtOnce answers r with what the replies to its fragments amount to, of which only reply, the last, does not wait. If it
// is next, the reply is put together where it is written from.
func (c *client) mergeAtOnce(r *request, fragment int32, reply []byte) {
	l, f := c.pool.l, r.fanout
	r.client = nil
	c.held -= f.size
	if r.noReply() {
		c.answered(r, nil, nil)
		return
	}
	replies, size := f.replies(), mergedHeadBytes+len(reply)
	for _, waiting := range replies {
		size += len(waiting)
	}
	replies[fragment] = reply
	if r != c.head || r.state&isReformed != 0 || size > memory.LargestChunkBytes {
		merged := f.protocol.merge(l.scratch[:0], f, replies)
		l.scratch = merged
		c.answered(r, merged, nil)
	} else {
		c.active = l.ticks()
		merged := f.protocol.merge(c.stream.Out.Reserve(l.memory, size), f, replies)
		c.stream.Out.Extend(l.memory, merged)
		c.shiftAnswered()
		c.deliver()
	}
	clear(replies)
}

// mergedHeadBytes is more than a merged reply has that is in none of the replies, but for errors that are repeated.
const mergedHeadBytes = 32

// replies returns the replies that wait, valid until another fanout is asked. The caller must clear them.
func (f *fanout) replies() [][]byte {
	fs := &f.pool.fanouts
	fs.replies = fs.replies[:0]
	for _, part := range f.parts {
		fs.replies = append(fs.replies, part.Bytes())
	}
	return fs.replies
}

// isLong tells whether the parts, with the last one, make a reply that is merged in slices.
func (f *fanout) isLong(last []byte) bool {
	size := len(last)
	for _, part := range f.parts {
		size += len(part.Bytes())
	}
	return size >= longBytes && f.protocol.perKey()
}

// gathered is called when the replies to all fragments of r have come and its reply is long.
func (c *client) gathered(r *request) {
	l, f := c.pool.l, r.fanout
	r.client = nil
	r.state |= isDone
	c.active = l.ticks()
	replies := f.replies()
	if failure := f.protocol.openList(f, replies); failure != nil {
		r.reply = c.holdReply(failure, nil)
		c.endMerge(r)
	} else {
		for i, part := range f.parts {
			before := part.Cost()
			l.memory.Skip(part, len(part.B)-len(replies[i]))
			c.uncharge(f, before-part.Cost())
		}
	}
	clear(replies)
	switch {
	case r == c.head:
		c.deliver()
	case c.overflows():
		c.markDirty()
	}
}

// isMerging tells whether the client's next reply is being merged.
func (c *client) isMerging() bool {
	return c.head != nil && c.head.state&isDone != 0 && c.head.fanout != nil
}

// merge goes on for a slice with the reply to r, the head of the out queue, and tells whether it is whole.
func (c *client) merge(r *request) bool {
	p, l, f := c.pool, c.pool.l, r.fanout
	if c.stream.Out.Len() >= maxMergedBytes && !c.moving.frozen() {
		return false
	}
	if f.merged == 0 {
		c.stream.Out.Append(l.memory, f.protocol.appendListHead(l.scratch[:0], len(f.owner)))
	}
	budget := sliceBytes
	for f.merged < len(f.owner) && budget > 0 {
		copied, ok := c.mergeKey(f)
		if !ok {
			l.log(logevent.ReplyUnmergeable, p.name, c.id, c.peer(), errUnmergeable)
			*p.counters[link.ClientErr]++
			c.closeFor(link.ReplyCut)
			return false
		}
		budget -= keyToll + copied
		f.merged++
	}
	l.io.Spent += sliceBytes - budget
	if f.merged < len(f.owner) {
		c.nextTurn()
		return false
	}
	c.stream.Out.Append(l.memory, f.protocol.appendListEnd(l.scratch[:0], f.parts))
	c.endMerge(r)
	return true
}

// mergeKey writes the next key's part of the reply.
func (c *client) mergeKey(f *fanout) (copied int, ok bool) {
	m, fragment := c.pool.l.memory, f.owner[f.merged]
	part := f.parts[fragment]
	if f.counts[fragment] == failedPart {
		c.stream.Out.Append(m, part.B)
		return len(part.B), true
	}
	size, ok := f.protocol.frontValue(f, part.B)
	if size == 0 {
		return 0, ok
	}
	before := part.Cost()
	copied = c.stream.Out.Move(m, part, size)
	c.uncharge(f, before-part.Cost())
	return copied, true
}

// uncharge takes n bytes that were freed off the account of f and of the client.
func (c *client) uncharge(f *fanout, n int) {
	f.size -= n
	c.held -= n
}

// endMerge frees what r needed for its reply.
func (c *client) endMerge(r *request) {
	c.uncharge(r.fanout, r.fanout.size)
	c.pool.fanouts.put(r.fanout)
	r.fanout = nil
}

// Long replies to divided requests: many values, or large ones, of which the reply is made a slice per turn, as fast as the
// client takes it, when the replies to all fragments are here. Large values are not copied.

package worker

import (
	"bytes"
	"errors"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// maxMergedBytes is how much of a merged reply waits to be written. More of it is made when that is.
const maxMergedBytes = stream.MaxSendBytes

// failedPart is the count of a fragment whose reply is an error, which stands for each of its keys.
const failedPart = -1

var errUnmergeable = errors.New("server answered with an error within a list of values, when the reply had begun")

// mergeAtOnce answers r with what the loop's replies amount to. If it is next, the reply is put together where it is written from.
func (c *client) mergeAtOnce(r *request) {
	l, f := c.pool.l, r.fanout
	r.client = nil
	size := mergedHeadBytes
	for _, reply := range l.replies {
		size += len(reply)
	}
	if r != c.head || r.state&isSilent != 0 || size > memory.LargestChunkBytes {
		l.merged = c.pool.merge(l.merged[:0], f, l.replies)
		c.answered(r, l.merged, nil)
		return
	}
	c.active = l.ticks()
	merged := c.pool.merge(c.stream.Out.Reserve(l.memory, size), f, l.replies)
	c.stream.Out.Extend(l.memory, merged)
	c.shift()
	c.deliver()
}

// mergedHeadBytes is more than a merged reply has that is in none of the replies, but for errors that are repeated.
const mergedHeadBytes = 32

// isLong tells whether the parts, with the last one, make a reply that is merged in slices.
func (f *fanout) isLong(last []byte) bool {
	size := len(last)
	for _, part := range f.parts {
		size += len(part.Bytes())
	}
	return size >= longBytes && f.isList()
}

// isList tells whether the reply is a list that has something for each key.
func (f *fanout) isList() bool {
	if f.redis != nil {
		return f.redis.Merge == resp.MergeArray
	}
	return f.memcache.Cmd.Merge == memcache.Values
}

// gathered is told that the replies to all fragments of r wait in its fanout.
func (c *client) gathered(r *request) {
	p, l, f := c.pool, c.pool.l, r.fanout
	r.client = nil
	r.state |= isDone
	c.active = l.ticks()
	l.replies = l.replies[:0]
	for _, part := range f.parts {
		l.replies = append(l.replies, part.B)
	}
	if failure := p.openMerge(f, l.replies); failure != nil {
		r.reply = c.hold(failure, nil)
		c.endMerge(r)
	} else {
		for i, part := range f.parts {
			before, head := part.Cost(), len(part.B)-len(l.replies[i])
			if head == 0 {
				f.counts[i] = failedPart
			}
			l.memory.Skip(part, head)
			c.used(f, before-part.Cost())
		}
	}
	clear(l.replies)
	switch {
	case r == c.head:
		c.deliver()
	case c.overflows():
		c.markDirty()
	}
}

// used is told that so many bytes of the parts wait no more.
func (c *client) used(f *fanout, n int) {
	f.size -= n
	c.held -= n
}

// endMerge gives back what r needed for its reply.
func (c *client) endMerge(r *request) {
	c.used(r.fanout, r.fanout.size)
	c.pool.l.giveFanout(r.fanout)
	r.fanout = nil
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
	if f.merged == 0 && f.redis != nil {
		c.stream.Out.Append(l.memory, resp.AppendArray(l.scratch[:0], len(f.owner)))
	}
	budget := sliceBytes
	for f.merged < len(f.owner) && budget > 0 {
		copied, ok := p.mergeKey(c, f)
		if !ok {
			l.logf(levelWarn, "pool %q: closing client %d at %s: %v", p.name, c.id, c.peer(), errUnmergeable)
			*p.counters[link.ClientErr]++
			c.close()
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
	if f.redis == nil {
		c.stream.Out.Append(l.memory, p.endOfValues(f))
	}
	c.endMerge(r)
	return true
}

// openMergeRedis looks at whether replies can be merged, and takes off them what is before the first value. A failure is the
// reply instead.
func (p *pool) openMergeRedis(f *fanout, replies [][]byte) (failure []byte) {
	return resp.OpenArrays(f.redis, f.counts, replies, p.spec.MGetErrors == link.MGetErrorsPerKey)
}

func openMergeMemcache(_ *fanout, replies [][]byte) (failure []byte) {
	return memcache.Failure(replies)
}

// mergeKeyRedis writes the value of the next key.
func mergeKeyRedis(c *client, f *fanout) (copied int, ok bool) {
	part := f.parts[f.owner[f.merged]]
	if f.counts[f.owner[f.merged]] == failedPart {
		c.stream.Out.Append(c.pool.l.memory, part.B)
		return len(part.B), true
	}
	size := resp.FrontElement(part.B)
	if size == 0 {
		return 0, false
	}
	return c.takeValue(f, part, size), true
}

// mergeKeyMemcache writes the value of the next key, if it has one.
func mergeKeyMemcache(c *client, f *fanout) (copied int, ok bool) {
	part := f.parts[f.owner[f.merged]]
	var key []byte
	if len(f.keys) > 0 {
		key = f.keys[f.merged].Of(f.line)
	} else {
		f.key = f.memcache.NextKey(f.line, f.key)
		key = f.key.Of(f.line)
	}
	name, size := memcache.FrontValue(part.B)
	if size == 0 || !bytes.Equal(name, key) {
		return 0, true
	}
	return c.takeValue(f, part, size), true
}

// takeValue moves the value at the front of a part to the output.
func (c *client) takeValue(f *fanout, part *memory.Buffer, size int) (copied int) {
	before := part.Cost()
	copied = c.stream.Out.Move(c.pool.l.memory, part, size)
	c.used(f, before-part.Cost())
	return copied
}

// endOfValues returns what the list ends with: an error if a server sent what nobody asked for.
func (p *pool) endOfValues(f *fanout) []byte {
	for _, part := range f.parts {
		if string(part.B) != memcache.EndLine {
			return []byte(memcache.InvalidArgument)
		}
	}
	return []byte(memcache.EndLine)
}

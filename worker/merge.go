// Long replies to divided requests: many values, or large ones, of which the reply is made a slice per turn, as fast as the
// client takes it, when the replies to all fragments are here. Large values are not copied.

package worker

import (
	"bytes"
	"errors"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// maxMergedBytes is how much of a merged reply waits to be written. More of it is made when that is.
const maxMergedBytes = maxSendBytes

// failedPart is the count of a fragment whose reply is an error, which stands for each of its keys.
const failedPart = -1

var errUnmergeable = errors.New("server answered with an error within a list of values, when the reply had begun")

// mergeAtOnce answers r with what the loop's replies amount to. If it is next, the reply is put together where it is written from.
func (c *client) mergeAtOnce(r *request) {
	l, s := c.pool.l, r.split
	r.client = nil
	size := mergedHeadBytes
	for _, reply := range l.replies {
		size += len(reply)
	}
	if r != c.head || r.state&isSilent != 0 || size > largestChunkBytes {
		l.merged = c.pool.merge(l.merged[:0], s, l.replies)
		c.answered(r, l.merged, nil)
		return
	}
	c.active = l.ticks()
	last := c.out.reserve(&l.memory, size)
	merged := c.pool.merge(last.B, s, l.replies)
	if len(merged) <= cap(last.B) {
		c.out.bytes += len(merged) - len(last.B)
		last.B = merged
	} else {
		c.out.append(&l.memory, merged[len(last.B):])
	}
	c.shift()
	c.deliver()
}

// mergedHeadBytes is more than a merged reply has that is in none of the replies, but for errors that are repeated.
const mergedHeadBytes = 32

// isLong tells whether the parts, with the last one, make a reply that is merged in slices.
func (s *split) isLong(last []byte) bool {
	size := len(last)
	for _, part := range s.parts {
		size += len(part.bytes())
	}
	return size >= longBytes && s.isList()
}

// isList tells whether the reply is a list that has something for each key.
func (s *split) isList() bool {
	if s.redis != nil {
		return s.redis.Merge == resp.MergeArray
	}
	return s.memcache.Cmd.Merge == memcache.Values
}

// gathered is told that the replies to all fragments of r wait in its split.
func (c *client) gathered(r *request) {
	p, l, s := c.pool, c.pool.l, r.split
	r.client = nil
	r.state |= isDone
	c.active = l.ticks()
	l.replies = l.replies[:0]
	for _, part := range s.parts {
		l.replies = append(l.replies, part.B)
	}
	if failure := p.openMerge(s, l.replies); failure != nil {
		r.reply = c.hold(failure, nil)
		c.endMerge(r)
	} else {
		for i, part := range s.parts {
			before, head := part.cost(), len(part.B)-len(l.replies[i])
			if head == 0 {
				s.counts[i] = failedPart
			}
			l.memory.skip(part, head)
			c.used(s, before-part.cost())
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
func (c *client) used(s *split, n int) {
	s.size -= n
	c.held -= n
}

// endMerge gives back what r needed for its reply.
func (c *client) endMerge(r *request) {
	c.used(r.split, r.split.size)
	c.pool.l.giveSplit(r.split)
	r.split = nil
}

// isMerging tells whether the client's next reply is being merged.
func (c *client) isMerging() bool {
	return c.head != nil && c.head.state&isDone != 0 && c.head.split != nil
}

// merge goes on for a slice with the reply to r, the head of the out queue, and tells whether it is whole.
func (c *client) merge(r *request) bool {
	p, l, s := c.pool, c.pool.l, r.split
	if c.out.bytes >= maxMergedBytes && c.state&frozen == 0 {
		return false
	}
	if s.merged == 0 && s.redis != nil {
		c.out.append(&l.memory, resp.AppendArray(l.scratch[:0], len(s.owner)))
	}
	budget := sliceBytes
	for s.merged < len(s.owner) && budget > 0 {
		copied, ok := p.mergeKey(c, s)
		if !ok {
			l.logf(levelWarn, "pool %q: closing client %d at %s: %v", p.name, c.id, c.peer(), errUnmergeable)
			p.counters[link.ClientErr]++
			c.close()
			return false
		}
		budget -= keyToll + copied
		s.merged++
	}
	l.spent += sliceBytes - budget
	if s.merged < len(s.owner) {
		c.markAgain()
		return false
	}
	if s.redis == nil {
		c.out.append(&l.memory, p.endOfValues(s))
	}
	c.endMerge(r)
	return true
}

// openMergeRedis looks at whether replies can be merged, and takes off them what is before the first value. A failure is the
// reply instead.
func (p *pool) openMergeRedis(s *split, replies [][]byte) (failure []byte) {
	return resp.OpenArrays(s.redis, s.counts, replies, p.spec.MGetErrors == link.MGetErrorsPerKey)
}

func openMergeMemcache(_ *split, replies [][]byte) (failure []byte) { return memcache.Failure(replies) }

// mergeKeyRedis writes the value of the next key.
func mergeKeyRedis(c *client, s *split) (copied int, ok bool) {
	part := s.parts[s.owner[s.merged]]
	if s.counts[s.owner[s.merged]] == failedPart {
		c.out.append(&c.pool.l.memory, part.B)
		return len(part.B), true
	}
	size := resp.FrontElement(part.B)
	if size == 0 {
		return 0, false
	}
	return c.takeValue(s, part, size), true
}

// mergeKeyMemcache writes the value of the next key, if it has one.
func mergeKeyMemcache(c *client, s *split) (copied int, ok bool) {
	part := s.parts[s.owner[s.merged]]
	var key []byte
	if len(s.keys) > 0 {
		key = s.keys[s.merged].Of(s.line)
	} else {
		s.key = s.memcache.NextKey(s.line, s.key)
		key = s.key.Of(s.line)
	}
	name, size := memcache.FrontValue(part.B)
	if size == 0 || !bytes.Equal(name, key) {
		return 0, true
	}
	return c.takeValue(s, part, size), true
}

// takeValue moves the value at the front of a part to the output.
func (c *client) takeValue(s *split, part *buffer, size int) (copied int) {
	before := part.cost()
	copied = c.out.move(&c.pool.l.memory, part, size)
	c.used(s, before-part.cost())
	return copied
}

// endOfValues returns what the list ends with: an error if a server sent what nobody asked for.
func (p *pool) endOfValues(s *split) []byte {
	for _, part := range s.parts {
		if string(part.B) != memcache.EndLine {
			return []byte(memcache.InvalidArgument)
		}
	}
	return []byte(memcache.EndLine)
}

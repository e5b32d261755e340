// Requests whose keys live on several servers: one fragment for each server, and one reply made of theirs.

package worker

import (
	"slices"
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// split is what a request that was split still needs until the last of its fragments is answered. A split is kept for
// reuse when it is done, with its slices.
type split struct {
	next  *split
	owner []int32   // for each key the fragment that asks for it
	parts []*buffer // for each fragment its reply
	left  int       // fragments without a reply; 0 until they are sent, and when all have come
	size  int       // bytes that all this takes, and the fragments
	own   int       // of them, those of the split itself

	counts []int32       // for each fragment its keys, or failedPart
	owners *buffer       // of a long request: the memory of owner
	whole  *buffer       // and that of line
	merged int           // of a reply that is being merged: keys whose values are written
	key    memcache.Span // the last of them

	admitted bool // each server has room for its fragment
	vain     bool // a fragment was given up, hence the whole

	redis *resp.Command // of a Redis request

	memcache memcache.Request // of a memcached one
	line     []byte           // its first line: merging needs the keys
	keys     []memcache.Span  // within line
}

// target is where one fragment of the request at hand goes.
type target struct {
	server int
	end    int32 // of its keys within the loop's parts; they begin where those of the fragment before end
}

// maxSpareSplits is how many are kept for reuse.
const maxSpareSplits = 256

// takeSplit returns an empty split for the request at hand.
func (l *loop) takeSplit() *split {
	l.targets = l.targets[:0]
	s := l.splits
	if s == nil {
		return new(split)
	}
	l.splits = s.next
	l.spareSplits--
	s.next = nil
	return s
}

// cost returns how many bytes s takes, without the replies and what is in buffers.
func (s *split) cost() int {
	cost := int(unsafe.Sizeof(*s)) + 4*cap(s.counts) + 8*cap(s.parts) + int(unsafe.Sizeof(memcache.Span{}))*cap(s.keys)
	if s.owners == nil {
		cost += 4 * cap(s.owner)
	}
	if s.whole == nil {
		cost += cap(s.line)
	}
	return cost
}

// dropParts forgets the replies that have come.
func (l *loop) dropParts(s *split) {
	for i, part := range s.parts {
		l.memory.give(part)
		s.parts[i] = nil
	}
}

func (l *loop) giveSplit(s *split) {
	l.dropParts(s)
	l.memory.held -= int64(s.own)
	s.own = 0
	l.memory.give(s.owners)
	l.memory.give(s.whole)
	if s.owners != nil {
		s.owner = nil
	}
	if s.whole != nil {
		s.line = nil
	}
	if cap(s.owner) > maxKeptArgs || cap(s.line) > firstChunkBytes || l.spareSplits == maxSpareSplits {
		return
	}
	l.spareSplits++
	*s = split{next: l.splits, owner: s.owner[:0], parts: s.parts[:0], counts: s.counts[:0], line: s.line[:0], keys: s.keys[:0]}
	l.splits = s
}

// assign gives a key that lives on server a fragment: the server's own, or a new one.
func (l *loop) assign(s *split, server int) {
	fragment := l.fragmentOf[server+1]
	if fragment < 0 {
		fragment = int32(len(l.targets))
		l.fragmentOf[server+1] = fragment
		l.targets = append(l.targets, target{server: server})
	}
	s.owner = append(s.owner, fragment)
	l.targets[fragment].end++ // which is, until assigned, how many keys the fragment has
}

// assigned ends the assignment: the servers' entries are free for the next request, and the keys are sorted by fragment,
// so that making all fragments looks at each key once.
func (l *loop) assigned(s *split) {
	begin := int32(0)
	for i := range l.targets {
		t := &l.targets[i]
		l.fragmentOf[t.server+1] = -1
		s.parts = append(s.parts, nil)
		s.counts = append(s.counts, t.end)
		begin, t.end = begin+t.end, begin
	}
	s.left = len(l.targets)
	l.parts = slices.Grow(l.parts[:0], len(s.owner))[:len(s.owner)]
	for key, fragment := range s.owner {
		t := &l.targets[fragment]
		l.parts[t.end] = int32(key)
		t.end++
	}
}

// dispatch sends the fragments of parent, which compose makes of their keys' numbers.
func (c *client) dispatch(parent *request, s *split, compose func(dst []byte, part []int32) []byte) {
	l := c.pool.l
	parent.split = s
	c.pool.counters[link.Fragments] += uint64(len(l.targets))
	c.charge(s)
	s.admitted = true
	for _, t := range l.targets {
		s.admitted = s.admitted && c.admitted(t.server)
	}
	parts, begin := l.parts, int32(0)
	for i, t := range l.targets {
		r := l.requests.get()
		r.parent = parent
		r.fragment = int32(i)
		if s.admitted {
			r.state = isPromised
		}
		l.scratch = compose(l.scratch[:0], parts[begin:t.end])
		c.pool.forward(r, c.lane, t.server, l.scratch, nil)
		begin = t.end
	}
}

// charge counts what s takes, and its fragments, which are known.
func (c *client) charge(s *split) {
	s.own = s.cost()
	c.pool.l.memory.held += int64(s.own)
	s.size = s.own + s.owners.cost() + s.whole.cost() + len(s.parts)*requestBytes
	c.held += s.size
}

// admitted tells whether server has room for a fragment of a request of c, or is none that is live.
func (c *client) admitted(server int) bool {
	return server < 0 || c.pool.servers[server].conn(c.lane).admits()
}

// gather is told the reply of one fragment; with the last one parent is answered.
func (l *loop) gather(parent *request, fragment int32, reply []byte, in *input) {
	s := parent.split
	c := parent.client
	s.left--
	long := c != nil && s.left == 0 && s.isLong(reply)
	if s.left > 0 || long {
		if c != nil {
			s.parts[fragment] = c.pool.hold(reply, in)
			s.size += s.parts[fragment].cost()
			c.held += s.parts[fragment].cost()
		}
		if long {
			c.gathered(parent)
		}
		return
	}
	if c != nil {
		l.replies = l.replies[:0]
		for _, part := range s.parts {
			l.replies = append(l.replies, part.bytes())
		}
		l.replies[fragment] = reply // the last one need not wait, so it is not copied
		c.held -= s.size
		c.mergeAtOnce(parent)
		clear(l.replies)
	}
	l.giveSplit(s)
	parent.split = nil
	l.forget(parent)
}

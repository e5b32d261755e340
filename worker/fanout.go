// Requests whose keys live on several servers: one fragment for each server, and one reply made of theirs.

package worker

import (
	"slices"
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// fanout is what a request that goes out as several still needs until the last of its fragments is answered. It is kept for
// reuse when it is done, with its slices.
type fanout struct {
	next  *fanout
	owner []int32          // for each key the fragment that asks for it
	parts []*memory.Buffer // for each fragment its reply
	left  int              // fragments without a reply; 0 until they are sent, and when all have come
	size  int              // bytes that all this takes, and the fragments
	own   int              // of them, those of the fanout itself

	counts []int32        // for each fragment its keys, or failedPart
	owners *memory.Buffer // of a long request: the memory of owner
	whole  *memory.Buffer // and that of line
	merged int            // of a reply that is being merged: keys whose values are written
	key    memcache.Span  // the last of them

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

// maxSpareFanouts is how many are kept for reuse.
const maxSpareFanouts = 256

// takeFanout returns an empty fanout for the request at hand.
func (l *loop) takeFanout() *fanout {
	l.targets = l.targets[:0]
	f := l.fanouts
	if f == nil {
		return new(fanout)
	}
	l.fanouts = f.next
	l.spareFanouts--
	f.next = nil
	return f
}

// cost returns how many bytes f takes, without the replies and what is in buffers.
func (f *fanout) cost() int {
	cost := int(unsafe.Sizeof(*f)) + 4*cap(f.counts) + 8*cap(f.parts) + int(unsafe.Sizeof(memcache.Span{}))*cap(f.keys)
	if f.owners == nil {
		cost += 4 * cap(f.owner)
	}
	if f.whole == nil {
		cost += cap(f.line)
	}
	return cost
}

// dropParts forgets the replies that have come.
func (l *loop) dropParts(f *fanout) {
	for i, part := range f.parts {
		l.memory.Give(part)
		f.parts[i] = nil
	}
}

func (l *loop) giveFanout(f *fanout) {
	l.dropParts(f)
	l.memory.Uncharge(f.own)
	f.own = 0
	l.memory.Give(f.owners)
	l.memory.Give(f.whole)
	if f.owners != nil {
		f.owner = nil
	}
	if f.whole != nil {
		f.line = nil
	}
	if cap(f.owner) > maxKeptArgs || cap(f.line) > memory.FirstChunkBytes || l.spareFanouts == maxSpareFanouts {
		return
	}
	l.spareFanouts++
	*f = fanout{next: l.fanouts, owner: f.owner[:0], parts: f.parts[:0], counts: f.counts[:0], line: f.line[:0], keys: f.keys[:0]}
	l.fanouts = f
}

// assign gives a key that lives on server a fragment: the server's own, or a new one.
func (l *loop) assign(f *fanout, server int) {
	fragment := l.fragmentOf[server+1]
	if fragment < 0 {
		fragment = int32(len(l.targets))
		l.fragmentOf[server+1] = fragment
		l.targets = append(l.targets, target{server: server})
	}
	f.owner = append(f.owner, fragment)
	l.targets[fragment].end++ // which is, until assigned, how many keys the fragment has
}

// assigned ends the assignment: the servers' entries are free for the next request, and the keys are sorted by fragment,
// so that making all fragments looks at each key once.
func (l *loop) assigned(f *fanout) {
	begin := int32(0)
	for i := range l.targets {
		t := &l.targets[i]
		l.fragmentOf[t.server+1] = -1
		f.parts = append(f.parts, nil)
		f.counts = append(f.counts, t.end)
		begin, t.end = begin+t.end, begin
	}
	f.left = len(l.targets)
	l.parts = slices.Grow(l.parts[:0], len(f.owner))[:len(f.owner)]
	for key, fragment := range f.owner {
		t := &l.targets[fragment]
		l.parts[t.end] = int32(key)
		t.end++
	}
}

// dispatch sends the fragments of parent, which compose makes of their keys' numbers.
func (c *client) dispatch(parent *request, f *fanout, compose func(dst []byte, part []int32) []byte) {
	l := c.pool.l
	parent.fanout = f
	*c.pool.counters[link.Fragments] += uint64(len(l.targets))
	c.charge(f)
	f.admitted = true
	for _, t := range l.targets {
		f.admitted = f.admitted && c.admitted(t.server)
	}
	parts, begin := l.parts, int32(0)
	for i, t := range l.targets {
		r := l.requests.get()
		r.parent = parent
		r.fragment = int32(i)
		if f.admitted {
			r.state = isPromised
		}
		l.scratch = compose(l.scratch[:0], parts[begin:t.end])
		c.pool.forward(r, c.lane, t.server, l.scratch, nil)
		begin = t.end
	}
}

// charge counts what f takes, and its fragments, which are known.
func (c *client) charge(f *fanout) {
	f.own = f.cost()
	c.pool.l.memory.Charge(f.own)
	f.size = f.own + f.owners.Cost() + f.whole.Cost() + len(f.parts)*requestBytes
	c.held += f.size
}

// admitted tells whether server has room for a fragment of a request of c, or is none that is live.
func (c *client) admitted(server int) bool {
	return server < 0 || c.pool.servers[server].primary.conn(c.lane).admits()
}

// gather is told the reply of one fragment; with the last one parent is answered.
func (l *loop) gather(parent *request, fragment int32, reply []byte, in *stream.Stream) {
	f := parent.fanout
	c := parent.client
	f.left--
	long := c != nil && f.left == 0 && f.isLong(reply)
	if f.left > 0 || long {
		if c != nil {
			f.parts[fragment] = c.pool.hold(reply, in)
			f.size += f.parts[fragment].Cost()
			c.held += f.parts[fragment].Cost()
		}
		if long {
			c.gathered(parent)
		}
		return
	}
	if c != nil {
		l.replies = l.replies[:0]
		for _, part := range f.parts {
			l.replies = append(l.replies, part.Bytes())
		}
		l.replies[fragment] = reply // the last one need not wait, so it is not copied
		c.held -= f.size
		c.mergeAtOnce(parent)
		clear(l.replies)
	}
	l.giveFanout(f)
	parent.fanout = nil
	l.forget(parent)
}

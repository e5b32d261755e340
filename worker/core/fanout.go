// Requests that go out as several: one fragment for each server, and one reply merged from theirs. The route decides which
// servers get a fragment, the protocol how replies are merged: this file knows no protocol.

package core

import (
	"slices"
	"unsafe"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// fanout is the state of such a request until its last fragment is answered. It is reused, with its slices.
type fanout struct {
	pool     *pool
	next     *fanout // of the pool's spare ones
	protocol fanoutProtocol

	owner  []int32          // for each key the fragment that asks for it
	counts []int32          // for each fragment its keys; failedPart once its reply is an error that stands for each of them
	parts  []*memory.Buffer // for each fragment its reply
	unsent []unsentFragment // for each fragment itself, while nothing of it is written
	left   int              // fragments without a reply; 0 until they are sent, and when all have come
	merged int              // of a reply that is being merged: keys whose values are written

	owners *memory.Buffer // of a long request: the memory of owner
	size   int            // bytes that all this takes, and the fragments
	own    int            // of them, those that are in no buffer and no request

	admitted bool // each server has room for its fragment
	vain     bool // a fragment was given up, hence the whole request
}

// fanoutProtocol is the protocol's part of one request that goes out as several: redisFanout or memcacheFanout.
type fanoutProtocol interface {
	divider
	merger

	// tolerant tells whether the reply is worth something when a fragment has failed.
	tolerant() bool
	// changes tells whether the request may change something.
	changes() bool
	// cost returns how many bytes all this takes, in buffers and elsewhere.
	cost() (inBuffers, elsewhere int)
	// clear forgets the request. large tells that it has needed more memory than is worth keeping.
	clear(m *memory.Allocator) (large bool)
}

// fanouts makes the fanouts of a pool's requests, one at a time, and keeps some for reuse. Loop only.
type fanouts struct {
	of      []int32  // for each server (index+1; 0 stands for none), of a cluster for each slot, its fragment of the request at hand, or -1
	listed  int      // up to so many fragments are in none of those, but in targets only
	targets []target // for each fragment of it
	order   []int32  // the numbers of its keys, fragment by fragment
	replies [][]byte // to the fragments of the one that is being merged

	pool  *pool
	spare *fanout
	count int // of spare
}

// target is where one fragment of the request at hand goes.
type target struct {
	server int
	end    int32 // of its keys within order; they begin where those of the fragment before end
}

// maxSpareFanouts is how many a pool keeps for reuse.
const maxSpareFanouts = 256

func newFanouts(p *pool) fanouts {
	fs := fanouts{pool: p}
	if p.spec.IsCluster() {
		fs.listed = mostListed
	}
	for range p.placement.size() + 1 {
		fs.of = append(fs.of, -1)
	}
	return fs
}

// get returns an empty fanout for the request at hand.
func (fs *fanouts) get() *fanout {
	fs.targets = fs.targets[:0]
	f := fs.spare
	if f == nil {
		return &fanout{pool: fs.pool, protocol: fs.pool.newFanoutProtocol(fs.pool)}
	}
	fs.spare = f.next
	fs.count--
	f.next = nil
	return f
}

// assign gives a key that lives on server a fragment: the server's own, or a new one.
func (fs *fanouts) assign(f *fanout, server int) {
	fragment := int32(-1)
	if len(fs.targets) > fs.listed {
		fragment = fs.of[server+1]
	}
	if fragment < 0 {
		fragment = fs.addFragment(server)
	}
	f.owner = append(f.owner, fragment)
	fs.targets[fragment].end++ // which is, until assigned, how many keys the fragment has
}

// mostListed is for how many fragments of a request to a cluster their list is searched: the table is out of the caches of a CPU.
const mostListed = 16

// addFragment returns the number of a server's fragment of the request at hand, which is not in the table: that in the list, or a new one.
func (fs *fanouts) addFragment(server int) int32 {
	n := len(fs.targets)
	if n <= fs.listed {
		for i := range fs.targets {
			if fs.targets[i].server == server {
				return int32(i)
			}
		}
	}
	fs.targets = append(fs.targets, target{server: server})
	if n == fs.listed {
		for i, t := range fs.targets {
			fs.of[t.server+1] = int32(i)
		}
	} else if n > fs.listed {
		fs.of[server+1] = int32(n)
	}
	return int32(n)
}

// assigned ends the assignment: the servers' entries are free for the next request, and the keys are sorted by fragment,
// so that making all fragments looks at each key once.
func (fs *fanouts) assigned(f *fanout) {
	begin := int32(0)
	for i := range fs.targets {
		t := &fs.targets[i]
		if len(fs.targets) > fs.listed {
			fs.of[t.server+1] = -1
		}
		f.parts = append(f.parts, nil)
		f.unsent = append(f.unsent, unsentFragment{})
		f.counts = append(f.counts, t.end)
		begin, t.end = begin+t.end, begin
	}
	f.left = len(fs.targets)
	fs.order = slices.Grow(fs.order[:0], len(f.owner))[:len(f.owner)]
	for key, fragment := range f.owner {
		t := &fs.targets[fragment]
		fs.order[t.end] = int32(key)
		t.end++
	}
}

// dispatch sends the fragments of parent, which compose makes of their keys' numbers.
func (c *client) dispatch(parent *request, f *fanout, compose func(dst []byte, keys []int32) []byte) {
	l, fs := c.pool.l, &c.pool.fanouts
	c.beginDispatch(parent, f)
	begin := int32(0)
	for i, t := range fs.targets {
		l.scratch = compose(l.scratch[:0], fs.order[begin:t.end])
		c.pool.forward(c.fragment(parent, i), c, t.server, l.scratch, nil)
		begin = t.end
	}
	f.dispatched()
}

// beginDispatch ends the assignment of the fragments of parent, which are sent next.
func (c *client) beginDispatch(parent *request, f *fanout) {
	fs := &c.pool.fanouts
	fs.assigned(f)
	parent.fanout = f
	c.charge(f)
}

// fragment returns a request for one of the fragments of parent.
func (c *client) fragment(parent *request, i int) *request {
	r := c.pool.l.requests.get()
	r.parent, r.fragment = parent, int32(i)
	return r
}

// charge counts f, whose fragments are known, and the bytes that it holds.
func (c *client) charge(f *fanout) {
	*c.pool.counters[link.Fragments] += uint64(len(f.parts))
	inBuffers, elsewhere := f.protocol.cost()
	f.own = f.ownCost(elsewhere)
	c.pool.l.memory.Charge(f.own)
	f.size = f.own + f.owners.Cost() + inBuffers + len(f.parts)*requestBytes
	c.held += f.size
}

// ownCost returns how many bytes f takes that are in no buffer and no request, with those that its protocol has elsewhere.
func (f *fanout) ownCost(elsewhere int) int {
	n := int(unsafe.Sizeof(*f)) + 4*cap(f.counts) + 8*cap(f.parts) + int(unsafe.Sizeof(unsentFragment{}))*cap(f.unsent) + elsewhere
	if f.owners == nil {
		n += 4 * cap(f.owner)
	}
	return n
}

// split makes one fragment of f, a request of c, as many as it has keys, and returns the number of the second one: the others follow.
func (c *client) split(f *fanout, fragment int32, keys int) (second int32) {
	second = int32(len(f.parts))
	next := fragment
	for key, owner := range f.owner {
		if owner == fragment {
			f.owner[key] = next
			next = max(next+1, second)
		}
	}
	f.counts[fragment] = 1
	for range keys - 1 {
		f.counts = append(f.counts, 1)
		f.parts = append(f.parts, nil)
		f.unsent = append(f.unsent, unsentFragment{})
	}
	f.left += keys - 1
	_, elsewhere := f.protocol.cost()
	grown := f.ownCost(elsewhere) - f.own
	f.own += grown
	c.pool.l.memory.Charge(grown)
	f.size += grown + (keys-1)*requestBytes
	c.held += grown + (keys-1)*requestBytes
	*c.pool.counters[link.Fragments] += uint64(keys - 1)
	return second
}

// gather adds the reply to one fragment. With the last one the parent is answered: in slices, if its reply is long.
func (l *loop) gather(parent *request, fragment int32, reply []byte, in *stream.Stream) {
	f, c := parent.fanout, parent.client
	f.left--
	f.unsent[fragment] = unsentFragment{}
	long := c != nil && f.left == 0 && !parent.noReply() && f.isLong(reply)
	if c != nil && (f.left > 0 || long) {
		c.holdPart(f, fragment, reply, in)
	}
	switch {
	case f.left > 0:
		return
	case long:
		c.gathered(parent)
		return
	case c != nil:
		c.mergeAtOnce(parent, fragment, reply) // the last one need not wait, so it is not copied
	}
	f.pool.fanouts.put(f)
	parent.fanout = nil
	l.forget(parent)
}

// okPart is the reply to a fragment that most fragments of writes have. It is in no account, and read-only.
var okPart = &memory.Buffer{B: []byte("+OK\r\n")}

// holdPart buffers the reply to a fragment until the others have come.
func (c *client) holdPart(f *fanout, fragment int32, reply []byte, in *stream.Stream) {
	if string(reply) == string(okPart.B) && !f.protocol.perKey() { // whose parts are used up piece by piece
		f.parts[fragment] = okPart
		return
	}
	part := c.pool.bufferReply(reply, in)
	f.parts[fragment] = part
	f.size += part.Cost()
	c.held += part.Cost()
}

// abandon is called when the client of r is gone. Fragments that are under way keep what they need.
func (fs *fanouts) abandon(r *request) {
	switch {
	case r.fanout == nil:
	case r.fanout.left > 0:
		r.fanout.dropParts(fs.pool.l.memory)
	default: // no fragment of it is under way
		fs.put(r.fanout)
		r.fanout = nil
	}
}

// put takes f back for reuse.
func (fs *fanouts) put(f *fanout) {
	m := fs.pool.l.memory
	f.dropParts(m)
	m.Uncharge(f.own)
	m.Put(f.owners)
	if f.owners != nil {
		f.owner = nil
	}
	large := f.protocol.clear(m)
	if large || cap(f.owner) > maxKeptArgs || fs.count == maxSpareFanouts {
		return
	}
	*f = fanout{
		pool: f.pool, next: fs.spare, protocol: f.protocol,
		owner: f.owner[:0], parts: f.parts[:0], counts: f.counts[:0], unsent: f.unsent[:0],
	}
	fs.spare = f
	fs.count++
}

// dropParts frees the replies that have come.
func (f *fanout) dropParts(m *memory.Allocator) {
	for i, part := range f.parts {
		if part != okPart {
			m.Put(part)
		}
		f.parts[i] = nil
	}
}

// Long requests that go out as several, of many keys or with large values: their fragments are made key by key, a slice per
// turn, and their large values are not copied. Nothing is sent before all fragments are made.

package core

import (
	"unsafe"

	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// divider is how a protocol divides a long request.
type divider interface {
	// divideKey moves the next key of the request, whose bytes are b, with its value, to the fragment of its server.
	divideKey(d *division, b *memory.Buffer, p *pool) (copied int)
	// appendFragmentHead appends what a fragment of so many keys begins with, and fragmentEnd returns what it ends with.
	appendFragmentHead(dst []byte, keys int) []byte
	fragmentEnd() []byte
	// divided takes what is left of the request, b.
	divided(m *memory.Allocator, b *memory.Buffer)
}

// division turns a long request into fragments. Loop only.
type division struct {
	f     *fanout // of the request
	parts []part
	of    []int32 // which of parts a server's is, by its index + 1 as -1 is none that is live; -1: it has none
}

// part is a fragment that is being made.
type part struct {
	server int
	keys   int32
	out    stream.Output // its bytes, but for what it begins and ends with
}

// beginDivision begins to divide the request b, of so many keys. Without memory it answers it with an error and returns nil.
func (c *client) beginDivision(b []byte, f *fanout, keys int) *keyWalk {
	p := c.pool
	if f.protocol.perKey() {
		var err error
		if f.owners, err = p.l.memory.Get(keys * int(unsafe.Sizeof(f.owner[0]))); err != nil {
			p.fanouts.put(f)
			c.respond(p.errorText(errNoMemory))
			return nil
		}
		f.owner = unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(f.owners.B))), keys)[:0]
	}
	d := &division{f: f, of: make([]int32, len(p.fanouts.of))}
	for i := range d.of {
		d.of[i] = -1
	}
	w := c.beginWalk(b, keys, d)
	if w == nil {
		p.fanouts.put(f)
		return nil
	}
	w.request.fanout = f
	return w
}

func (d *division) nextKey(w *keyWalk, p *pool) (copied int) {
	return d.f.protocol.divideKey(d, w.b, p)
}

// assign gives the next key, which lives on server, to the fragment for that.
func (d *division) assign(server int) *part {
	i := d.of[server+1]
	if i < 0 {
		i = int32(len(d.parts))
		d.of[server+1] = i
		d.parts = append(d.parts, part{server: server})
	}
	if d.f.owners != nil {
		d.f.owner = append(d.f.owner, i)
	}
	d.parts[i].keys++
	return &d.parts[i]
}

// send sends all fragments.
func (d *division) send(w *keyWalk, c *client) {
	l, f := c.pool.l, d.f
	f.left = len(d.parts)
	for i := range d.parts {
		f.parts = append(f.parts, nil)
		f.unsent = append(f.unsent, unsentFragment{})
		f.counts = append(f.counts, d.parts[i].keys)
	}
	f.protocol.divided(l.memory, w.b)
	c.charge(f)
	for i := range d.parts {
		part := &d.parts[i]
		part.out.Append(l.memory, f.protocol.fragmentEnd())
		l.scratch = f.protocol.appendFragmentHead(l.scratch[:0], int(part.keys))
		c.pool.forwardOutput(c.fragment(w.request, i), c, part.server, l.scratch, &part.out)
	}
	f.dispatched()
}

func (d *division) cost() (bytes int) {
	for i := range d.parts {
		bytes += d.parts[i].out.Cost()
	}
	return bytes + d.f.owners.Cost()
}

func (d *division) drop(m *memory.Allocator) {
	for i := range d.parts {
		d.parts[i].out.Drop(m)
	}
}

// forwardOutput is forward for a request that consists of head and body; body is emptied.
func (p *pool) forwardOutput(r *request, c *client, server int, head []byte, body *stream.Output) {
	p.note(r, head)
	if p.replicas != nil && p.replicas.forwardOutput(r, c, server, head, body) {
		return
	}
	if p.cluster != nil {
		p.cluster.forwardOutput(r, c, server, head, body)
		return
	}
	s := p.connFor(r, c, server)
	if s == nil {
		body.Drop(p.l.memory)
		return
	}
	s.enqueue(r, len(head)+body.Len())
	s.stream.Out.Append(p.l.memory, head)
	s.stream.Out.Join(body)
	s.wake()
}

// Long requests for several servers, of many keys or with large values: their fragments are made a slice per turn, so that
// nobody waits for a million keys, and their large values are not copied. Nothing is sent before all fragments are made.

package worker

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

const (
	// longBytes is from where on a request is divided, and replies are merged, in slices.
	longBytes = 32 << 10
	// sliceBytes is how much is copied in a slice, where each key counts as keyToll bytes.
	sliceBytes = 128 << 10
	keyToll    = 64
)

// division is a long request of a client that becomes fragments. The client is not read meanwhile. Loop only.
type division struct {
	request *request       // in the out queue, with a fanout
	b       *memory.Buffer // its bytes: Redis, those that are not in a fragment yet
	left    int            // keys that are in no fragment yet
	key     memcache.Span  // the last one that is, of memcached
	parts   []part

	checks bool // the request has no fanout: it is only looked at whether its keys all live on server
	server int
	pos    int // of b, where the next key begins
	step   int // from one to the next, in arguments

	of []int32 // which of parts a server's is, by its index + 1 as -1 is none that is live; -1: it has none
}

// part is a fragment that is being made.
type part struct {
	server int
	keys   int32
	out    stream.Output // its bytes, but for what it begins and ends with
}

// beginDivision takes the request b, of so many keys, out of the input. It is answered if there is no memory.
func (c *client) beginDivision(b []byte, f *fanout, keys int) {
	l := c.pool.l
	whole, err := c.stream.ClaimOrCopy(l.memory, b)
	if err == nil && f.isList() {
		f.owners, err = l.memory.Take(keys * int(unsafe.Sizeof(f.owner[0])))
	}
	if err != nil {
		l.memory.Give(whole)
		l.giveFanout(f)
		c.respond(c.pool.errorText(errNoMemory))
		return
	}
	if f.owners != nil {
		f.owner = unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(f.owners.B))), keys)[:0]
	}
	r := l.requests.get()
	r.command = f.redis
	r.bytes = int32(len(b))
	r.fanout = f
	c.push(r)
	d := &division{request: r, b: whole, left: keys, of: make([]int32, len(c.pool.servers)+1)}
	for i := range d.of {
		d.of[i] = -1
	}
	c.dividing = d
}

// beginCheck takes the request b out of the input, to be sent to server if the keys in row, the first of which is at b[pos:],
// live there.
func (c *client) beginCheck(cmd *resp.Command, b []byte, pos, server int, row resp.Row) {
	l := c.pool.l
	whole, err := c.stream.ClaimOrCopy(l.memory, b)
	if err != nil {
		c.respond(c.pool.errorText(errNoMemory))
		return
	}
	r := l.requests.get()
	r.command = cmd
	r.bytes = int32(len(b))
	c.push(r)
	c.dividing = &division{request: r, b: whole, left: row.Count, checks: true, server: server, pos: pos, step: row.Step}
}

// divide goes on with the division for a slice.
func (c *client) divide() {
	d, l := c.dividing, c.pool.l
	budget := sliceBytes
	for d.left > 0 && budget > 0 {
		d.left--
		if d.checks {
			budget -= keyToll
			d.check(c.pool)
		} else {
			budget -= keyToll + c.pool.divideKey(d)
		}
	}
	l.io.Spent += sliceBytes - budget
	switch {
	case d.left > 0:
		c.nextTurn()
	case d.checks:
		c.sendChecked()
	default:
		c.sendDivided()
	}
}

// check looks at where the next key lives. After one that lives elsewhere it is over.
func (d *division) check(p *pool) {
	key, next := resp.NextArg(d.b.B, d.pos)
	if p.placement.one(key.Of(d.b.B)) != d.server {
		d.server, d.left = elsewhere, 0
		return
	}
	for range d.step - 1 {
		_, next = resp.NextArg(d.b.B, next)
	}
	d.pos = next
}

// elsewhere stands for the server of a request whose keys live on several.
const elsewhere = -2

// sendChecked sends a request whose keys are checked, or refuses it.
func (c *client) sendChecked() {
	d, l := c.dividing, c.pool.l
	c.dividing = nil
	if d.server == elsewhere {
		l.memory.Give(d.b)
		l.scratch = c.refuseShards(d.request.command)
		l.answer(d.request, l.scratch, nil)
	} else {
		var body stream.Output
		body.Adopt(d.b)
		c.pool.forwardOutput(d.request, c.lane, d.server, nil, &body)
	}
	c.unmute()
}

// divideKeyRedis moves the next key, with its value if it has one, to its fragment.
func (p *pool) divideKeyRedis(d *division) (copied int) {
	key, end := resp.NextArg(d.b.B, 0)
	part := d.assign(p.placement.one(key.Of(d.b.B)))
	for range d.request.fanout.redis.Step - 1 {
		_, end = resp.NextArg(d.b.B, end)
	}
	return part.out.Move(p.l.memory, d.b, end)
}

// divideKeyMemcache copies the next key to its fragment. The request stays as it is: merging needs it.
func (p *pool) divideKeyMemcache(d *division) (copied int) {
	d.key = d.request.fanout.memcache.NextKey(d.b.B, d.key)
	key := d.key.Of(d.b.B)
	part := d.assign(p.placement.one(key))
	part.out.Append(p.l.memory, space)
	part.out.Append(p.l.memory, key)
	return len(key)
}

var space, lineEnd = []byte{' '}, []byte("\r\n")

// assign gives the next key, which lives on server, to the fragment for that.
func (d *division) assign(server int) *part {
	i := d.of[server+1]
	if i < 0 {
		i = int32(len(d.parts))
		d.of[server+1] = i
		d.parts = append(d.parts, part{server: server})
	}
	if f := d.request.fanout; f.owners != nil {
		f.owner = append(f.owner, i)
	}
	d.parts[i].keys++
	return &d.parts[i]
}

// sendDivided sends the fragments, all of which are made.
func (c *client) sendDivided() {
	d, l, p := c.dividing, c.pool.l, c.pool
	c.dividing = nil
	f := d.request.fanout
	f.left = len(d.parts)
	for i := range d.parts {
		f.parts = append(f.parts, nil)
		f.counts = append(f.counts, d.parts[i].keys)
	}
	if f.redis != nil {
		l.memory.Give(d.b)
	} else {
		f.whole, f.line = d.b, d.b.B
	}
	*p.counters[link.Fragments] += uint64(len(d.parts))
	c.charge(f)
	f.admitted = true
	for i := range d.parts {
		f.admitted = f.admitted && c.admitted(d.parts[i].server)
	}
	for i := range d.parts {
		part := &d.parts[i]
		r := l.requests.get()
		r.parent, r.fragment = d.request, int32(i)
		if f.admitted {
			r.state = isPromised
		}
		if f.redis != nil {
			l.scratch = resp.AppendFragmentHead(l.scratch[:0], f.redis, int(part.keys))
		} else {
			part.out.Append(l.memory, lineEnd)
			l.scratch = append(l.scratch[:0], f.memcache.Cmd.Name...)
		}
		p.forwardOutput(r, c.lane, part.server, l.scratch, &part.out)
	}
	c.unmute()
}

// cost returns how many bytes d takes.
func (d *division) cost() (bytes int) {
	if d == nil {
		return 0
	}
	for i := range d.parts {
		bytes += d.parts[i].out.Cost()
	}
	bytes += d.b.Cost()
	if f := d.request.fanout; f != nil {
		bytes += f.owners.Cost()
	}
	return bytes
}

// dropDivision forgets a division whose client is gone.
func (c *client) dropDivision() {
	d, m := c.dividing, c.pool.l.memory
	if d == nil {
		return
	}
	c.dividing = nil
	m.Give(d.b)
	for i := range d.parts {
		d.parts[i].out.Drop(m)
	}
}

// forwardOutput is forward for a request that consists of head and what is in body, which it takes.
func (p *pool) forwardOutput(r *request, lane uint16, server int, head []byte, body *stream.Output) {
	if server < 0 {
		body.Drop(p.l.memory)
		*p.counters[link.ForwardError]++
		p.l.answer(r, p.errorText(unix.ECONNREFUSED), nil)
		return
	}
	c := p.servers[server].primary.conn(lane)
	c.enqueue(r, len(head)+body.Len())
	c.stream.Out.Append(p.l.memory, head)
	c.stream.Out.Join(body)
	c.wake()
}

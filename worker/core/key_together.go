// Redis requests whose keys must all live on one server, and are refused where they do not.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// forwardTogether sends a request to the server of its first key, if all its keys live there: those in alone, and those in
// row, which are checked in slices if there may be very many.
func (c *client) forwardTogether(cmd *resp.Command, b []byte, args []resp.Span, count int, alone []int32, row resp.Row) {
	p := c.pool
	server := p.placeFirst(b, args, alone, row)
	if len(alone)+row.Count != 1 {
		p.l.sampling.forgo()
	}
	switch {
	case !p.placement.divides() || len(alone)+row.Count <= 1:
		c.forward(cmd, b, server)
	case len(args) < count && p.together(server, b, args, alone, resp.Row{}):
		c.beginCheck(cmd, b, args[row.First-1].End(), server, row)
	case len(args) == count && p.together(server, b, args, alone, row):
		c.forward(cmd, b, server)
	default:
		c.respondScratch(c.refuseShards(cmd))
	}
}

// serverOf returns the server on which the first of these keys lives, for a request that is not forwarded at once: nothing tells how
// many bytes come with the key.
func (p *pool) serverOf(b []byte, args []resp.Span, alone []int32, row resp.Row) int {
	server := p.placeFirst(b, args, alone, row)
	p.l.sampling.forgo()
	return server
}

// placeFirst returns the server on which the first of these keys lives. If it is the only one, the request is forwarded at once.
func (p *pool) placeFirst(b []byte, args []resp.Span, alone []int32, row resp.Row) int {
	switch {
	case len(alone) > 0:
		return p.placeOne(args[alone[0]].Of(b))
	case row.Count > 0:
		key, _ := resp.NextArg(b, args[row.First-1].End())
		return p.placeOne(key.Of(b))
	}
	return p.placement.fixed()
}

// together tells whether keys all live on server.
func (p *pool) together(server int, b []byte, args []resp.Span, alone []int32, row resp.Row) bool {
	for _, key := range alone {
		if p.placement.one(args[key].Of(b)) != server {
			return false
		}
	}
	for i := range row.Count {
		if p.placement.one(args[row.First+i*row.Step].Of(b)) != server {
			return false
		}
	}
	return true
}

// keyCheck checks whether the keys of a long request all live on one server. Loop only.
type keyCheck struct {
	pos    int // of the request's bytes, where the next key begins
	step   int // from one to the next, in arguments
	server int // where the keys so far live, or elsewhere
}

// elsewhere stands for several servers.
const elsewhere = -2

// beginCheck sends the request b to server if the keys in row, the first of which is at b[pos:], live there.
func (c *client) beginCheck(cmd *resp.Command, b []byte, pos, server int, row resp.Row) {
	if w := c.beginWalk(b, row.Count, &keyCheck{pos: pos, step: row.Step, server: server}); w != nil {
		w.request.command = cmd
	}
}

// nextKey checks where the next key lives. With one that lives elsewhere the check is over.
func (k *keyCheck) nextKey(w *keyWalk, p *pool) (copied int) {
	if !k.holds(w.b.B, p) {
		w.left = 0
	}
	return 0
}

// holds tells whether the next key in b lives where the others do.
func (k *keyCheck) holds(b []byte, p *pool) bool {
	key, next := resp.NextArg(b, k.pos)
	if p.placement.one(key.Of(b)) != k.server {
		k.server = elsewhere
		return false
	}
	for range k.step - 1 {
		_, next = resp.NextArg(b, next)
	}
	k.pos = next
	return true
}

// send sends the request, or refuses it.
func (k *keyCheck) send(w *keyWalk, c *client) {
	l := c.pool.l
	if k.server == elsewhere {
		l.memory.Put(w.b)
		l.scratch = c.refuseShards(w.request.command)
		l.answer(w.request, l.scratch, nil)
		return
	}
	var body stream.Output
	body.Adopt(w.b)
	c.pool.forwardOutput(w.request, c, k.server, nil, &body)
}

func (k *keyCheck) cost() (bytes int) { return 0 }

func (k *keyCheck) drop(*memory.Allocator) {}

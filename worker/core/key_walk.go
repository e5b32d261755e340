// Long requests: their keys are looked at a slice per turn before anything of them is sent, so that a request of a million
// keys does not keep others waiting.

package core

import (
	"github.com/pinion-proxy/pinion/worker/memory"
)

const (
	// longBytes is from where on a request is long, and replies are merged in slices.
	longBytes = 32 << 10
	// sliceBytes is how much is copied in a slice, where each key counts as keyToll bytes.
	sliceBytes = 128 << 10
	keyToll    = 64
)

// keyWalk is a long request whose keys are being looked at. Its client is not read meanwhile. Loop only.
type keyWalk struct {
	request *request       // in the out queue; nil: none, see subscribe_many.go
	b       *memory.Buffer // its bytes, but for those that a division has taken out
	left    int            // keys to be looked at
	asks    *request       // what must be answered before that; nil: nothing
	aim     walkAim
}

// walkAim is the purpose of a walk: a division, a check of keys, or a question.
type walkAim interface {
	nextKey(w *keyWalk, p *pool) (copied int) // looks at the next key
	send(w *keyWalk, c *client)               // the result, when no key is left
	cost() (bytes int)                        // that it takes itself
	drop(m *memory.Allocator)                 // when the client is gone
}

// beginWalk takes the request b, of so many keys, out of the input. Without memory it is answered, and nil returned.
func (c *client) beginWalk(b []byte, keys int, aim walkAim) *keyWalk {
	l := c.pool.l
	whole, err := c.stream.ClaimOrCopy(l.memory, b)
	if err != nil {
		c.respond(c.pool.errorText(errNoMemory))
		return nil
	}
	return c.walkOver(whole, keys, aim)
}

// walkOver begins to walk over a request, which it takes.
func (c *client) walkOver(whole *memory.Buffer, keys int, aim walkAim) *keyWalk {
	r := c.pool.l.requests.get()
	r.bytes = int32(len(whole.B))
	c.push(r)
	c.walk = &keyWalk{request: r, b: whole, left: keys, aim: aim}
	return c.walk
}

// walkQuestion is an aim whose server is asked something before anything is sent.
type walkQuestion interface{ came(reply []byte) }

// walkAsked is called with the reply to what c's walk asks, or with the error that stands for none.
func (c *client) walkAsked(reply []byte) {
	w := c.walk
	w.asks = nil
	w.aim.(walkQuestion).came(reply)
	c.walkOn()
}

// walkOn continues the client's long request for a slice.
func (c *client) walkOn() {
	w, l := c.walk, c.pool.l
	if w.asks != nil {
		return
	}
	budget := sliceBytes
	for w.left > 0 && budget > 0 {
		w.left--
		budget -= keyToll + w.aim.nextKey(w, c.pool)
	}
	l.io.Spent += sliceBytes - budget
	if w.left > 0 {
		c.nextTurn()
		return
	}
	c.walk = nil
	w.aim.send(w, c)
	c.unmute()
}

// cost returns how many bytes the walk takes; w may be nil.
func (w *keyWalk) cost() (bytes int) {
	if w == nil {
		return 0
	}
	return w.b.Cost() + w.aim.cost()
}

// dropWalk frees the long request of a client that is gone.
func (c *client) dropWalk() {
	if c.walk == nil {
		return
	}
	m := c.pool.l.memory
	m.Put(c.walk.b)
	c.walk.aim.drop(m)
	c.walk = nil
}

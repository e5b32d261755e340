// Subscriptions to very many channels with one request, and the end of very many: a slice per turn, so that nobody else waits.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/memory"
)

// channelWalk does what a long request asks, name by name. Loop only.
type channelWalk struct {
	client  *client
	command *resp.Command
	pos     int // of the request's bytes, where the next name begins
}

// walkChannels carries out the request b, of so many names, the first of which is at b[pos:].
func (c *client) walkChannels(cmd *resp.Command, b []byte, pos, names int) {
	whole, err := c.stream.ClaimOrCopy(c.pool.l.memory, b)
	if err != nil {
		c.failSubscription(c.pool.errorText(errNoMemory))
		return
	}
	c.walkNames(cmd, whole, pos, names)
}

// walkAllChannels unsubscribes from all of a kind.
func (c *client) walkAllChannels(cmd *resp.Command, kind channelKind) {
	const most = 16 // bytes of a name's length and line ends
	s := c.session.subscriptions
	size := 0
	for name := range s.byName[kind] {
		size += most + len(name)
	}
	whole, err := c.pool.l.memory.Get(size)
	if err != nil {
		c.failSubscription(c.pool.errorText(errNoMemory))
		return
	}
	for name := range s.byName[kind] {
		whole.B = resp.AppendBulkString(whole.B, name)
	}
	c.walkNames(cmd, whole, 0, len(s.byName[kind]))
}

// walkNames begins to walk over whole, which it takes. Nothing in the out queue stands for the walk: each name has a confirmation.
func (c *client) walkNames(cmd *resp.Command, whole *memory.Buffer, pos, names int) {
	c.walk = &keyWalk{b: whole, left: names, aim: &channelWalk{client: c, command: cmd, pos: pos}}
}

// nextKey does what is asked with the next name. When one has failed the client leaves, and the others do not matter.
func (k *channelWalk) nextKey(w *keyWalk, _ *pool) (copied int) {
	name, next := resp.NextArg(w.b.B, k.pos)
	k.pos = next
	k.client.onSubscription(k.command, kindOfChannel(k.command), name.Of(w.b.B))
	if k.client.life > clientHalfClosed {
		w.left = 0
	}
	return len(name.Of(w.b.B))
}

// send ends the walk.
func (k *channelWalk) send(w *keyWalk, c *client) {
	c.pool.l.memory.Put(w.b)
	c.endIfDone()
}

func (k *channelWalk) cost() (bytes int) { return 0 }

func (k *channelWalk) drop(*memory.Allocator) {}

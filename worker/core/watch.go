// WATCH: keys that a client watches until EXEC, on a connection of its own to the server on which they live. All that it asks of
// that server meanwhile goes over the same connection, so that it reads what it watches, and its EXEC as well.
//
//	WATCH ──► watching ─┬─ EXEC: over that connection, which is given back with the reply
//	                    ├─ a WATCH gets an error ──► refused: so does EXEC, and executes nothing
//	                    ├─ UNWATCH, DISCARD ──► given back
//	                    └─ the connection ends, keys may live elsewhere ──► lost: EXEC answers as if a key had been changed
//
// Whether a watched key was changed after its watch is lost nobody knows. That EXEC does not execute anything then is always
// right, and clients know what to do: they begin anew.

package core

import (
	"fmt"
	"hash/fnv"
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
)

// watch is what a client watches. Loop only.
type watch struct {
	conn    *conn  // the client's own, over which it watches; nil: the watch is lost
	server  int    // where they live: of a cluster, their slot
	keys    int    // of them
	epoch   uint64 // of the placement by which they live there
	refused bool   // a WATCH got an error: so will EXEC
}

var unwatchRequest = []byte("*1\r\n$7\r\nUNWATCH\r\n")

// watchKeys answers WATCH, or sends it to the server of its keys, unless it has to wait.
func (c *client) watchKeys(cmd *resp.Command, b []byte, args []resp.Span, count int) {
	p, l, w := c.pool, c.pool.l, c.session.watch
	switch {
	case c.session.tx != nil:
		c.respondScratch(resp.AppendError(l.scratch[:0], resp.WatchInMulti))
		return
	case count > maxOptions:
		c.refuseWatch(resp.AppendTooMany(l.scratch[:0], cmd, maxOptions))
		return
	case len(args) < count:
		_, l.redisRoute.args, _ = resp.ConsumeRequest(b, args)
		args = l.redisRoute.args
	}
	row := resp.Row{First: 1, Count: count - 1, Step: 1}
	server := p.serverOf(b, args, nil, row)
	watched := c.watchedServer()
	if watched != anywhere && p.placement.random {
		server = watched
	}
	switch {
	case !p.placement.random && len(p.servers) > 1 && !p.together(server, b, args, nil, row), watched != anywhere && watched != server:
		c.refuseWatch(c.refuseShards(cmd))
	case w != nil && watched == anywhere: // EXEC fails in any case
		w.keys += row.Count
		c.respondScratch(resp.AppendSimple(l.scratch[:0], "OK"))
	case w == nil && !c.caughtUp():
	default:
		c.watchOn(server, cmd, b, row.Count)
	}
}

// watchOn sends a WATCH of so many keys to their server.
func (c *client) watchOn(server int, cmd *resp.Command, b []byte, keys int) {
	p := c.pool
	own, err := (*conn)(nil), p.errNoServer()
	if at := p.placement.index(server); at >= 0 {
		own, err = c.dedicate(at, forWatching)
	}
	if err != nil {
		*p.counters[link.ForwardError]++
		c.refuseWatch(p.errorText(err))
		return
	}
	w := c.ownWatch()
	w.conn, w.server, w.epoch = own, server, p.placement.version
	w.keys += keys
	r := p.l.requests.get()
	r.command, r.bytes, r.state = cmd, int32(len(b)), isReformed
	c.push(r)
	own.send(r, b, &c.stream)
}

// ownWatch returns the client's watch, made when first needed.
func (c *client) ownWatch() *watch {
	if c.session.watch == nil {
		c.changeSession(func(s *session) { s.watch = new(watch) })
	}
	return c.session.watch
}

// refuseWatch answers WATCH with an error. A client that goes on all the same must not execute what it would have guarded.
func (c *client) refuseWatch(failure []byte) {
	c.ownWatch().refused = true
	c.respond(failure)
}

// watchAnswered is called with the reply to a WATCH that was sent, or the error in its place. After an error it is as with refuseWatch.
func (c *client) watchAnswered(reply []byte) {
	if w := c.session.watch; w != nil && resp.IsError(reply) {
		w.refused = true
	}
}

// isWatch tells whether r is a WATCH.
func (r *request) isWatch() bool { return r.command != nil && r.command.Local == resp.LocalWatch }

// watchedServer returns the server on which the client watches keys that are sure to live there; anywhere: on none.
func (c *client) watchedServer() int {
	w, pl := c.session.watch, &c.pool.placement
	if w != nil && w.conn != nil && w.epoch == pl.version && pl.index(w.server) == w.conn.endpoint.server.index {
		return w.server
	}
	return anywhere
}

// unwatch appends the reply to UNWATCH, unless the client has to wait.
func (c *client) unwatch(out []byte) []byte {
	if !c.endWatch() {
		return out
	}
	return resp.AppendSimple(out, "OK")
}

// endWatch ends the client's watch, if it has one. It waits for the replies to what went over the same connection: what comes next
// goes over another one.
func (c *client) endWatch() (done bool) {
	w := c.session.watch
	if w == nil {
		return true
	}
	if !c.caughtUp() {
		return false
	}
	c.dropWatch()
	return true
}

// dropWatch ends the client's watch, also in the server. All that it has asked must be answered.
func (c *client) dropWatch() {
	w := c.session.watch
	if w == nil {
		return
	}
	if own := w.conn; own != nil {
		own.send(c.pool.l.requests.get(), unwatchRequest, nil) // whose reply is nobody's
		own.release(forWatching)
	}
	c.forgetWatch()
}

// forgetWatch ends the client's watch here.
func (c *client) forgetWatch() {
	if c.session.watch != nil {
		c.changeSession(func(s *session) { s.watch = nil })
	}
}

// number returns how many keys are watched; w may be nil.
func (w *watch) number() int {
	if w == nil {
		return 0
	}
	return w.keys
}

// cost returns how many bytes the watch takes; w may be nil.
func (w *watch) cost() int {
	if w == nil {
		return 0
	}
	return int(unsafe.Sizeof(*w))
}

// watchExecuted is called when EXEC is on its way over the connection on which the client watches: the server ends the watch. The
// client's next requests, which go over another connection, wait for its reply.
func (c *client) watchExecuted(own *conn) {
	c.waitBehind()
	own.release(forWatching)
	c.forgetWatch()
}

// placementMark tells placements from others by which some key may live elsewhere, also those of other workers.
func (p *pool) placementMark() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q", p.spec.Hash, p.spec.Distribution, p.spec.HashTag)
	for i, s := range p.spec.Servers {
		fmt.Fprintf(h, " %q %d %v", s.Name, s.Weight, p.placement.live[i])
	}
	p.placement.markStarts(h)
	return h.Sum64()
}

// recordWatch writes the client's watch down for another worker.
func (c *client) recordWatch(r *handoff.Record) {
	w := c.session.watch
	if w == nil {
		return
	}
	r.Watch = &handoff.Watch{Keys: uint32(w.keys), Refused: w.refused, Lost: c.watchedServer() == anywhere, Placement: c.pool.placementMark()}
	if c.pool.cluster != nil {
		r.Watch.Placement = uint64(w.server)
	}
}

// unpackWatch gives the client the watch that it had in another worker. Its connection follows.
func (c *client) unpackWatch(record *handoff.Watch) {
	w := c.ownWatch()
	w.keys, w.refused, w.epoch = int(record.Keys), record.Refused, c.pool.placement.version
	if c.pool.cluster != nil {
		w.server = int(record.Placement % link.HashSlots)
	}
}

// goOnWatching has the client watch over a connection that has come along.
func (c *client) goOnWatching(own *conn) {
	w := c.session.watch
	w.conn = own
	if c.pool.cluster == nil {
		w.server = own.endpoint.server.index
	}
}

// goesOnWatching tells whether the watch of a client that comes from another worker is good here.
func (p *pool) goesOnWatching(record *handoff.Watch) bool {
	if record == nil || record.Lost {
		return false
	}
	if p.cluster != nil { // by the slot, of which the nodes know whose it is
		return record.Placement < link.HashSlots
	}
	return record.Placement == p.placementMark()
}

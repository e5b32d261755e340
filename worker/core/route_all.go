// Redis requests that every server of a pool gets, and SCAN, which goes from one to the next.

package core

import "github.com/pinion-proxy/pinion/codec/resp"

// forwardAll sends a request to every server, also to one that is ejected: what is known of a part of the pool is not told as if it
// were the whole, and what is done everywhere must not be undone by a server that comes back.
func (c *client) forwardAll(cmd *resp.Command, b []byte, args []resp.Span) {
	p := c.pool
	names, _ := p.serverList()
	if len(names) == 0 {
		c.respondScratch(p.appendOutcome(p.l.scratch[:0], errNoOwner.reply, false))
		return
	}
	f := p.redisFanout(cmd)
	p.turns++
	answers := &f.protocol.(*redisFanout).answers
	answers.Ask(cmd, b, args, names)
	answers.Turn = p.turns
	for i := range p.placement.all {
		p.fanouts.assign(f, i)
	}
	if cmd.Kills {
		c.killEverywhere(cmd, f, b)
		return
	}
	c.sendWhole(cmd, f, b, len(b))
}

// scan answers SCAN: the one server that the cursor names is asked, and the cursor in its reply becomes one of the pool.
func (c *client) scan(cmd *resp.Command, b []byte, args []resp.Span) {
	l, p := c.pool.l, c.pool
	if len(p.servers) == 1 {
		if resp.IsPoolCursor(args[1].Of(b)) { // of a time when the pool had several
			c.respondScratch(resp.AppendError(l.scratch[:0], resp.ForeignCursor))
			return
		}
		c.forward(cmd, b, p.placement.fixed())
		return
	}
	names, mark := p.serverList()
	if len(names) == 0 {
		c.respondScratch(p.appendOutcome(p.l.scratch[:0], errNoOwner.reply, false))
		return
	}
	step := resp.ScanStep{Servers: len(names), Mark: mark}
	own, failure := step.ReadCursor(args[1].Of(b))
	if failure != "" {
		c.respondScratch(resp.AppendError(l.scratch[:0], failure))
		return
	}
	f := p.redisFanout(cmd)
	answers := &f.protocol.(*redisFanout).answers
	answers.Ask(cmd, b, args, names[step.Server:step.Server+1])
	answers.Scan = step
	p.fanouts.assign(f, p.placement.numbered(step.Server))
	size := len(b)
	l.scratch = resp.AppendScan(l.scratch[:0], b, args, own)
	c.sendWhole(cmd, f, l.scratch, size)
}

// serverList returns the names of the pool's servers, of a cluster its masters, in order, and the mark of that list.
func (p *pool) serverList() (names []string, mark uint16) {
	if p.cluster != nil {
		return p.cluster.names, p.cluster.mark
	}
	return p.serverNames, p.serversMark
}

// sendWhole sends b to the servers that have been assigned a fragment of the request at hand, which has so many bytes.
func (c *client) sendWhole(cmd *resp.Command, f *fanout, b []byte, size int) {
	r := c.beginWhole(cmd, f, size)
	for i, t := range c.pool.fanouts.targets {
		c.pool.forward(c.fragment(r, i), c, t.server, b, nil)
	}
	f.dispatched()
}

// beginWhole returns the request whose fragments, which have been assigned, are to be sent.
func (c *client) beginWhole(cmd *resp.Command, f *fanout, size int) *request {
	r := c.pool.l.requests.get()
	r.command = cmd
	r.bytes = int32(size)
	if cmd == resp.TrackEverywhere {
		r.state |= isReformed
	}
	c.push(r)
	c.beginDispatch(r, f)
	return r
}

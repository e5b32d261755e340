// The incoming side of a move: clients come from a worker of another generation.

package core

import (
	"errors"
	"net/netip"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Prepare implements handoff.Handler.
func (p *peerLink) Prepare(batch uint32, count int) []handoff.Verdict {
	l := p.l
	verdicts := make([]handoff.Verdict, count)
	if fault.Error(passing[handoff.Offer].received) != nil || fault.Error("scm.ctrunc") != nil {
		p.truncated = true
	}
	l.departIfSignalled()
	if l.refusesClients() {
		return all(verdicts, handoff.Refused)
	}
	p.sending = p.sending || l.mover.outgoing.on
	if p.truncated || len(p.messageFDs) != count+1 {
		l.log(logevent.MoveDescriptors, p.slot, len(p.messageFDs), count+1)
		return all(verdicts, handoff.NoResources)
	}
	var mem []byte
	err := fault.Error("incoming.map")
	if err == nil {
		mem, err = sock.MapSealed(p.messageFDs[0])
	}
	defer sock.Unmap(mem)
	var (
		records []handoff.Record
		errs    []error
	)
	if err == nil {
		records, errs, err = handoff.ParseState(mem, count)
	}
	if err != nil {
		l.log(logevent.MoveBroken, p.slot, err)
		return all(verdicts, handoff.NoResources)
	}
	for width, i := 0, 0; i < len(records); i += width {
		width = 1 + int(min(records[i].Connections, uint32(len(records)-i-1)))
		mine, fds := records[i:i+width], p.messageFDs[1+i:1+i+width]
		if err := errorOf(mine, errs[i:i+width]); err != nil {
			l.log(logevent.MoveUnreadable, p.slot, err)
			all(verdicts[i:i+width], handoff.Unreadable)
			continue
		}
		g, verdict := l.prepareClient(mine, fds)
		all(verdicts[i:i+width], verdict)
		if g != nil {
			p.prepared[batch] = append(p.prepared[batch], g)
		}
	}
	return verdicts
}

var errRecords = errors.New("the own server connections of a client have not come along with it")

// errorOf returns what is wrong with the record of a client, or with those of its connections behind it.
func errorOf(records []handoff.Record, errs []error) error {
	for i := range records {
		switch {
		case errs[i] != nil:
			return errs[i]
		case (i == 0) != (records[i].Purposes == 0), i > 0 && records[i].Connections != 0, int(records[0].Connections) != len(records)-1:
			return errRecords
		}
	}
	return nil
}

func all(verdicts []handoff.Verdict, v handoff.Verdict) []handoff.Verdict {
	for i := range verdicts {
		verdicts[i] = v
	}
	return verdicts
}

// refusesClients tells that this worker is about to end, or rolls back and moves its own clients back. One that has served and is told to
// end while its clients move takes back those that are returned.
func (l *loop) refusesClients() bool {
	return l.draining.on || l.ended || l.unsettled() && (l.mover.outgoing.on || l.draining.departing)
}

// prepareClient makes a client from its record and those of its connections, if there is a listener for it. It takes over the
// descriptors that it uses: of fds, those are -1 then.
func (l *loop) prepareClient(records []handoff.Record, fds []int) (*preparedClient, handoff.Verdict) {
	r, fd := &records[0], fds[0]
	ln := l.listenerFor(r, fd)
	if ln == nil {
		return nil, handoff.Configuration
	}
	user, belongs := ln.pool.userOf(records)
	if !belongs {
		return nil, handoff.Configuration
	}
	if r.Rules != "" {
		return nil, verdictOn(r, user)
	}
	l.descriptors.newest = fd
	c, err := ln.newClient(fd)
	g := &preparedClient{c: c, frozen: r.FrozenAt, monitors: r.Monitoring != 0, descriptors: len(fds)}
	if err == nil {
		fds[0] = -1
		if err = c.unpack(r, user); err == nil {
			err = g.adopt(records, fds)
			c.mayHaveWritten()
		}
		if err != nil {
			c.tearDown()
		}
	}
	if err != nil {
		l.log(logevent.MoveRefused, ln.pool.name, r.ID, err)
		return nil, handoff.NoResources
	}
	l.setHandler(c.token, g)
	return g, handoff.Accept
}

// listenerFor returns the listener that a moved client belongs to: the one at the address where it was accepted, or else,
// where an address was widened or narrowed, the one that the kernel would choose for a connection to the client's local
// address.
func (l *loop) listenerFor(r *handoff.Record, fd int) *listener {
	for _, ln := range l.listeners {
		if ln.spec.Address == r.Address && ln.spec.Network == r.Network && !ln.closing.Armed() && ln.speaks(r) {
			return ln
		}
	}
	if r.Network != "tcp" {
		return nil
	}
	local, _ := sock.ListensOn(fd)
	var nearest *listener
	for _, ln := range l.listeners {
		if ln.covers(local) > nearest.covers(local) {
			nearest = ln
		}
	}
	if nearest == nil || !nearest.speaks(r) {
		return nil
	}
	return nearest
}

// speaks tells whether a client may go on here: in its protocol, and in its database.
func (ln *listener) speaks(r *handoff.Record) bool {
	return string(ln.pool.spec.Protocol) == r.Protocol && ln.encrypts(r) && (!r.HasDB || ln.pool.hasDB(int64(r.DB)))
}

// covers tells how specifically the listener matches a connection to local: 0 is not at all, 3 is the very address.
func (ln *listener) covers(local netip.AddrPort) int {
	switch {
	case ln == nil || ln.spec.Network != "tcp" || ln.at.Port() != local.Port() || ln.closing.Armed():
	case ln.at == local:
		return 3
	case ln.at.Addr().IsUnspecified() && ln.at.Addr().Is4() == local.Addr().Is4():
		return 2
	case ln.at.Addr().IsUnspecified() && ln.dual:
		return 1
	}
	return 0
}

// StartServing implements handoff.Handler.
func (p *peerLink) StartServing(batch uint32) (pause time.Duration) {
	fault.At(passing[handoff.Commit].received)
	now := p.l.clock()
	for _, g := range p.prepared[batch] {
		pause = max(pause, time.Duration(now-g.frozen))
		g.wait()
		g.c.startMoved()
		p.returnable = max(p.returnable-g.descriptors, 0)
		g.c.checkWait()
		g.c.checkTracking()
		g.checkMonitor()
	}
	delete(p.prepared, batch)
	return pause
}

// Drop implements handoff.Handler.
func (p *peerLink) Drop(batch uint32) {
	fault.At(passing[handoff.Abort].received)
	for _, g := range p.prepared[batch] {
		g.c.tearDown()
	}
	delete(p.prepared, batch)
}

// Clients of which there is too much to move: whether they may do as much in the other generation is asked, since they would go on here
// by rules that are no more.

package core

import (
	"slices"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/worker/handoff"
)

// mostAsked is about how many clients one question is.
const mostAsked = 64

// everything is what a user may do who may do all.
const everything = "~* &* +@all"

// rulesOf returns what a user may do, for a comparison with another worker's; u is nil where there are no users.
func rulesOf(u *acl.User) string {
	if u == nil || u.MayDoAll() {
		return everything
	}
	return u.Keys() + " " + u.Channels() + " " + u.Commands()
}

// verdictOn is the answer about a client that cannot move here, where it would be u: it does not belong here if it could do other things.
func verdictOn(r *handoff.Record, u *acl.User) handoff.Verdict {
	if rules := rulesOf(u); rules != everything && rules != r.Rules {
		return handoff.Configuration
	}
	return handoff.Unreadable
}

// askLater has the peers be asked about a client that is not movable, if they have not been in this round.
func (g *outgoing) askLater(c *client) {
	if c.life != clientOpen || c.moving.verdict != moveUndecided || !c.isTooMuch() || g.asked[c] || len(g.immovable) == mostAsked {
		return
	}
	if g.asked == nil {
		g.asked = map[*client]bool{}
	}
	g.asked[c] = true
	g.immovable = append(g.immovable, c)
}

// ask asks a peer about clients that cannot move.
func (g *outgoing) ask() {
	if len(g.immovable) == 0 {
		return
	}
	at := slices.IndexFunc(g.l.mover.peers, (*peerLink).hasCredit)
	if at < 0 {
		return
	}
	var state handoff.State
	o := &sentBatch{state: -1}
	for _, c := range g.immovable {
		if c.life == clientOpen {
			r := c.question()
			state.Add(&r)
			o.asked = append(o.asked, c)
		}
	}
	g.immovable = nil
	if p := g.l.mover.peers[at]; len(o.asked) > 0 && !p.offer(o, &state, len(o.asked)) {
		g.asked = nil
		p.noteShortage()
	}
}

// encryptedSomehow stands for the state of an encrypted client, which is nobody else's.
var encryptedSomehow = []byte{1}

// question returns a record that says of the client what its rights in another worker depend on.
func (c *client) question() handoff.Record {
	r := handoff.Record{
		Protocol: string(c.pool.spec.Protocol), Pool: c.pool.name, Network: c.from.spec.Network, Address: c.from.spec.Address, ID: c.id,
		Subscriptions: c.subscriptionsWithout(), Rules: rulesOf(c.session.user),
	}
	for _, own := range c.session.dedicated {
		r.Subscriptions = append(r.Subscriptions, own.record().Subscriptions...)
	}
	c.pool.recordSession(c.session, &r)
	r.Transaction = nil
	if c.stream.IsTLS() {
		r.TLS = encryptedSomehow
	}
	return r
}

// noteAnswers notes what the peer says of clients that cannot move; verdicts is nil if it says nothing. Who does not belong there is
// closed here when that generation is settled.
func (p *peerLink) noteAnswers(batch uint32, verdicts []handoff.Verdict) {
	o := p.sent[batch]
	for i, c := range o.asked {
		if verdicts == nil || verdicts[i] == handoff.NoResources {
			delete(p.l.mover.outgoing.asked, c)
			continue
		}
		if verdicts[i] != handoff.Configuration || c.life != clientOpen || c.moving.verdict != moveUndecided || c.moving.frozen() {
			continue
		}
		c.moving.verdict = moveUnwanted
		p.l.mover.outgoing.result.Closed++
		if c.isOut() {
			c.closeIfIdle()
		}
	}
	if slices.Contains(verdicts, handoff.NoResources) {
		p.noteShortage()
	}
	if !slices.Contains(verdicts, handoff.Accept) { // which no build says
		delete(p.sent, batch)
	}
}

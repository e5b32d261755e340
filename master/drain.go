// The drain, from when it is asked for until the workers are told: clients are served as before meanwhile, load balancers
// are told not to send any, and the operator can change his mind, even later.

package master

import (
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// shedShare is the part of the time before the drain, at its end, in which idle clients are closed: one in so many.
const shedShare = 3

// departure is a drain that was asked for.
type departure struct {
	since   time.Time // when it was asked for; zero: none was
	from    time.Time // when the time began in which it is announced
	at      time.Time // when the drain begins, or has begun
	until   time.Time // when the last clients are cut off; zero: the drain has not begun, or they are not
	ordered bool      // by a signal or pinion stop: whoever gave it waits for the end
}

// announced reports whether a drain was asked for and has not begun.
func (m *master) announced() bool { return m.phase == serving && !m.departure.at.IsZero() }

// ordered reports whether a signal or pinion stop has said that pinion is to end.
func (m *master) ordered() bool {
	return m.endAfter != nothing || m.departure.ordered || m.phase > draining
}

// drainAsOrdered is called on a signal and for pinion stop: the drain begins drain_delay after load balancers were told
// first. Ordered again, it begins at once.
func (m *master) drainAsOrdered() {
	again := m.departure.ordered
	m.departure.ordered = true
	now, delay := m.world.now(), m.generations.serving.config.Global.DrainDelay
	if again && m.departure.since.IsZero() {
		m.departure.since = now
	}
	switch at := m.departure.since.Add(delay); {
	case again:
		m.departure.at = now
	case !m.announced():
		m.announceDrain(now.Add(delay))
		return
	case at.Before(m.departure.at):
		m.announceDrain(later(at, now))
		return
	}
	m.expectEnd()
	m.drainIfDue(now)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// announceDrain has the drain begin at a moment. Until then clients are taken as before.
func (m *master) announceDrain(at time.Time) {
	now := m.world.now()
	if m.departure.since.IsZero() {
		m.departure.since = now
	}
	m.departure.from, m.departure.at = now, at
	if !at.After(now) {
		m.drainNow()
		return
	}
	left := roundForReading(at.Sub(now))
	m.log.Event(logfile.DrainDelayed, left)
	m.expectEnd()
	m.world.services.Status(fmt.Sprintf("serving, draining in %s", left))
	m.tellWorkersOfDrain()
}

// expectEnd tells a service manager that stops the service for how long it should wait. What an operator may take back it
// is not told: it would end a service that says that it stops.
func (m *master) expectEnd() {
	if left := m.departure.at.Sub(m.world.now()); m.departure.ordered && left > 0 {
		m.world.services.Stopping("draining soon")
		m.world.services.ExtendTimeout(left + grace)
	}
}

// tellWorkersOfDrain tells all workers that serve, or are going to, that a drain is to come, or is not any more.
func (m *master) tellWorkersOfDrain() {
	for _, g := range []*generation{m.generations.serving, m.generations.coming} {
		if g == nil {
			continue
		}
		for _, s := range g.slots {
			switch s.state {
			case slotPrepared, slotServing, slotGiving:
				m.tellOfDrain(s)
			}
		}
	}
}

// tellOfDrain tells one worker.
func (m *master) tellOfDrain(s *slot) {
	d := &m.departure
	body := link.AnnounceBody{Revoked: d.at.IsZero()}
	if !body.Revoked {
		body.Over = d.at.Sub(d.from) / shedShare
		body.Shed = d.at.Sub(m.world.now()) - body.Over
	}
	m.pass(s, link.Message{Kind: link.Announce, Body: link.Body(body)})
}

// nextDrain returns when the drain begins that was asked for; zero: nothing begins by itself, as no drain was asked for or
// it waits for the end of a handoff.
func (m *master) nextDrain() (at time.Time) {
	if m.announced() && m.endAfter == nothing && !m.mayBeReplaced() && m.masters.old == nil {
		at = m.departure.at
	}
	return at
}

// drainIfDue begins the drain when it is time.
func (m *master) drainIfDue(now time.Time) {
	if at := m.nextDrain(); !at.IsZero() && !now.Before(at) {
		m.drainNow()
	}
}

// drainNow drains as soon as no handoff is under way: one that is is given up.
func (m *master) drainNow() {
	switch {
	case m.oldSide != nil:
		m.endAfter = drain
		m.oldSide.fail(errEnding)
	case m.masters.old != nil: // the old master's workers drain, too, once they are this one's
		m.endAfter = drain
	default:
		m.drain()
	}
}

// drainWhenAsked answers pinion drain.
func (m *master) drainWhenAsked(a *admin.Ask) {
	m.log.Event(logfile.DrainAsked)
	now := m.world.now()
	switch {
	case m.phase > serving && a.Timed && a.After > 0: // what has begun begins no later
		a.Reply <- admin.Outcome{Error: "pinion is " + m.phase.String() + " already; only pinion drain --undo takes that back", Failure: admin.FailureBusy}
		return
	case m.phase != serving || m.endAfter != nothing:
	case a.Timed:
		m.announceDrain(now.Add(a.After))
	case !m.announced():
		m.announceDrain(now.Add(m.generations.serving.config.Global.DrainDelay))
	}
	a.Reply <- admin.Outcome{Lines: []string{m.drainLine()}, PID: m.world.pid}
}

// endWhenAsked answers pinion stop. Asked twice, nothing is hurried.
func (m *master) endWhenAsked(a *admin.Ask) {
	m.log.Event(logfile.EndAsked)
	if !m.ordered() {
		m.end(drain)
	}
	a.Reply <- admin.Outcome{Lines: []string{m.drainLine()}, PID: m.world.pid}
}

// drainLine says when the drain begins, and how long it takes.
func (m *master) drainLine() string {
	within := "without a deadline"
	if timeout := m.generations.serving.config.Global.ShutdownTimeout; timeout > 0 {
		within = "within " + timeout.String()
	}
	if left := m.departure.at.Sub(m.world.now()); m.announced() && left > 0 {
		within = fmt.Sprintf("after %s, %s", roundForReading(left), within)
	}
	return "draining " + within
}

// undoDrain answers pinion drain --undo.
func (m *master) undoDrain(a *admin.Ask) {
	m.log.Event(logfile.UndoAsked)
	switch {
	case m.phase == serving && (m.announced() || m.endAfter == drain):
		a.Reply <- admin.Outcome{Lines: m.revokeDrain(), PID: m.world.pid}
	case m.phase == serving:
		a.Reply <- admin.Outcome{Lines: []string{"pinion does not drain: there is nothing to undo"}, PID: m.world.pid}
	case m.phase == draining && m.occupied():
		a.Reply <- admin.Outcome{Error: "a " + m.busy() + " is under way; ask again", Failure: admin.FailureBusy}
	case m.phase == draining:
		m.reopen(a.Reply)
	default:
		a.Reply <- admin.Outcome{Error: "pinion is " + m.phase.String() + ": that cannot be undone; start it again", Failure: admin.FailureBusy}
	}
}

// revokeDrain has pinion serve on: the drain has not begun. A handoff that was given up for it stays given up.
func (m *master) revokeDrain() (lines []string) {
	lines = []string{"serving: the drain is called off"}
	if m.departure.ordered {
		lines = append(lines, "a signal or pinion stop has said that pinion is to end; whoever did that may wait for it, and kill pinion")
	}
	m.departure, m.endAfter = departure{}, nothing
	m.log.Event(logfile.DrainUndone)
	m.world.services.Status(m.servingLine())
	m.tellWorkersOfDrain()
	return lines
}

// reopen takes clients again when the drain has begun: it opens the addresses anew for a generation of the same
// configuration, while the workers that drain finish what they have. If that fails, they drain on.
func (m *master) reopen(reply chan<- admin.Outcome) {
	m.log.Event(logfile.DrainUndoing)
	undone := m.departure
	m.undone = &undone
	m.departure = departure{}
	m.become(serving)
	r := order{kind: kindReload, replies: []chan<- admin.Outcome{reply}}
	if g := m.generations.serving; !g.revived {
		m.handOffTo(r, g.config, nil)
		return
	}
	m.request(r) // only a part of its configuration is known
}

// reopened is called when a handoff has ended. If it was to undo a drain and has failed, the drain goes on.
func (m *master) reopened(err error) {
	undone := m.undone
	m.undone = nil
	if undone == nil || err == nil || m.phase != serving {
		return
	}
	ordered := m.departure.ordered // meanwhile
	m.departure, m.endAfter = *undone, nothing
	m.departure.ordered = m.departure.ordered || ordered
	m.become(draining)
	if ordered {
		m.expectWorkersEnd()
	}
	m.refuseQueued()
	m.log.Event(logfile.DrainGoesOn)
}

// drainNews is what an old master tells the new one of the drain that is announced.
type drainNews struct {
	Since   time.Time     `json:"since"`
	Over    time.Duration `json:"over"` // from when the present time began until the drain
	Left    time.Duration `json:"left"` // until the drain; less than 0: it is due
	Ordered bool          `json:"ordered,omitempty"`
}

// drainNews returns what the new master is to be told; nil: no drain is announced.
func (m *master) drainNews() *drainNews {
	if !m.announced() {
		return nil
	}
	d := &m.departure
	return &drainNews{Since: d.since, Over: d.at.Sub(d.from), Left: d.at.Sub(m.world.now()), Ordered: d.ordered}
}

// goOnWithDrain is called when this master has taken over. What was announced may have changed since its workers were told.
func (m *master) goOnWithDrain() {
	if m.announced() {
		m.log.Event(logfile.DrainInherited, roundForReading(m.departure.at.Sub(m.world.now())))
	}
	m.tellWorkersOfDrain()
}

// takeDrain goes on with the drain that the old master has announced; nil: with none.
func (m *master) takeDrain(d *drainNews) {
	m.departure = departure{}
	if d != nil {
		at := m.world.now().Add(d.Left)
		m.departure = departure{since: d.Since, from: at.Add(-d.Over), at: at, ordered: d.Ordered}
	}
}

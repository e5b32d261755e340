// The new master's side of an upgrade. Whatever can fail about becoming the one that serves comes before the old master is
// asked whether it may: that one alone knows whether it has given up meanwhile.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/fault"
)

// agreeTimeout is how long a new master waits for the old one to decide. One that runs at all does so earlier: it gives up
// after settleTimeout.
const agreeTimeout = 2 * settleTimeout

// call introduces a new master to the one that has started it.
func (m *master) call(x *exchange) {
	fault.At("nm.hello")
	m.successor = true
	m.world.services.inherited() // what is in the environment was for the old master
	m.target = &target{m: m, source: x, exchange: x, died: map[int]bool{}, again: map[int]int{}}
	m.target.enter(targetCalling, callTimeout)
	m.begin(x, true)
	hello := word{Kind: wordHello, Oldest: oldestConversation, Newest: newestConversation, Build: m.opts.Build, PID: m.world.pid,
		Obeys: true}
	switch fault.Error("nm.hello") { // as a later version may say it
	case fault.ErrShortWrite:
		hello.Oldest, hello.Newest = newestConversation+1, newestConversation+1
	case fault.ErrGarbage:
		hello.Critical = []string{"what will be"}
	}
	x.say(hello)
}

func (t *target) welcomed(w word) {
	t.m.numbered = w.Generation
	t.strict, t.clients, t.stored = w.Strict, w.Clients, w.Stored
	t.obeys, t.old = w.Declares, w.PID
	t.m.startedAt = w.StartedAt
	t.m.former = w.Former
}

// load reads the configuration, by which the new generation serves.
func (t *target) load() {
	m := t.m
	t.enter(targetPreparing, waitTimeout)
	m.load(func(cfg *config.Config, err error) {
		fault.At("nm.config")
		if m.target != t {
			return
		}
		if err != nil {
			t.fail(err)
			return
		}
		t.prepare(cfg)
	})
}

// ask has the old master decide. Until it has, clients may go back. Those who look for the master that serves by the pid
// file find this one before; the service manager is told by the old master, if that is of a version that does.
func (t *target) ask(result *HandoffStatus) {
	m := t.m
	fault.At("nm.ready.before")
	if err := writePIDFile(m.opts.PIDFile, m.world.pid); err != nil {
		t.fail(err)
		return
	}
	t.result, t.asked = result, true
	t.enter(targetSettling, agreeTimeout)
	if t.obeys || !m.world.services.present() {
		t.settled()
		return
	}
	m.world.services.mainPID(m.world.pid)
	m.world.services.ready("serving")
	m.world.services.barrier(func(err error) {
		m.world.report(event{then: func() {
			if err != nil {
				m.log.printf(levelError, "telling the service manager about the new master: %v", err)
			}
			if m.target == t && t.phase == targetSettling {
				t.settled()
			}
		}})
	})
}

func (t *target) settled() {
	fault.At("nm.declared")
	t.source.say(word{Kind: wordSettled})
}

// agreed follows when the old master lets this one take over.
func (t *target) agreed() {
	fault.At("nm.agreed")
	t.m.predecessor, t.m.stored = t.exchange, t.stored
	t.promote()
}

// promote makes this master the one that serves.
func (t *target) promote() {
	m := t.m
	t.established()
	if err := m.world.flip(); err != nil { // who does not hear of it is gone; this process can be upgraded from now on
		m.log.printf(levelDebug, "the old master: %v", err)
	}
	fault.At("nm.ready.after")
	m.target, m.coming = nil, nil
	m.generation, m.inherited = t.g, t.left
	m.keep(t.g)
	if t.result != nil {
		m.last = t.result
		m.last.Outcome, m.last.Build, m.last.Took = HandoffDone, m.opts.Build, m.world.now().Sub(m.last.At)
	}
	m.becomeServing()
	for _, s := range t.g.slots { // died meanwhile
		if s.state == slotVacant {
			m.fill(s)
		}
	}
}

// bequest takes the last that the old master has counted.
func (m *master) bequest(w word) {
	m.stored = nil                                                       // the old master has seen to that
	if w.Legacy != nil && m.generation != nil && len(m.inherited) == 0 { // nobody else has said what they have counted
		m.past = w.Legacy
		m.restate()
	}
	m.succeedInherited()
	if w.Result != nil {
		m.last = w.Result
	}
}

// orphaned follows when the old master ends before this one has taken over. Its workers serve on without it, or give on
// what they have begun to give. A service manager starts another master, which finds those workers and not these, so
// there everything goes back: at once if the old master was the main process, and else when this one has ended. Without a
// service manager, this master is all that there is.
func (t *target) orphaned(err error) {
	m := t.m
	reason := fmt.Errorf("the old master has ended: %w", err)
	switch t.phase {
	case targetReturning:
		return
	case targetTaking, targetSettling:
		if m.world.services.present() && (t.obeys || t.phase == targetTaking) {
			m.leavePorts()
			t.abort(reason.Error())
			return
		}
		if err := writePIDFile(m.opts.PIDFile, m.world.pid); err != nil {
			m.log.printf(levelError, "%v", err)
		}
	default:
		t.cancel(reason)
		return
	}
	m.log.printf(levelError, "the old master has ended in the middle of the handoff (%v), taking over", err)
	t.promote()
	m.succeedInherited()
	m.unstore(t.stored)
	t.exchange.close()
}

// leavePorts makes room for another master.
func (m *master) leavePorts() {
	for _, fd := range []*int{&m.statsFD, &m.controlFD} {
		if *fd >= 0 {
			m.world.close(*fd)
			*fd = -1
		}
	}
}

// deserted follows when the old master neither decides nor ends.
func (t *target) deserted() {
	m := t.m
	m.log.printf(levelError, "the old master has said nothing for %s, taking over", agreeTimeout)
	m.predecessor, m.stored = t.exchange, t.stored
	t.promote()
}

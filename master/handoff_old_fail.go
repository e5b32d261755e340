// The old side when the handoff fails: the old generation serves on, or everything stops.

package master

import (
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/link"
)

// fail ends the attempt. If clients have moved, they are handed back first.
func (o *oldSide) fail(reason error) {
	m := o.m
	switch o.phase {
	case oldReturning, oldLeaving:
		return
	case oldCalling, oldWaiting, oldJoining:
		o.other.send(message{Kind: messageAbort, Reason: reason.Error(), Unmoved: true})
		o.conclude(reason)
		return
	}
	m.log.Event(logfile.HandoffFails, o.status.Kind, reason)
	o.failure = reason
	o.enter(oldReturning, returnTimeout+settleTimeout) // the new side may take all of returnTimeout, and then sends returned
	o.resume()
	o.other.send(message{Kind: messageAbort, Reason: reason.Error()})
}

// resume tells the workers to serve on.
func (o *oldSide) resume() {
	for _, from := range o.m.generations.serving.slots {
		if from.state == slotGiving {
			from.become(slotServing, time.Time{})
			o.m.pass(from, link.Message{Kind: link.Resume})
			if from.toldToEnd {
				o.m.drainSlot(from)
			}
		}
	}
}

// stop ends the attempt because pinion stops: no client is handed back, since the old workers end, too.
func (o *oldSide) stop() {
	m := o.m
	const reason = "pinion stops"
	o.other.send(message{Kind: messageAbort, Reason: reason, Intent: intentNames[stop]})
	m.oldSide = nil
	for _, reply := range o.replies {
		reply <- admin.Outcome{Error: reason, Failure: admin.FailureBusy}
	}
	if o.link != nil {
		o.link.close()
		o.killNewMaster()
	}
}

// notSent is called when a message to the new master could not be sent.
func (o *oldSide) notSent(u *unsent) {
	if o.phase == oldLeaving { // it may not know that it may take over; only its process tells whether it has
		o.m.log.Event(logfile.NewMasterUntold, o.status.Kind, u)
		o.killNewMaster()
		return
	}
	o.fail(u)
}

// killNewMaster kills a new master that does not end by itself in time.
func (o *oldSide) killNewMaster() {
	m := o.m
	if !m.masters.newRuns {
		return
	}
	known := m.workerPIDs()
	m.world.killChildren(func(pid int) bool {
		return !known[pid] && (!m.keeper.stays || process.SameCommand(pid) || isSuccessor(pid))
	})
}

// abandon ends the new side's part after a failure: the old generation is the only one again.
func (o *oldSide) abandon() {
	m := o.m
	o.resume()
	if o.link != nil {
		o.link.close()
		m.dropListeners(m.generations.serving)
		o.killNewMaster()
	}
	if o.phase == oldLeaving {
		m.serveStats()
		m.serveHTTP()
	}
	for _, old := range m.generations.serving.slots { // died while their clients moved
		if old.state == slotVacant && m.phase == serving {
			m.fill(old)
		}
	}
}

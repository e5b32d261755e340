// The end of the new side's part: all clients have moved, or a phase has lasted too long.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
)

// expire is called at the deadline of the phase.
func (n *newSide) expire() {
	switch n.phase {
	case newReturning:
		n.sendReturned()
		n.cancel(fmt.Errorf("%w; clients could not be given back within %s", n.failure, returnTimeout))
	case newAccepting:
		if n.moved != nil && len(n.gone) > 0 { // they live
			clear(n.gone)
			n.enter(newAccepting, n.acceptTimeout())
			n.allMoved(n.moved)
			return
		}
		if n.failure == nil {
			n.fail(fmt.Errorf("nothing was heard of the old generation for %s", n.acceptTimeout()))
			return
		}
		n.abort("the other side is silent", false)
	case newSettling:
		if n.agreedTo {
			n.takeOver()
			return
		}
		n.oldMasterSilent()
	default:
		if n.failure != nil {
			n.abort("the other side is silent", false)
			return
		}
		n.fail(fmt.Errorf("waited in vain while %s", n.phase))
	}
}

// allMoved is called when all clients have moved. For a reload this is the point of no return: from here on the new
// generation serves alone.
func (n *newSide) allMoved(result *admin.HandoffStatus) {
	n.serveAll()
	if n.moved = nil; n.hasUnreaped() { // its lost clients are counted first
		n.moved = result
		if len(n.gone) > 0 {
			n.enter(newAccepting, reapTimeout)
		}
		return
	}
	if n.link != nil {
		n.askToTakeOver(result)
		return
	}
	n.keepClients()
	n.other.send(message{Kind: messageSettled})
}

// serveAll lets those workers accept, too, that have not confirmed their connections: no client goes back any more, and the
// old workers do not accept.
func (n *newSide) serveAll() {
	for _, s := range n.g.slots {
		if s.state == slotPrepared {
			n.m.serve(s)
		}
	}
}

// hasUnreaped reports whether a worker is dead or dying and has not been reaped. An old worker can notice a death earlier
// than this process: connections are closed before a process has ended.
func (n *newSide) hasUnreaped() bool {
	for _, s := range n.g.slots {
		if s.process != nil && (s.state == slotDying || n.m.unreaped(s) || n.gone[s.index] == s.process.PID) {
			return true
		}
	}
	return false
}

// keepClients tells the new workers to keep the clients that they have received.
func (n *newSide) keepClients() {
	n.liveness.CatchUp()
	n.serveAll()
	for _, s := range n.g.slots {
		if s.state == slotServing {
			n.m.pass(s, link.Message{Kind: link.Settle})
		}
	}
	n.g.clearTakeover()
}

// replaceGeneration ends a reload: the new generation becomes the one that serves.
func (m *master) replaceGeneration() {
	n := m.newSide
	m.newSide, m.generations.coming = nil, nil
	old := m.generations.serving
	m.generations.serving = n.g
	m.generations.retired = append(m.generations.retired, old)
	m.settleListeners(n.g)
	m.warnOfIdleSockets()
	m.settleHTTP(n.g)
	m.settleLog(n.g.config)
	if m.admin.next != nil {
		m.settleControl()
		m.serveAdmin()
	}
	m.settleReading(n.g)
	if m.statistics.next != nil {
		m.settleStatistics(n.g.config)
		m.serveStats()
	}
	m.storeEverything()
	m.unstore(old.storedNames())
	m.storeAgain()
	m.watch()
	m.tellOfCertificates()
	m.scheduleSummary()
	m.updateInherited()
	m.forgetRetired()
}

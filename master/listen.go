// Listening sockets, as the loop decides about them. Package listen does what is decided.

package master

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// layout returns where a generation listens.
func (g *generation) layout() listen.Layout {
	return listen.Layout{Pools: g.config.Pools, Slots: len(g.slots)}
}

// patience is how long to wait for another process that binds in the same directory. It is short for a master that serves or
// replaces one, since the loop waits.
func (m *master) patience() time.Duration {
	if m.phase == starting && !m.masters.startedByOld {
		return listen.LockPatience
	}
	return listen.ShortLockPatience
}

// settleListeners is called when a generation begins to serve: its sockets get their backlog and permissions, and those that
// it does not serve are closed, if this process can open them again. A revived generation does not know backlogs and permissions.
func (m *master) settleListeners(g *generation) {
	layout := g.layout()
	m.closeWhere(layout.Closes)
	if !g.revived {
		m.listeners.Adjust(layout)
	}
	m.listeners.Settle()
	m.watchPaths()
}

// idleSockets returns the sockets of the service manager at which no pool of a layout listens.
func (m *master) idleSockets(layout listen.Layout) (all []admin.IdleSocket) {
	for _, l := range m.listeners.All() {
		if s := (admin.IdleSocket{Address: l.Address, Unit: l.Name}); layout.Idle(l) && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// warnOfIdleSockets tells of them in the log.
func (m *master) warnOfIdleSockets() {
	for _, s := range m.idleSockets(m.generations.serving.layout()) {
		m.log.Event(logfile.SocketIdle, s.Unit, s.Address, s.Unit)
	}
}

// idleRemarks says the same to who asks for a reload.
func (m *master) idleRemarks(layout listen.Layout) (all []string) {
	for _, s := range m.idleSockets(layout) {
		all = append(all, s.String())
	}
	return all
}

// dropListeners closes what was opened for a generation that will not serve. Where connections may wait already, and the
// generation that goes on serves the address, its workers accept from there too: closing would reset those who wait.
func (m *master) dropListeners(serving *generation) {
	m.closeWhere(func(l *listen.Listener) bool {
		return l.Fresh && !(l.Queues && serving != nil && serving.layout().Serves(l))
	})
	m.listeners.Part()
	for _, l := range m.listeners.Settle() {
		for _, s := range serving.slots {
			if s.state == slotServing && serving.layout().Assigns(l, s.index) {
				m.passListener(s, l)
			}
		}
	}
}

// passListener makes a worker accept from a listener of its generation.
func (m *master) passListener(s *slot, l *listen.Listener) {
	m.pass(s, link.Message{Kind: link.Listen, Body: link.Body(link.ListenBody{Listener: s.generation.layout().Describe(l)})}, l.FD)
}

// closeWhere closes the master's copies of some listeners. During an upgrade connections may still come to them, since the
// new master may have copies.
func (m *master) closeWhere(chosen func(*listen.Listener) bool) {
	m.listeners.Close(m.oldSide == nil || m.oldSide.link == nil, chosen)
}

// closeListeners closes the master's copies of all listeners. What was taken from another program the service manager keeps in case this
// is a restart: this service could not open it while that program lives. It has to be kept by a name that says whose it is, or the next
// master would take it for its own.
func (m *master) closeListeners() {
	m.callOffEnd()
	for _, l := range m.listeners.All() {
		l.Stored = l.Stored && !(l.IsElsewhere() && l.Name == storeName(l))
	}
	m.closeWhere(func(*listen.Listener) bool { return true })
}

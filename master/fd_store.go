// The fd store: what the service manager keeps for the next master, should this one be killed. It does not report what it
// keeps, and may be full, so everything is stored again after each handoff.

package master

import (
	"encoding/json"
	"fmt"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/systemd"
)

func (s *slot) storedName() string {
	return systemd.Stored{Kind: systemd.Worker, Generation: s.generation.number, Slot: s.index, PID: s.process.PID}.Name()
}

// storedName returns the name in the fd store of something that all workers of the generation share.
func (g *generation) storedName(kind string) string {
	return systemd.Stored{Kind: kind, Generation: g.number}.Name()
}

// storeEverything stores what the next master needs, the workers first: if there is not enough room, the next master can get
// everything else from them.
func (m *master) storeEverything() {
	if !m.world.services.Present() {
		return
	}
	m.storeGeneration()
	m.storeSockets()
}

// storeGeneration stores what the next master needs to find the workers of the generation that serves.
func (m *master) storeGeneration() {
	g := m.generations.serving
	err := m.makeSpec(g)
	if err == nil {
		err = m.world.services.Store(g.storedName(systemd.Spec), g.specFD)
	}
	m.checkStored(err)
	for _, s := range g.slots {
		m.storeWorker(s)
	}
	m.checkStored(m.world.services.Store(g.storedName(systemd.Shared), g.sharedFD))
}

// storeWorker stores the worker link of one worker.
func (m *master) storeWorker(s *slot) {
	if s.state != slotServing || s.generation != m.generations.serving || !m.world.services.Present() {
		return
	}
	s.process.WithLink(func(fd int) { m.checkStored(m.world.services.Store(s.storedName(), fd)) })
}

// makeSpec makes the memory file with the workers' specification for the next master, once: the service manager recognizes
// what is stored twice only if it is the same file.
func (m *master) makeSpec(g *generation) error {
	if g.specFD >= 0 {
		return nil
	}
	text, err := json.Marshal(m.launch(g.slots[0]).Spec)
	if err == nil {
		g.specFD, err = m.world.sealed(text)
	}
	if err != nil {
		g.specFD = -1
		return fmt.Errorf("storing the specification of generation %d: %w", g.number, err)
	}
	return nil
}

// storeSockets stores copies of the listening sockets, so that connections that wait in their queues survive the death of
// the master and its workers. A stored socket keeps its name, so one that another version has named differently is unstored
// first.
func (m *master) storeSockets() {
	for _, l := range m.listeners.All() {
		if own := storeName(l); !l.Foreign && l.Name != own {
			m.world.services.Unstore(l.Name)
			l.Name = own
		}
	}
	for _, l := range m.listeners.All() {
		if !l.Foreign {
			l.Stored = true
			m.checkStored(m.world.services.Store(l.Name, l.FD))
		}
	}
	m.storeStatistics()
}

// storeStatistics stores the statistics port while another program has it, too: this service may not be able to open it.
func (m *master) storeStatistics() {
	p := m.takenFrom.stats
	if p == nil || !m.world.services.Present() {
		return
	}
	network, address := m.world.boundTo(m.statistics.fd)
	m.takenFrom.statsName = takenName(p.PID, p.Identity, network, address)
	m.checkStored(m.world.services.Store(m.takenFrom.statsName, m.statistics.fd))
}

// storeAgain stores everything again after something was unstored that may have left no room.
func (m *master) storeAgain() {
	if !m.world.services.Present() {
		return
	}
	m.world.services.Barrier(func(error) {
		m.world.report(event{then: func() {
			if m.phase == serving {
				m.storeEverything()
			}
		}})
	})
}

func (m *master) checkStored(err error) {
	if err != nil {
		m.log.Event(logfile.StoreFailed, err)
	}
}

// storedNames returns the names in the fd store of a generation's descriptors. The service manager drops links of workers
// that have ended by itself.
func (g *generation) storedNames() []string {
	names := []string{g.storedName(systemd.Spec), g.storedName(systemd.Shared)}
	for _, s := range g.slots {
		if s.process != nil {
			names = append(names, s.storedName())
		}
	}
	return names
}

// unstore removes descriptors from the fd store. A worker whose link was open nowhere else sees its end, and ends when it
// has no client any more.
func (m *master) unstore(names []string) {
	for _, name := range names {
		m.world.services.Unstore(name)
	}
}

// unstoreGeneration removes everything that a later master could take over. It is called when this master ends as it was
// asked to.
func (m *master) unstoreGeneration() {
	if m.generations.serving != nil {
		m.unstore(m.generations.serving.storedNames())
	}
	m.unstore(m.service.stored)
	m.service.stored = nil
}

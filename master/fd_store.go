// The store: what the service manager keeps for the master that comes after one that was killed. It does not say what it
// keeps, and may have had too little room, so all of it is stored again whenever something has been taken over.

package master

import (
	"encoding/json"
	"fmt"

	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/systemd"
)

func (s *slot) storedName() string {
	return systemd.Stored{Kind: systemd.Worker, Generation: s.generation.number, Slot: s.index, PID: s.process.PID}.Name()
}

// storedName returns the name of something that all workers of the generation share.
func (g *generation) storedName(kind string) string {
	return systemd.Stored{Kind: kind, Generation: g.number}.Name()
}

// storeEverything has the service manager keep what the next master needs. Where there is not enough room, the workers are
// what matters: from them the next master gets everything else.
func (m *master) storeEverything() {
	if !m.world.services.Present() {
		return
	}
	m.storeGeneration()
	m.storeSockets()
}

// storeGeneration has the service manager keep what the next master needs to find the workers of the one that serves.
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

// storeWorker does so for one worker.
func (m *master) storeWorker(s *slot) {
	if s.state != slotServing || s.generation != m.generations.serving || !m.world.services.Present() {
		return
	}
	s.process.WithLink(func(fd int) { m.checkStored(m.world.services.Store(s.storedName(), fd)) })
}

// makeSpec makes the file that tells the next master what the workers were told. There is one, since whatever is stored
// twice is kept twice unless it is the same file.
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

// storeSockets has the service manager keep copies of the listening sockets, so that not even the death of the master
// loses a connection that waits in one. A socket keeps the name that it is stored by, so one that another version has
// given a name of its own is forgotten first.
func (m *master) storeSockets() {
	for _, l := range m.listeners.All() {
		if own := listen.Name(l.Network, l.Address, l.Slot); !l.Foreign && l.Name != own {
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
}

// storeAgain stores what there may have been no room for while something else was kept that is forgotten now.
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
		m.log.Printf(logfile.Error, "should the master die, the next one will miss something: %v", err)
	}
}

// storedNames returns the names of what the service manager keeps of a generation. Sockets of workers that have ended it
// forgets by itself.
func (g *generation) storedNames() []string {
	names := []string{g.storedName(systemd.Spec), g.storedName(systemd.Shared)}
	for _, s := range g.slots {
		if s.process != nil {
			names = append(names, s.storedName())
		}
	}
	return names
}

// unstore has the service manager forget. Workers whose links nobody else has see their end, and end when they
// have no client any more.
func (m *master) unstore(names []string) {
	for _, name := range names {
		m.world.services.Unstore(name)
	}
}

// unstoreGeneration leaves nothing to take over to a master that begins after this one has ended as it was asked to: it
// begins anew, by the configuration file as it is then.
func (m *master) unstoreGeneration() {
	if m.generations.serving != nil {
		m.unstore(m.generations.serving.storedNames())
	}
	m.unstore(m.service.stored)
	m.service.stored = nil
}

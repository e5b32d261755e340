// The service manager, as the loop uses it.

package master

import (
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/systemd"
)

// manager is the service manager, see systemd.Manager.
type manager interface {
	Present() bool
	Report(heard func(error))
	Ready(status string)
	Status(text string)
	Reloading(status string)
	Stopping(status string)
	ExtendTimeout(d time.Duration)
	MainPID(pid int)
	Barrier(done func(error))
	Watchdog(successor bool) (time.Duration, error)
	Ping()
	Store(name string, fd int) error
	Unstore(name string)
	Inherited() ([]systemd.Socket, error)
	Flush()
}

// service is what the service manager expects of the master, and keeps for it.
type service struct {
	watchdog watchdog
	stored   []string // names in the fd store that may remain of the old master's generation
}

// beginService is called when the process serves for the first time.
func (m *master) beginService() {
	m.beginWatchdog()
	if m.masters.startedByOld && m.keeper.pid > 0 {
		m.log.Event(logfile.KeeperIsMain)
	} else if m.masters.startedByOld {
		m.world.services.MainPID(m.world.pid) // again: the old master may have died before it did this
	} else if err := m.world.flip(); err != nil {
		m.log.Event(logfile.NoUpgrades, err)
	}
	if !m.masters.startedByOld && m.keeper.pid > 0 {
		m.joinKeeper()
	}
	m.world.services.Ready(m.servingLine())
	m.storeEverything()
}

func (m *master) servingLine() string {
	return fmt.Sprintf("serving, generation %d", m.generations.serving.number)
}

// managerHeard is called when a message to the service manager cannot be delivered, and, with nil, when messages can be
// delivered again.
func (m *master) managerHeard(err error) {
	if err != nil {
		m.log.Event(logfile.ManagerDeaf, err)
		return
	}
	m.log.Event(logfile.ManagerHears)
	if m.phase == serving {
		m.storeEverything()
	}
}

// adoptSockets takes over the listening sockets that the service manager has kept or opened. Those on addresses that are
// not configured are closed when the configuration is known.
// It returns the generation that an earlier master has left; nil if there is none.
func (m *master) adoptSockets() *generation {
	all, err := m.world.services.Inherited()
	if err != nil {
		m.log.Event(logfile.SocketsNotInherited, err)
	}
	generations, passed := splitStored(all)
	slots := map[string]int{}
	for _, p := range passed {
		if p.Network == "" || !p.Listening {
			m.log.Event(logfile.SocketUseless, p.Name)
			m.world.close(p.FD)
			continue
		}
		if m.adoptTaken(p) {
			continue
		}
		l := listen.Listener{
			Name: p.Name, Network: p.Network, Address: p.Address, Queues: true, Socket: listen.Socket{FD: p.FD, Inode: m.world.sockets.Inode(p.FD)},
			Foreign: !listen.OwnName(p.Name),
		}
		l.Stored = !l.Foreign
		l.Slot = slots[p.Address]
		slots[p.Address]++
		if n, err := strconv.Atoi(path.Base(p.Name)); err == nil && !l.Foreign {
			l.Slot = n
		}
		if p.Network == "unix" {
			l.Slot = listen.EverySlot
			if !l.Foreign {
				l.Unlink = m.world.sockets.Unlinker(p.Address)
				l.Spot, _ = m.world.sockets.Locate(p.Address)
			}
		}
		m.listeners.Add(l)
		m.log.Event(logfile.SocketInherited, p.Address, p.Name)
	}
	return m.reviveStored(generations)
}

// Who else has the sockets of this service. A master is told by whoever was before it: by the old master of an upgrade, or by the names
// of what the service manager keeps. One that follows a killed one without a service manager has to look.

package master

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/takeover"
)

func otherOf(p *takeover.Program) *listen.Other {
	return &listen.Other{PID: p.PID, Identity: p.Identity, Lives: p.Lives}
}

// programBy returns a program of which an earlier master has known, once for all its sockets.
func (m *master) programBy(pid int, identity uint64) (*takeover.Program, error) {
	if p := m.knownProgram(pid); p != nil {
		if !p.Is(identity) {
			return nil, takeover.ErrGone
		}
		return p, nil
	}
	p, err := m.world.program(pid, identity)
	if err != nil {
		return nil, err
	}
	m.addProgram(p)
	return p, nil
}

func (m *master) knownProgram(pid int) *takeover.Program {
	for _, p := range m.takenFrom.programs {
		if p.PID == pid {
			return p
		}
	}
	return nil
}

// addProgram has the end of a program noticed; before this master serves nobody would act on it.
func (m *master) addProgram(p *takeover.Program) {
	m.takenFrom.programs = append(m.takenFrom.programs, p)
	if m.phase == serving {
		m.awaitProgram(p)
	}
}

// otherWith is programBy for a socket. A program that cannot be looked at, for want of a descriptor, counts as one that lives for as
// long as something has its pid: to leave a socket open does less harm than to take it from a program that serves.
func (m *master) otherWith(pid int, identity uint64) *listen.Other {
	p, err := m.programBy(pid, identity)
	switch {
	case err == nil:
		return otherOf(p)
	case errors.Is(err, takeover.ErrGone):
		return nil
	}
	m.log.Event(logfile.OtherUnknown, err)
	return &listen.Other{PID: pid, Identity: identity, Lives: func() bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }}
}

// replacedBy returns the program to which pinion stop was told to leave the sockets, and which lives; nil: none.
func (m *master) replacedBy() *takeover.Program {
	if p := m.takenFrom.leaving; p != nil && p.Lives() {
		return p
	}
	return nil
}

// leaveTo has the sockets left to a program that was started on them.
func (m *master) leaveTo(pid int) {
	t := &m.takenFrom
	if p := m.replacedBy(); p == nil || p.PID != pid {
		p, err := m.world.program(pid, 0)
		if err != nil {
			m.listeners.LeaveTo(m.otherWith(pid, 0))
			return
		}
		if t.leaving != nil {
			takeover.Close([]*takeover.Program{t.leaving})
		}
		t.leaving = p
	}
	m.listeners.LeaveTo(otherOf(t.leaving))
}

// leftElsewhere returns, by slot of the generation that serves, the addresses on which another program serves on when this one ends,
// while the worker has a socket that is not left to it. For a moment, connections may still come there.
func (m *master) leftElsewhere() map[int][]config.ListenID {
	all := map[int][]config.ListenID{}
	layout := m.generations.serving.layout()
	for _, l := range m.listeners.All() {
		if !layout.Serves(l) || l.IsElsewhere() || !slices.ContainsFunc(m.listeners.All(), func(other *listen.Listener) bool {
			return other.ID() == l.ID() && other.IsElsewhere()
		}) {
			continue
		}
		for slot := range layout.Slots {
			if layout.Assigns(l, slot) && !slices.Contains(all[slot], l.ID()) {
				all[slot] = append(all[slot], l.ID())
			}
		}
	}
	return all
}

// sharedWith returns the programs that accept from sockets of this service.
func (m *master) sharedWith() (all []admin.ProgramStatus) {
	for _, l := range m.listeners.All() {
		if !l.IsElsewhere() {
			continue
		}
		s := admin.ProgramStatus{PID: l.Other.PID}
		if p := m.knownProgram(s.PID); p != nil {
			s.Name = p.Name
		}
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// holdersAgain is how long it takes until a look that has failed is repeated.
const holdersAgain = time.Second

// seekHolders finds out which sockets other programs have, too, and then goes on. What cannot be found out now is found out later.
func (m *master) seekHolders(then func()) {
	var inodes []uint64
	for _, l := range m.listeners.All() {
		if l.Other == nil && !l.Foreign {
			inodes = append(inodes, l.Inode)
		}
	}
	m.world.aside(func() func() {
		holders, err := m.world.holders(inodes)
		return func() {
			m.foundHolders(holders)
			if err != nil {
				m.log.Event(logfile.OtherUnknown, err)
				m.world.aside(func() func() { m.world.pause(holdersAgain); return m.seekHoldersAgain })
			}
			then()
		}
	})
}

func (m *master) seekHoldersAgain() {
	if m.phase <= serving {
		m.seekHolders(func() {})
	}
}

// foundHolders notes programs by the inodes of sockets that they have.
func (m *master) foundHolders(holders map[uint64]*takeover.Program) {
	used := map[*takeover.Program]bool{}
	for _, l := range m.listeners.All() {
		p := holders[l.Inode]
		if p == nil || l.Other != nil {
			continue
		}
		known := m.knownProgram(p.PID)
		if known == nil {
			m.addProgram(p)
			known = p
		}
		used[known] = true
		l.Other = otherOf(known)
	}
	for _, p := range holders {
		if !used[p] && p.Lives() {
			takeover.Close([]*takeover.Program{p})
		}
	}
}

// shareStatistics takes the statistics port of a program that has this service's sockets, too: an earlier master has shared it.
func (w *world) shareStatistics(programs []*takeover.Program, address string) (fd int, of *takeover.Program, err error) {
	var pids []string
	for _, p := range programs {
		pids = append(pids, strconv.Itoa(p.PID))
	}
	found, err := w.findSockets(strings.Join(pids, ","), address)
	if err != nil {
		return -1, nil, err
	}
	defer found.close()
	for _, s := range found.sockets {
		if (config.ListenID{Network: s.Network, Address: s.Address}) != found.statsID() {
			continue
		}
		for _, p := range programs {
			if p.PID == s.From.PID {
				fd, err = w.dup(s.FD)
				return fd, p, err
			}
		}
	}
	return -1, nil, syscall.EADDRINUSE
}

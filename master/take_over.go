// Taking over from another program, as nutcracker, or from a Pinion that can hand nothing over: this master serves on copies of that
// one's listening sockets. Both accept until the other one ends, and nobody is refused meanwhile or then.

package master

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/takeover"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

// takingOver is what this master has to do with programs whose sockets it has taken.
type takingOver struct {
	programs []*takeover.Program // that have not ended; empty: there is none
	sockets  []takeover.Socket   // copies by which the programs can be told to accept nobody; only if they are to end
	stats    bool                // the programs answer on the statistics port until they have ended

	callOff func() // the end of the programs, which is under way; nil: it is not
}

var errCalledOff = errors.New("this was called off, as pinion is ending itself")

// foundSockets is what the programs of an option were found to listen on.
type foundSockets struct {
	programs []*takeover.Program
	sockets  []takeover.Socket
	stats    string // the address of the statistics as the kernel writes it
}

func (f *foundSockets) close() {
	takeover.CloseSockets(f.sockets)
	takeover.Close(f.programs)
}

// findSockets copies the sockets of all programs that a text names. stats is the statistics address, whose host may be a name.
func findSockets(text, stats string) (f foundSockets, err error) {
	if at, err := net.ResolveTCPAddr("tcp", stats); err == nil {
		ap := at.AddrPort()
		f.stats = net.JoinHostPort(ap.Addr().Unmap().String(), strconv.Itoa(int(ap.Port())))
	}
	if f.programs, err = takeover.Find(text); err != nil {
		return f, err
	}
	for _, p := range f.programs {
		sockets, err := p.Sockets()
		if err != nil {
			f.close()
			return foundSockets{}, err
		}
		f.sockets = append(f.sockets, sockets...)
	}
	return f, nil
}

// takeOver takes the sockets that an option asks for, beside the loop, and then goes on. Where the program has ended, as before a
// restart by the same command line, there is nothing to take.
func (m *master) takeOver(cfg *config.Config, then func()) {
	if m.opts.TakeOver == "" {
		then()
		return
	}
	stats := m.statisticsAddress(cfg)
	m.world.aside(func() func() {
		found, err := m.world.findSockets(m.opts.TakeOver, stats)
		return func() {
			switch {
			case errors.Is(err, takeover.ErrGone):
				m.remark(logfile.NothingToTake, err)
			case m.failed(err):
				found.close()
				return
			default:
				if m.failed(m.take(cfg, found)) {
					found.close()
					return
				}
			}
			then()
		}
	})
}

// take takes over what was found, or nothing if it does not fit the configuration.
func (m *master) take(cfg *config.Config, found foundSockets) error {
	rest, err := found.fit(cfg)
	switch {
	case err != nil:
		return err
	case len(rest) > 0 && m.opts.EndOther:
		return fmt.Errorf("taking over from %s: it also listens on %s, where nobody would serve after its end: have a pool listen there, give it as address of the "+
			"statistics (-a, -s), or leave --end out; nothing was taken", namesOf(found.programs), addressesOf(rest))
	case len(rest) > 0:
		m.remark(logfile.SocketsUnused, found.left(rest))
	}
	return m.keepTaken(cfg, found, found.statsID())
}

// fit compares what was found with a configuration, and returns what that has no use for.
func (f *foundSockets) fit(cfg *config.Config) (rest []takeover.Socket, err error) {
	rest = f.sockets
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		left := without(rest, p.Listen.ID())
		if len(left) == len(rest) {
			return nil, fmt.Errorf("taking over from %s: pool %q listens on %s, and there is no such socket among %s: nothing was taken; "+
				"make the addresses the same, and change them by a reload later", namesOf(f.programs), p.Name, p.Listen.Text, addressesOf(f.sockets))
		}
		rest = left
	}
	rest = without(rest, f.statsID())
	return slices.DeleteFunc(slices.Clone(rest), func(s takeover.Socket) bool { // its admin socket
		return s.From.IsPinion() && s.Network == "unix"
	}), nil
}

func (f *foundSockets) statsID() config.ListenID {
	return config.ListenID{Network: "tcp", Address: f.stats}
}

// left says what a configuration has no use for.
func (f *foundSockets) left(rest []takeover.Socket) string {
	return fmt.Sprintf("%s also listens on %s, where nobody will serve when it has ended", namesOf(f.programs), addressesOf(rest))
}

// keepTaken makes the sockets of pools and of the statistics this master's.
func (m *master) keepTaken(cfg *config.Config, found foundSockets, stats config.ListenID) error {
	layout := listen.Layout{Pools: cfg.Pools, Slots: 1}
	for _, s := range found.sockets {
		id := config.ListenID{Network: s.Network, Address: s.Address}
		pool := layout.Serves(&listen.Listener{Network: s.Network, Address: s.Address})
		if !pool && (id != stats || m.takenFrom.stats) {
			continue
		}
		fd, err := m.world.dup(s.FD)
		if err != nil {
			return fmt.Errorf("taking over from %s: %w", s.From, err)
		}
		if pool {
			m.listeners.Take(s.Network, s.Address, fd, &listen.Other{PID: s.From.PID, Lives: s.From.Lives})
		} else {
			m.statistics.fd, m.takenFrom.stats = fd, true
			m.statistics.address = m.statisticsAddress(cfg)
		}
		m.log.Event(logfile.SocketTakenOver, s.Address, s.From)
	}
	m.takenFrom.programs = found.programs
	m.takenFrom.sockets = found.sockets
	return nil
}

// without returns the sockets that are not at an address.
func without(all []takeover.Socket, at config.ListenID) (rest []takeover.Socket) {
	for _, s := range all {
		if (config.ListenID{Network: s.Network, Address: s.Address}) != at {
			rest = append(rest, s)
		}
	}
	return rest
}

func namesOf(programs []*takeover.Program) string {
	var all []string
	for _, p := range programs {
		all = append(all, p.String())
	}
	return strings.Join(all, " and ")
}

func addressesOf(sockets []takeover.Socket) string {
	var all []string
	for _, s := range sockets {
		all = append(all, s.Address)
	}
	if len(all) == 0 {
		return "none at all"
	}
	return strings.Join(all, ", ")
}

// takenOver is called when the first generation serves on sockets that were taken over. Now nothing can fail any more, so sockets
// for the other slots join those, by a reload; until then, and where the kernel refuses it, all workers accept from one.
func (m *master) takenOver() {
	if len(m.takenFrom.programs) == 0 {
		m.takeStatistics()
		return
	}
	for _, p := range m.takenFrom.programs {
		m.world.aside(func() func() {
			p.AwaitEnd()
			return func() { m.programEnded(p) }
		})
	}
	m.log.Event(logfile.SocketShared, namesOf(m.takenFrom.programs))
	if m.listeners.Lone(m.generations.serving.layout()) {
		m.request(order{kind: kindReload, noReply: true})
	}
}

// endPrograms is called when the groups are complete, or cannot be. It ends the programs from which was taken over, if that was asked
// for. First they are told to accept nobody, so that whom
// they have accepted last gets its answer; if they do not end, they accept again.
func (m *master) endPrograms() {
	sockets := m.takenFrom.sockets
	m.takenFrom.sockets = nil
	if len(sockets) == 0 {
		return
	}
	if !m.opts.EndOther || !m.takesOrders() {
		takeover.CloseSockets(sockets)
		return
	}
	programs := m.takenFrom.programs
	ctx, callOff := context.WithCancelCause(context.Background())
	m.takenFrom.callOff = func() { callOff(errCalledOff) }
	m.world.aside(func() func() {
		err := takeover.EndAll(ctx, programs, sockets)
		takeover.CloseSockets(sockets)
		return func() { m.endedPrograms(err) }
	})
}

// endedPrograms is called when programs have been ended, or could not be. What was asked for meanwhile begins: another master could
// not go on with it.
func (m *master) endedPrograms(err error) {
	m.takenFrom.callOff = nil
	switch {
	case errors.Is(err, errCalledOff):
		err = fmt.Errorf("%w; it serves on", err)
	case err != nil:
		err = fmt.Errorf("%w; both serve on, and pinion stop would leave all to the other program again", err)
	}
	switch {
	case err != nil && m.opts.Started == nil:
		m.remark(logfile.OtherNotEnded, err)
	case err != nil:
		m.log.Event(logfile.OtherNotEnded, err)
	}
	m.announce(err)
	m.startQueued()
}

// callOffEnd has programs that are being ended accept clients again: they are to serve alone.
func (m *master) callOffEnd() {
	if m.takenFrom.callOff != nil {
		m.takenFrom.callOff()
	}
}

// remark logs what whoever has started this process has to know, too, while that waits.
func (m *master) remark(e *logevent.Event, values ...any) {
	m.log.Event(e, values...)
	if m.opts.Remark != nil {
		m.opts.Remark(fmt.Sprintf(e.Text, values...))
	}
}

// programEnded is called when a program from which was taken over has ended.
func (m *master) programEnded(p *takeover.Program) {
	m.log.Event(logfile.OtherEnded, p)
	all := m.takenFrom.programs
	m.takenFrom.programs = nil
	for _, other := range all {
		if other != p {
			m.takenFrom.programs = append(m.takenFrom.programs, other)
		}
	}
	if len(m.takenFrom.programs) == 0 && m.phase == serving {
		m.takeStatistics()
		m.storeSockets()
	}
}

// takeStatistics answers on a statistics port that was left to another program until now.
func (m *master) takeStatistics() {
	if m.takenFrom.stats {
		m.takenFrom.stats = false
		m.serveStats()
	}
}

// leftElsewhere returns, by slot of the generation that serves, the pools on whose addresses another program serves on when this one
// ends, while the worker has a socket that is not left to it. For a moment, connections may still come there.
func (m *master) leftElsewhere() map[int][]int {
	pools := map[int][]int{}
	layout := m.generations.serving.layout()
	for _, l := range m.listeners.All() {
		i := layout.PoolAt(l)
		if i < 0 || l.IsElsewhere() || !slices.ContainsFunc(m.listeners.All(), func(other *listen.Listener) bool {
			return other.At(layout.Pools[i].Listen) && other.IsElsewhere()
		}) {
			continue
		}
		for slot := range layout.Slots {
			if layout.Assigns(l, slot) && !slices.Contains(pools[slot], i) {
				pools[slot] = append(pools[slot], i)
			}
		}
	}
	return pools
}

// seekHolders finds out which sockets other programs have, too: what an earlier master knew of a take-over has ended with it.
func (m *master) seekHolders() {
	var inodes []uint64
	for _, l := range m.listeners.All() {
		if l.Other == nil && !l.Foreign {
			inodes = append(inodes, l.Inode)
		}
	}
	m.world.aside(func() func() {
		holders := m.world.holders(inodes)
		return func() {
			for _, l := range m.listeners.All() {
				if pid := holders[l.Inode]; pid != 0 && l.Other == nil {
					l.Other = m.world.other(pid)
				}
			}
		}
	})
}

// otherProgram returns a program from which an earlier master has taken over; nil: it has ended.
func otherProgram(pid int) *listen.Other {
	all, err := takeover.Find(strconv.Itoa(pid))
	if err != nil {
		return nil
	}
	return &listen.Other{PID: pid, Lives: all[0].Lives}
}

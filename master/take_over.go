// Taking over from another program, as nutcracker, or from a Pinion that can hand nothing over: this master serves on copies of that
// one's listening sockets. Both accept until the other one ends, and nobody is refused meanwhile or then.

package master

import (
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
)

// takingOver is what this master has to do with programs whose sockets it has taken.
type takingOver struct {
	programs []*takeover.Program // that have not ended; empty: there is none
	sockets  []takeover.Socket   // copies by which the programs can be told to accept nobody; only if they are to end
	leaving  *takeover.Program   // to whom pinion stop leaves the sockets; nil: to none but those above

	stats     *takeover.Program // answers on the statistics port until it has ended; nil: none does
	statsName string            // by which the service manager keeps that port; empty: it does not

	callOff func()              // the end of the programs, which is under way; nil: it is not
	ended   []*takeover.Program // meanwhile
}

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
	if pid := takeover.MasterWith(f.sockets, f.programs); pid != 0 {
		f.close()
		return foundSockets{}, fmt.Errorf("taking over from %s: pinion (pid %d) serves on its sockets already; end that one first, with pinion stop, or command it instead", namesOf(f.programs), pid)
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
		for _, at := range p.Listens() {
			left := without(rest, at.ID())
			if len(left) == len(rest) {
				return nil, fmt.Errorf("taking over from %s: pool %q listens on %s, and there is no such socket among %s: nothing was taken; "+
					"make the addresses the same, and change them by a reload later", namesOf(f.programs), p.Name, at.Text, addressesOf(f.sockets))
			}
			rest = left
		}
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
		if !pool && (id != stats || m.takenFrom.stats != nil) {
			continue
		}
		fd, err := m.world.dup(s.FD)
		if err != nil {
			return fmt.Errorf("taking over from %s: %w", s.From, err)
		}
		if pool {
			m.listeners.Take(s.Network, s.Address, fd, otherOf(s.From))
		} else {
			m.statistics.fd, m.takenFrom.stats = fd, s.From
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
		return
	}
	for _, p := range m.takenFrom.programs {
		m.awaitProgram(p)
	}
	m.log.Event(logfile.SocketShared, namesOf(m.takenFrom.programs))
	if m.listeners.Lone(m.generations.serving.layout()) {
		m.request(order{kind: kindReload, noReply: true})
	}
}

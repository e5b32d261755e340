// Taking over under a service manager: the unit may not look into other processes, so another one, with the rights of root, takes the
// sockets before it starts (ExecStartPre=+), and has the service manager pass them on.

package master

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/master/takeover"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// takenPrefix begins the names of sockets that were taken for the service: taken/<pid of the other program>/<network>/<address>.
const takenPrefix = "taken/"

func takenName(pid int, network, address string) string {
	return takenPrefix + strconv.Itoa(pid) + "/" + network + "/" + address
}

// storeName returns the name by which a listener is stored: a master that follows a killed one has to know who has it, too.
func storeName(l *listen.Listener) string {
	if l.IsElsewhere() {
		return takenName(l.Other.PID, l.Network, l.Address)
	}
	return listen.Name(l.Network, l.Address, l.Slot)
}

// StoreSockets has the service manager keep the sockets of the programs that the options name, for a service that runs as a user.
// It says what those programs listen on beyond the configuration and the statistics.
func StoreSockets(o Options, uid int) (remark string, err error) {
	services := systemd.New()
	if !services.Present() {
		return "", errors.New("there is no service manager that could keep sockets: this is for ExecStartPre=+ of a unit with NotifyAccess=all, see MOVING.md")
	}
	cfg, err := config.LoadAlone(o.ConfigFile)
	if err != nil {
		return "", err
	}
	found, err := findSockets(o.TakeOver, net.JoinHostPort(o.StatsAddr, strconv.Itoa(o.StatsPort)))
	if err != nil {
		return "", err
	}
	defer found.close()
	rest, err := found.fit(cfg)
	if err != nil {
		return "", err
	}
	layout := listen.Layout{Pools: cfg.Pools, Slots: 1}
	for _, s := range found.sockets {
		pool := layout.Serves(&listen.Listener{Network: s.Network, Address: s.Address})
		if id := (config.ListenID{Network: s.Network, Address: s.Address}); !pool && id != found.statsID() {
			continue
		}
		if err := storeTaken(services, s, uid, pool); err != nil {
			return "", err
		}
	}
	services.Flush()
	if len(rest) > 0 {
		remark = found.left(rest)
	}
	return remark, nil
}

func storeTaken(services *systemd.Manager, s takeover.Socket, uid int, pool bool) error {
	if pool && s.Network == "tcp" { // the service may not change the owner
		if _, err := sock.OpenGroup(s.FD, uid); err != nil {
			return fmt.Errorf("giving %s to uid %d: %w", s.Address, uid, err)
		}
	}
	return services.Store(takenName(s.From.PID, s.Network, s.Address), s.FD)
}

// adoptTaken takes over a socket that was taken for the service, and reports whether it is one.
func (m *master) adoptTaken(p systemd.Socket) bool {
	text, is := strings.CutPrefix(p.Name, takenPrefix)
	text, _, _ = strings.Cut(text, "/")
	pid, err := strconv.Atoi(text)
	if !is || err != nil {
		return false
	}
	m.log.Event(logfile.SocketTakenOver, p.Address, "pid "+strconv.Itoa(pid))
	all, err := takeover.Find(text)
	if err == nil && !m.knowsProgram(pid) {
		m.takenFrom.programs = append(m.takenFrom.programs, all[0])
	}
	if m.isStatistics(p.Network, p.Address) {
		m.statistics.fd, m.takenFrom.stats = p.FD, true
		m.unstore([]string{p.Name})
		return true
	}
	l := m.listeners.Take(p.Network, p.Address, p.FD, m.world.other(pid))
	l.Name, l.Stored = p.Name, true
	return true
}

func (m *master) knowsProgram(pid int) bool {
	for _, p := range m.takenFrom.programs {
		if p.PID == pid {
			return true
		}
	}
	return false
}

// isStatistics reports whether the statistics are to be at an address; one that is a name is not looked up.
func (m *master) isStatistics(network, address string) bool {
	host, err := netip.ParseAddr(m.opts.StatsAddr)
	return err == nil && network == "tcp" && address == netip.AddrPortFrom(host.Unmap(), uint16(m.opts.StatsPort)).String()
}

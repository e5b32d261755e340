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

// takenPrefix begins the names of sockets that were taken for the service: taken/<pid of the other program>/<its identity, see
// takeover.Program>/<network>/<address>. Earlier versions write no identity, and read nothing behind the pid.
const takenPrefix = "taken/"

func takenName(pid int, identity uint64, network, address string) string {
	return fmt.Sprintf("%s%d/%d/%s/%s", takenPrefix, pid, identity, network, address)
}

// parseTaken reads such a name; identity is 0 if it is not said.
func parseTaken(name string) (pid int, identity uint64, is bool) {
	parts := strings.SplitN(name, "/", 4)
	if parts[0]+"/" != takenPrefix || len(parts) < 3 {
		return 0, 0, false
	}
	pid, err := strconv.Atoi(parts[1])
	identity, _ = strconv.ParseUint(parts[2], 10, 64)
	return pid, identity, err == nil
}

// storeName returns the name by which a listener is stored: a master that follows a killed one has to know who has it, too.
func storeName(l *listen.Listener) string {
	if l.IsElsewhere() {
		return takenName(l.Other.PID, l.Other.Identity, l.Network, l.Address)
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
	return services.Store(takenName(s.From.PID, s.From.Identity, s.Network, s.Address), s.FD)
}

// adoptTaken takes over a socket that was taken for the service, and reports whether it is one.
func (m *master) adoptTaken(p systemd.Socket) bool {
	pid, identity, is := parseTaken(p.Name)
	if !is {
		return false
	}
	m.log.Event(logfile.SocketTakenOver, p.Address, "pid "+strconv.Itoa(pid))
	if m.isStatistics(p.Network, p.Address) {
		m.statistics.fd, m.takenFrom.statsName = p.FD, p.Name
		if m.takenFrom.stats, _ = m.programBy(pid, identity); m.takenFrom.stats == nil { // it has ended
			m.unshareStatistics()
		}
		return true
	}
	l := m.listeners.Take(p.Network, p.Address, p.FD, m.otherWith(pid, identity))
	l.Name, l.Stored = p.Name, true
	return true
}

// isStatistics reports whether the statistics are to be at an address; one that is a name is not looked up.
func (m *master) isStatistics(network, address string) bool {
	host, err := netip.ParseAddr(m.opts.StatsAddr)
	return err == nil && network == "tcp" && address == netip.AddrPortFrom(host.Unmap(), uint16(m.opts.StatsPort)).String()
}

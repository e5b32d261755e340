// Listening: the master opens every socket and keeps its copy for as long as the address is served, so that no death of
// a worker closes a queue in which clients wait.

package master

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// everySlot is the slot of a listener from which the workers of all slots accept.
const everySlot = -1

// listener is one open listening socket.
type listener struct {
	name    string // listen/<pool>/<slot>, or listen/<pool> for everySlot
	pool    int    // index into the pools of the generation
	slot    int
	address string // as configured
	socket
}

// socket is a descriptor and what is left of it in the file system.
type socket struct {
	fd     int
	unlink func() // nil for TCP
}

// listen opens one SO_REUSEPORT socket per TCP address and slot, and one socket per unix path. All addresses are probed
// first: a group of SO_REUSEPORT sockets would be joined silently, and two Pinions would share the clients.
func (m *master) listen() error {
	pools := m.generation.config.Pools
	for i := range pools {
		if err := m.world.probe(pools[i].Listen); err != nil {
			return listenError(&pools[i], err)
		}
	}
	for i := range pools {
		name := "listen/" + pools[i].Name
		if pools[i].Listen.Network == "unix" {
			if err := m.listenOn(name, i, everySlot); err != nil {
				return err
			}
			continue
		}
		for slot := range m.generation.slots {
			if err := m.listenOn(name+"/"+strconv.Itoa(slot), i, slot); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *master) listenOn(name string, pool, slot int) error {
	p := &m.generation.config.Pools[pool]
	s, err := m.world.listen(p.Listen, p.Backlog)
	if err != nil {
		return listenError(p, err)
	}
	m.listeners = append(m.listeners, listener{name: name, pool: pool, slot: slot, address: p.Listen.Text, socket: s})
	m.log.printf(levelDebug, "%s listens on %s", name, p.Listen.Text)
	return nil
}

// closeListeners gives up the master's copies and the paths of unix sockets.
func (m *master) closeListeners() {
	for _, l := range m.listeners {
		if l.unlink != nil {
			l.unlink()
		}
		m.world.close(l.fd)
	}
	m.listeners = nil
}

func (m *master) listenStats() (err error) {
	address := net.JoinHostPort(m.opts.StatsAddr, strconv.Itoa(m.opts.StatsPort))
	m.stats, err = m.world.listenStats(address)
	if err == nil {
		return nil
	}
	hint := ""
	if errors.Is(err, syscall.EADDRINUSE) {
		hint = "; choose another port with -s"
	}
	return fmt.Errorf("listening on %q (statistics): %w%s", address, cause(err), hint)
}

// cause leaves out what net says around the error of a system call: operation, network, address, name of the call.
func cause(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err // a name that does not resolve
	}
	return err
}

// listenError says which address of which pool cannot be served, why, and what the operator can do.
func listenError(p *config.Pool, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && p.Listen.Network == "unix":
		hint = "; another process accepts connections there: stop it or choose another path"
	case errors.Is(err, syscall.EADDRINUSE):
		hint = fmt.Sprintf("; see who has it with: ss -ltnp 'sport = :%d'", p.Listen.AddrPort.Port())
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "; no interface of this machine has that address"
	case errors.Is(err, syscall.EACCES) && p.Listen.Network != "unix":
		hint = "; ports below 1024 need CAP_NET_BIND_SERVICE"
	}
	return fmt.Errorf("listening on %q (pool %q): %w%s", p.Listen.Text, p.Name, err, hint)
}

// probe fails with EADDRINUSE if another process serves the address.
func probe(l config.Listen) error {
	if l.Network == "unix" {
		fd, _, err := sock.ConnectUnix(l.Address)
		if err == nil {
			sock.Close(fd)
		}
		if err == nil || errors.Is(err, syscall.EAGAIN) { // EAGAIN: its queue is full
			return syscall.EADDRINUSE
		}
		return nil // nothing there, or nobody behind it: the listening will tell
	}
	// Without SO_REUSEPORT the kernel refuses an address that anybody listens on. Connections in TIME_WAIT are no
	// obstacle: SO_REUSEADDR is set.
	fd, err := sock.ListenTCP(l.AddrPort, 1, false)
	if err != nil {
		return err
	}
	return sock.Close(fd)
}

func openSocket(l config.Listen, backlog int) (socket, error) {
	if l.Network != "unix" {
		fd, err := sock.ListenTCP(l.AddrPort, backlog, true)
		return socket{fd: fd}, err
	}
	fd, err := sock.ListenUnix(l.Address, uint32(l.Perm.Perm()), backlog)
	if err != nil {
		return socket{}, err
	}
	return socket{fd: fd, unlink: unlinkOwn(l.Address)}, nil
}

// unlinkOwn returns a function that removes the socket which is at path now, and no later one at the same path.
func unlinkOwn(path string) func() {
	own, err := os.Lstat(path)
	return func() {
		if now, errNow := os.Lstat(path); err == nil && errNow == nil && os.SameFile(own, now) {
			os.Remove(path)
		}
	}
}

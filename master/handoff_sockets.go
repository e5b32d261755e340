// The sockets of an upgrade: the old master sends the new one copies of all that it listens on, and the new one sends those
// that it has opened beside them.

package master

import (
	"fmt"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
)

// socketName describes a socket that is sent along.
type socketName struct {
	Name    string `json:"name"` // listen/<network>/<address>/<slot>, statsSocket or adminSocketName
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
	Slot    int    `json:"slot,omitempty"`
	Foreign bool   `json:"foreign,omitempty"`
	Group   int    `json:"group,omitempty"` // of the socket for reading

	Other   int          `json:"other,omitempty"`    // pid of another program that has it, too; of statsSocket: that answers there
	OtherID uint64       `json:"other_id,omitempty"` // its identity, see takeover.Program; none: not said
	Spot    *messageSpot `json:"spot,omitempty"`     // of a unix socket: where it is in the file system; nil: not known
}

type messageSpot struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
}

func messageSpotOf(s listen.Spot) *messageSpot {
	if s == (listen.Spot{}) {
		return nil
	}
	return &messageSpot{s.Device, s.Inode}
}

func (s *messageSpot) spot() listen.Spot {
	if s == nil {
		return listen.Spot{}
	}
	return listen.Spot{Device: s.Device, Inode: s.Inode}
}

const (
	statsSocket     = "stats"
	adminSocketName = "control"
)

// nameSockets adds copies of chosen listeners to a message. An error leaves the message without any: a master that inherited
// all but one would close that one's queue.
func (m *master) nameSockets(msg *message, chosen func(*listen.Listener) bool) error {
	for _, l := range m.listeners.All() {
		if !chosen(l) {
			continue
		}
		name := socketName{Name: l.Name, Network: l.Network, Address: l.Address, Slot: l.Slot, Foreign: l.Foreign, Spot: messageSpotOf(l.Spot)}
		name.Other, name.OtherID = l.Other.Process()
		err := m.addSocket(msg, l.FD, name)
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *master) addSocket(msg *message, fd int, name socketName) error {
	own, err := m.world.dup(fd)
	if err != nil {
		m.closeUntaken(msg.fds)
		msg.Sockets, msg.fds = nil, nil
		return fmt.Errorf("passing on %q: %w", name.Name, err)
	}
	msg.Sockets = append(msg.Sockets, name)
	msg.fds = append(msg.fds, own)
	return nil
}

// addSockets takes over the sockets that a message names.
func (m *master) addSockets(msg message) {
	if msg.HTTP != nil && len(msg.Sockets) == 0 && len(msg.fds) == 1 {
		m.inheritHTTP(msg.HTTP, msg.fds[0])
		msg.fds[0] = -1
		return
	}
	if s := msg.Reading; s != nil && len(msg.Sockets) == 0 && len(msg.fds) == 1 {
		m.reading = readingSocket{path: s.Address, gid: s.Group, fd: msg.fds[0], spot: s.Spot.spot()}
		msg.fds[0] = -1
		return
	}
	if msg.Control != nil && len(msg.Sockets) == 0 && len(msg.fds) == 1 {
		m.admin.fd, m.opts.Control = msg.fds[0], msg.Control.Address
		msg.fds[0] = -1
		return
	}
	for i, s := range msg.Sockets {
		if i >= len(msg.fds) {
			return
		}
		fd := msg.fds[i]
		msg.fds[i] = -1
		switch s.Name {
		case statsSocket:
			m.statistics.fd = fd
			if s.Other != 0 { // or it has ended
				m.takenFrom.stats, _ = m.programBy(s.Other, s.OtherID)
			}
		case adminSocketName:
			m.admin.fd, m.admin.spot = fd, s.Spot.spot()
			if s.Network == "unix" && m.opts.ControlFrom == "" { // where the configuration of the old master has it
				m.opts.Control = s.Address
			}
		default:
			l := listen.Listener{
				Name: s.Name, Network: s.Network, Address: s.Address, Slot: s.Slot, Foreign: s.Foreign, Queues: true,
				Stored: !s.Foreign, // by the one who says this
				Socket: listen.Socket{FD: fd, Inode: m.world.sockets.Inode(fd)},
			}
			if s.Other != 0 {
				l.Other = m.otherWith(s.Other, s.OtherID)
			}
			if s.Network == "unix" {
				if l.Spot = s.Spot.spot(); l.Spot == (listen.Spot{}) {
					l.Spot, _ = m.world.sockets.Locate(s.Address)
				}
				l.Unlink = m.world.sockets.UnlinkAt(s.Address, l.Spot)
			}
			if m.oldSide != nil { // what the new side has opened, to be kept safe until it has settled
				l.Fresh, l.Queues, l.Stored = true, false, false
			}
			m.listeners.Add(l)
		}
	}
}

// tellHTTP passes on the HTTP address, apart from the others: a new master of an older build would take it for a pool's.
func (o *oldSide) tellHTTP() error {
	s := &o.m.http.httpSocket
	if !s.open() {
		return nil
	}
	fd, err := o.m.world.dup(s.FD)
	if err != nil {
		return fmt.Errorf("passing on the HTTP address: %w", err)
	}
	name := &socketName{Name: "http", Network: s.at.Network, Address: s.at.Address, Spot: messageSpotOf(s.Spot)}
	o.other.send(message{Kind: messageSockets, HTTP: name, fds: []int{fd}, More: true})
	return nil
}

// tellControl likewise passes on an admin socket that has no path, which an older build would look for.
func (o *oldSide) tellControl() error {
	m := o.m
	if m.admin.fd < 0 || !admin.Abstract(m.opts.Control) {
		return nil
	}
	fd, err := m.world.dup(m.admin.fd)
	if err != nil {
		return fmt.Errorf("passing on the admin socket: %w", err)
	}
	name := &socketName{Name: adminSocketName, Network: "unix", Address: m.opts.Control}
	o.other.send(message{Kind: messageSockets, Control: name, fds: []int{fd}, More: true})
	return nil
}

// inheritHTTP takes over the HTTP address of the old master.
func (m *master) inheritHTTP(s *socketName, fd int) {
	m.http.httpSocket = httpSocket{
		config.Listen{Network: s.Network, Address: s.Address, Text: s.Address},
		listen.Socket{FD: fd, Inode: m.world.sockets.Inode(fd), Spot: s.Spot.spot()},
	}
}

func (m *master) nameStatistics() socketName {
	name := socketName{Name: statsSocket}
	if p := m.takenFrom.stats; p != nil {
		name.Other, name.OtherID = p.PID, p.Identity
	}
	return name
}

// tellSockets says all that a new master inherits, in as many messages as it takes.
func (o *oldSide) tellSockets() error {
	m := o.m
	var all message
	err := m.nameSockets(&all, func(*listen.Listener) bool { return true })
	if err == nil && m.admin.fd >= 0 && !admin.Abstract(m.opts.Control) {
		err = m.addSocket(&all, m.admin.fd, socketName{Name: adminSocketName, Network: "unix", Address: m.opts.Control, Spot: messageSpotOf(m.admin.spot)})
	}
	if err != nil {
		return err
	}
	if m.statistics.port != nil || m.takenFrom.stats != nil {
		fd, err := m.copyStats()
		if err != nil {
			m.closeUntaken(all.fds)
			return fmt.Errorf("passing on the statistics port: %w", err)
		}
		all.Sockets, all.fds = append(all.Sockets, m.nameStatistics()), append(all.fds, fd)
	}
	if err := o.tellHTTP(); err != nil {
		m.closeUntaken(all.fds)
		return err
	}
	for _, tell := range []func() error{o.tellControl, o.tellReading} {
		if err := tell(); err != nil {
			m.closeUntaken(all.fds)
			return err
		}
	}
	for more := true; more; {
		n := min(len(all.fds), maxLinkFDs)
		more = n < len(all.fds)
		o.other.send(message{Kind: messageSockets, Sockets: all.Sockets[:n], fds: all.fds[:n], More: more})
		all.Sockets, all.fds = all.Sockets[n:], all.fds[n:]
	}
	return nil
}

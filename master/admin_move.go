// The address of the admin socket as the configuration has it, and how a reload or an upgrade moves it.

package master

import (
	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
)

// nextAdmin is an admin socket that nobody is answered on yet.
type nextAdmin struct {
	path string // or name
	fd   int
}

// controlAddress returns where the admin socket is by a configuration; what was said at the start comes before it. OwnName stands for
// a name that is to be found.
func (m *master) controlAddress(cfg *config.Config) string {
	switch at := cfg.Global.Control; {
	case m.opts.ControlFrom != "":
		return m.opts.Control
	case at != "":
		return at
	case m.opts.Control == "", admin.Abstract(m.opts.Control): // the name that was found, if one was
		return m.opts.Control
	}
	return admin.OwnName
}

// claimControl opens the admin socket of a configuration, unless it is the one that there is.
func (m *master) claimControl(cfg *config.Config) error {
	m.dropControl()
	next := nextAdmin{path: m.controlAddress(cfg)}
	var err error
	switch next.path {
	case m.opts.Control:
		return nil
	case admin.OwnName:
		next.path, next.fd, err = m.listenByName()
	default:
		next.fd, err = m.world.listenAdmin(next.path, nil, m.patience())
	}
	if err == nil {
		m.admin.next = &next
	}
	return err
}

// settleControl is called when a generation serves: the admin socket is where its configuration has it. Whoever has asked at the former
// one is answered there.
func (m *master) settleControl() {
	a := &m.admin
	if a.next == nil {
		return
	}
	if a.server != nil {
		a.server.Leave()
		a.replaced = append(a.replaced, a.server)
	}
	if a.fd >= 0 {
		m.world.close(a.fd)
		m.unlinkAdmin(m.opts.Control, a.spot)
	}
	m.opts.Control, a.fd = a.next.path, a.next.fd
	a.next, a.server, a.unlink, a.spot = nil, nil, nil, listen.Spot{}
	m.log.Event(logfile.AdminMoved, m.opts.Control)
}

// dropControl closes what was opened for a generation that will not serve.
func (m *master) dropControl() {
	n := m.admin.next
	if n == nil {
		return
	}
	m.admin.next = nil
	spot := listen.Spot{}
	if !admin.Abstract(n.path) {
		spot, _ = m.world.sockets.Locate(n.path)
	}
	m.world.close(n.fd)
	m.unlinkAdmin(n.path, spot)
}

// unlinkAdmin removes the path of an admin socket, if it has one.
func (m *master) unlinkAdmin(path string, spot listen.Spot) {
	if !admin.Abstract(path) {
		m.world.sockets.UnlinkAt(path, spot)()
	}
}

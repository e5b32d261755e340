// Paths of unix sockets. If one is removed, by a cleaner of temporary files for instance, no client can connect to the
// socket any more. So the master checks them every few seconds, and before every reload and upgrade, and binds again what is
// gone. Connections that exist or wait in the old socket's queue are served as before.

package master

import (
	"errors"
	"os"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
)

const (
	pathInterval = 5 * time.Second
	// lookPatience is how long a reload or an upgrade waits for the check: a file system may hang.
	lookPatience = 3 * time.Second
)

// paths is the state of that check. Only the goroutine of Run touches it.
type paths struct {
	next       time.Time // zero: nothing is watched
	looking    bool      // a check is under way beside the loop
	after      []func()  // called when the check is over
	until      time.Time // when after is called even if the check is not over; only with after
	complaints map[string]string
}

// ownPath is one path to check, and the result.
type ownPath struct {
	listen config.Listen
	spot   listen.Spot // the expected file; zero: any
	own    []uint64
	inode  uint64 // of the listener; 0: it is the admin socket
	admin  int    // the new admin socket, or the one for reading; -1: none

	reading bool // the socket for reading
	gid     int  // of its group

	listen.Socket
	gone bool
	err  error // why it could not be bound anew
}

// due returns when the next check or its deadline is due; zero if never.
func (p *paths) due() time.Time {
	if len(p.after) > 0 && (p.next.IsZero() || p.until.Before(p.next)) {
		return p.until
	}
	return p.next
}

// tickPaths begins a check that is due, and ends the wait for one that takes too long.
func (m *master) tickPaths(now time.Time) {
	if len(m.paths.after) > 0 && !now.Before(m.paths.until) {
		m.log.Event(logfile.SocketCheckSlow)
		m.endPathCheck()
	}
	if !m.paths.next.IsZero() && !now.Before(m.paths.next) {
		m.watchPaths()
		if !m.paths.looking {
			m.checkPaths(func() {})
		}
	}
}

// watchPaths schedules the next check, if there are any paths.
func (m *master) watchPaths() {
	m.paths.next = time.Time{}
	if len(m.ownPaths()) > 0 {
		m.paths.next = m.world.now().Add(pathInterval)
	}
}

// ownPaths returns all paths that this service has bound.
func (m *master) ownPaths() (all []ownPath) {
	for _, l := range m.listeners.All() {
		if l.Unlink == nil {
			continue
		}
		p := ownPath{listen: config.Listen{Network: "unix", Address: l.Address}, spot: l.Spot, inode: l.Inode, admin: -1}
		p.own = m.listeners.Own(p.listen)
		if k := m.generations.serving.layout().PoolAt(l); k >= 0 {
			p.listen.Perm = m.generations.serving.config.Pools[k].ListenAt(l.ID()).Perm
		}
		all = append(all, p)
	}
	if s := &m.http.httpSocket; s.at.Network == "unix" && s.Unlink != nil {
		all = append(all, ownPath{listen: s.at, spot: s.Spot, own: []uint64{s.Inode}, inode: s.Inode, admin: -1})
	}
	if m.admin.server != nil && m.admin.unlink != nil {
		own := []uint64{m.world.sockets.Inode(m.admin.fd)}
		all = append(all, ownPath{listen: config.Listen{Network: "unix", Address: m.opts.Control}, spot: m.admin.spot, own: own, admin: -1})
	}
	if r := &m.reading; r.open() {
		all = append(all, ownPath{listen: config.Listen{Network: "unix", Address: r.path}, spot: r.spot, admin: -1, reading: true, gid: r.gid})
	}
	return all
}

// rebindIfGone finds out whether a path still leads to the service's socket, and binds it again if not. It runs beside the
// loop.
func (p *ownPath) rebindIfGone(w *world) {
	now, err := w.sockets.Locate(p.listen.Address)
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return // not known
	case err == nil && (p.spot == now || p.spot == listen.Spot{}):
		p.spot = now
		return
	}
	p.gone = true
	if p.reading {
		p.admin, p.spot, p.err = w.openReading(p.listen.Address, p.gid)
		return
	}
	if p.inode == 0 {
		if p.admin, p.err = w.listenAdmin(p.listen.Address, p.own, listen.LockPatience); p.err != nil {
			p.admin = -1
		}
		return
	}
	p.Socket, p.err = w.sockets.Bind(p.listen, p.own, listen.LockPatience)
}

// checkPaths checks all paths and then calls then. It does not block.
func (m *master) checkPaths(then func()) {
	if len(m.paths.after) == 0 {
		m.paths.until = m.world.now().Add(lookPatience)
	}
	m.paths.after = append(m.paths.after, then)
	if m.paths.looking {
		return
	}
	var all []ownPath
	if m.phase == serving {
		all = m.ownPaths()
	}
	if len(all) == 0 {
		m.pathsChecked(nil)
		return
	}
	m.paths.looking = true
	m.world.aside(func() func() {
		for i := range all {
			all[i].rebindIfGone(m.world)
		}
		return func() { m.pathsChecked(all) }
	})
}

// pathsChecked takes over new sockets, and calls what waits for the check.
func (m *master) pathsChecked(all []ownPath) {
	m.paths.looking = false
	for i := range all {
		m.replaceGone(&all[i])
	}
	m.endPathCheck()
}

// endPathCheck calls what waits for the check.
func (m *master) endPathCheck() {
	after := m.paths.after
	m.paths.after = nil
	for _, then := range after {
		then()
	}
}

// replaceGone puts a new socket in the place of one whose path was removed.
func (m *master) replaceGone(p *ownPath) {
	l := m.listeners.Find(p.inode)
	isHTTP := p.inode != 0 && p.inode == m.http.Inode
	switch {
	case p.inode == 0 && !m.isOwnAdmin(p): // it has moved since the check began
		if p.gone && p.err == nil {
			p.discard(m.world)
		}
	case p.gone && p.err != nil:
		m.logLostPath(p.listen.Address, p.err)
	case p.gone && (m.phase != serving || m.oldSide != nil || m.newSide != nil || p.inode != 0 && l == nil && !isHTTP):
		p.discard(m.world) // the next check will do
	case p.gone && p.reading:
		m.log.Event(logfile.ReadingSocketRebound, p.listen.Address)
		m.useForReading(readingSocket{path: p.listen.Address, gid: p.gid, fd: p.admin, spot: p.spot})
	case p.gone && p.inode == 0:
		m.replaceAdmin(p.admin)
	case p.gone && isHTTP:
		m.replaceHTTP(p)
	case p.gone:
		m.replace(l, p)
	case l != nil:
		l.Spot = p.spot
	case isHTTP:
		m.http.Spot = p.spot
	case p.reading:
		m.reading.spot = p.spot
	case p.inode == 0:
		m.admin.spot = p.spot
	}
	if p.err == nil {
		delete(m.paths.complaints, p.listen.Address)
	}
}

// isOwnAdmin reports whether an admin socket is where it was when its check began, and for whom it was.
func (m *master) isOwnAdmin(p *ownPath) bool {
	if p.reading {
		return m.reading.path == p.listen.Address && m.reading.gid == p.gid
	}
	return m.opts.Control == p.listen.Address
}

func (p *ownPath) discard(w *world) {
	if p.admin >= 0 {
		w.sockets.Unlinker(p.listen.Address)()
		w.close(p.admin)
		return
	}
	p.Unlink()
	w.close(p.FD)
}

// logLostPath logs that a path is gone, once for each error.
func (m *master) logLostPath(path string, err error) {
	if m.paths.complaints[path] == err.Error() {
		return
	}
	if m.paths.complaints == nil {
		m.paths.complaints = map[string]string{}
	}
	m.paths.complaints[path] = err.Error()
	m.log.Event(logfile.SocketGone, path, err)
}

// replace passes the new socket of a path to the workers. They also serve what waits in the queue of the old one.
func (m *master) replace(l *listen.Listener, p *ownPath) {
	k := m.generations.serving.layout().PoolAt(l)
	if k < 0 {
		p.discard(m.world)
		return
	}
	pool := &m.generations.serving.config.Pools[k]
	if err := m.world.sockets.Listen(p.FD, pool.Backlog); err != nil {
		p.discard(m.world)
		m.logLostPath(l.Address, err)
		return
	}
	m.log.Event(logfile.SocketRebound, l.Address, pool.Name)
	m.listeners.Replace(l, p.Socket)
	for _, s := range m.generations.serving.slots {
		if s.accepts() {
			m.passListener(s, l)
		}
	}
	m.storeSockets()
}

// replaceHTTP answers on the new socket of the HTTP address.
func (m *master) replaceHTTP(p *ownPath) {
	if err := m.world.sockets.Listen(p.FD, httpBacklog); err != nil {
		p.discard(m.world)
		m.logLostPath(p.listen.Address, err)
		return
	}
	m.log.Event(logfile.HTTPSocketRebound, p.listen.Address)
	m.declineHTTP()
	m.world.close(m.http.FD)
	m.http.Socket = p.Socket
	m.serveHTTP()
}

// replaceAdmin serves the new admin socket.
func (m *master) replaceAdmin(fd int) {
	m.log.Event(logfile.AdminSocketRebound, m.opts.Control)
	m.admin.server.Leave()
	m.admin.replaced = append(m.admin.replaced, m.admin.server)
	m.world.close(m.admin.fd)
	m.admin.fd, m.admin.server, m.admin.spot = fd, nil, listen.Spot{}
	m.serveAdmin()
}

// Paths of unix sockets: whoever removes one, a cleaner of temporary files for instance, leaves a socket behind to which
// nobody can connect. So the master looks at them now and then, and before every reload and upgrade, and binds anew what is
// gone. Who is connected, or waits in the old socket's queue, is served as before.

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
	// lookPatience is how long a reload or an upgrade waits for a look: a file system may hang.
	lookPatience = 3 * time.Second
)

// paths is the watch over them. Only the goroutine of Run touches it.
type paths struct {
	next       time.Time // zero: nothing is watched
	looking    bool      // beside the loop
	after      []func()  // what is to follow
	until      time.Time // then it follows, whether or not the look is over; counts if there is something to follow
	complaints map[string]string
}

// ownPath is one of the service's paths on its way to be looked at, and what was found.
type ownPath struct {
	listen config.Listen
	spot   listen.Spot // what should be there; zero: whatever is there
	own    []uint64
	inode  uint64 // of the listener; 0: it is the admin socket
	admin  int    // bound anew; -1: not
	listen.Socket
	gone bool
	err  error // why it could not be bound anew
}

// due returns when there is something to do about the paths; zero if never.
func (p *paths) due() time.Time {
	if len(p.after) > 0 && (p.next.IsZero() || p.until.Before(p.next)) {
		return p.until
	}
	return p.next
}

// tickPaths does what is due about them.
func (m *master) tickPaths(now time.Time) {
	if len(m.paths.after) > 0 && !now.Before(m.paths.until) {
		m.log.Printf(logfile.Warn, "looking at the paths of our sockets takes long; going on")
		m.lookedAfter()
	}
	if !m.paths.next.IsZero() && !now.Before(m.paths.next) {
		m.watchPaths()
		if !m.paths.looking {
			m.checkPaths(func() {})
		}
	}
}

// watchPaths begins to look after the paths, if there are any.
func (m *master) watchPaths() {
	m.paths.next = time.Time{}
	if len(m.ownPaths()) > 0 {
		m.paths.next = m.world.now().Add(pathInterval)
	}
}

// ownPaths returns all paths that this service has bound itself.
func (m *master) ownPaths() (all []ownPath) {
	for _, l := range m.listeners.All() {
		if l.Unlink == nil {
			continue
		}
		p := ownPath{listen: config.Listen{Network: "unix", Address: l.Address}, spot: l.Spot, inode: l.Inode, admin: -1}
		p.own = m.listeners.Own(p.listen)
		if k := m.generations.serving.layout().PoolAt(l); k >= 0 {
			p.listen.Perm = m.generations.serving.config.Pools[k].Listen.Perm
		}
		all = append(all, p)
	}
	if m.admin.server != nil && m.admin.unlink != nil {
		own := []uint64{m.world.sockets.Inode(m.admin.fd)}
		all = append(all, ownPath{listen: config.Listen{Network: "unix", Address: m.opts.Control}, spot: m.admin.spot, own: own, admin: -1})
	}
	return all
}

// rebindIfGone finds out whether a path still leads to the service, and binds it anew if not. It runs beside the loop.
func (p *ownPath) rebindIfGone(w *world) {
	now, err := w.sockets.Locate(p.listen.Address)
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return // nobody can tell
	case err == nil && (p.spot == now || p.spot == listen.Spot{}):
		p.spot = now
		return
	}
	p.gone = true
	if p.inode == 0 {
		if p.admin, p.err = w.listenAdmin(p.listen.Address, p.own); p.err != nil {
			p.admin = -1
		}
		return
	}
	p.Socket, p.err = w.sockets.Bind(p.listen, p.own, listen.LockPatience)
}

// checkPaths looks after all paths, and then goes on. It does not wait.
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
		m.checked(nil)
		return
	}
	m.paths.looking = true
	m.world.aside(func() func() {
		for i := range all {
			all[i].rebindIfGone(m.world)
		}
		return func() { m.checked(all) }
	})
}

// checked takes over what was bound anew, and goes on with what was to follow.
func (m *master) checked(all []ownPath) {
	m.paths.looking = false
	for i := range all {
		m.mend(&all[i])
	}
	m.lookedAfter()
}

// lookedAfter goes on with what was to follow a look.
func (m *master) lookedAfter() {
	after := m.paths.after
	m.paths.after = nil
	for _, then := range after {
		then()
	}
}

// mend puts a socket that was bound anew in the place of the one to which nobody can connect any more.
func (m *master) mend(p *ownPath) {
	l := m.listeners.Find(p.inode)
	switch {
	case p.gone && p.err != nil:
		m.logLostPath(p.listen.Address, p.err)
	case p.gone && (m.phase != serving || m.oldSide != nil || m.newSide != nil || p.inode != 0 && l == nil):
		p.discard(m.world) // the next look is in time
	case p.gone && p.inode == 0:
		m.replaceAdmin(p.admin)
	case p.gone:
		m.replace(l, p)
	case l != nil:
		l.Spot = p.spot
	case p.inode == 0:
		m.admin.spot = p.spot
	}
	if p.err == nil {
		delete(m.paths.complaints, p.listen.Address)
	}
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

// logLostPath logs that a path is lost, but not again and again.
func (m *master) logLostPath(path string, err error) {
	if m.paths.complaints[path] == err.Error() {
		return
	}
	if m.paths.complaints == nil {
		m.paths.complaints = map[string]string{}
	}
	m.paths.complaints[path] = err.Error()
	m.log.Printf(logfile.Error, "the socket %s is gone, nobody can connect there, and it cannot be bound anew: %v", path, err)
}

// replace has the workers accept at a path again. They empty the queue of the socket that was there.
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
	m.log.Printf(logfile.Warn, "the socket %s (pool %q) was gone and is bound anew; does something clean up that directory?", l.Address, pool.Name)
	m.listeners.Replace(l, p.Socket)
	for _, s := range m.generations.serving.slots {
		if s.accepts() {
			m.passListener(s, l)
		}
	}
	m.storeSockets()
}

// replaceAdmin answers operators at the path of the admin socket again.
func (m *master) replaceAdmin(fd int) {
	m.log.Printf(logfile.Warn, "the admin socket %s was gone and is bound anew; does something clean up that directory?", m.opts.Control)
	m.admin.server.Leave()
	m.admin.replaced = append(m.admin.replaced, m.admin.server)
	m.world.close(m.admin.fd)
	m.admin.fd, m.admin.server, m.admin.spot = fd, nil, listen.Spot{}
	m.serveAdmin()
}

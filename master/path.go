// Paths of unix sockets: whoever removes one, a cleaner of temporary files for instance, leaves a socket behind to which
// nobody can connect. So the master looks at them now and then, and before every reload and upgrade, and binds anew what is
// gone. Who is connected, or waits in the old socket's queue, is served as before.

package master

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	pathInterval = 5 * time.Second
	// lookPatience is how long a reload or an upgrade waits for a look: a file system may hang.
	lookPatience = 3 * time.Second
	// lockPatience is how long another process may bind sockets in the same directory. A master that serves does not wait
	// as long where it would keep others waiting.
	lockPatience      = 2 * time.Second
	shortLockPatience = 10 * time.Millisecond
)

// spot tells what is at a path from whatever was there before or comes later. The zero spot is none.
type spot struct{ device, inode uint64 }

// locate returns what is at a path now.
func locate(path string) (spot, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return spot{}, err
	}
	stat := info.Sys().(*syscall.Stat_t)
	return spot{stat.Dev, stat.Ino}, nil
}

// unlinkAt returns a function that removes what is at path, if it is still what was found there.
func unlinkAt(path string, found spot) func() {
	return func() {
		if now, err := locate(path); err == nil && now == found {
			os.Remove(path)
		}
	}
}

// unlinkOwn returns a function that removes the socket which is at path now, and no later one at the same path.
func unlinkOwn(path string) func() {
	own, _ := locate(path)
	return unlinkAt(path, own)
}

// inDirectory does what must be done by one process at a time among those that bind sockets in the same directory: to find
// that nobody is at a path, to remove what is left there, and to bind. Who may not read the directory does without.
func inDirectory(path string, patience time.Duration, do func() error) error {
	unlock, err := sock.LockDirectory(filepath.Dir(path), patience)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return fmt.Errorf("another process has locked the directory %s for more than %s", filepath.Dir(path), patience)
	case err == nil:
		defer unlock()
	}
	return do()
}

// bindPath opens a socket at a path that nobody serves.
func bindPath(l config.Listen, own []uint64, patience time.Duration) (s socket, err error) {
	err = inDirectory(l.Address, patience, func() error {
		if err := probeUnix(l.Address, own); err != nil {
			return err
		}
		fd, err := sock.BindUnix(l.Address, uint32(l.Perm.Perm()))
		if err != nil {
			return err
		}
		s = socket{fd: fd, inode: sock.Inode(fd)}
		if s.spot, err = locate(l.Address); err != nil {
			sock.Close(fd)
			return err
		}
		s.unlink = unlinkAt(l.Address, s.spot)
		return nil
	})
	return s, err
}

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
	spot   spot // what should be there; zero: whatever is there
	own    []uint64
	inode  uint64 // of the listener; 0: it is the admin socket
	admin  int    // bound anew; -1: not
	socket
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
	for i := range m.listeners {
		l := &m.listeners[i]
		if l.unlink == nil {
			continue
		}
		p := ownPath{listen: config.Listen{Network: "unix", Address: l.address}, spot: l.spot, inode: l.inode, admin: -1}
		p.own = m.own(p.listen)
		if k := m.generation.poolAt(l); k >= 0 {
			p.listen.Perm = m.generation.config.Pools[k].Listen.Perm
		}
		all = append(all, p)
	}
	if m.admin.server != nil && m.admin.unlink != nil {
		own := []uint64{m.world.inode(m.admin.fd)}
		all = append(all, ownPath{listen: config.Listen{Network: "unix", Address: m.opts.Control}, spot: m.admin.spot, own: own, admin: -1})
	}
	return all
}

// look finds out whether a path still leads to the service, and binds it anew if not. It runs beside the loop.
func (p *ownPath) look(w *world) {
	now, err := w.locate(p.listen.Address)
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return // nobody can tell
	case err == nil && (p.spot == now || p.spot == spot{}):
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
	p.socket, p.err = w.bind(p.listen, p.own, lockPatience)
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
			all[i].look(m.world)
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
	l := m.listenerOf(p.inode)
	switch {
	case p.gone && p.err != nil:
		m.complain(p.listen.Address, p.err)
	case p.gone && (m.phase != serving || m.source != nil || m.target != nil || p.inode != 0 && l == nil):
		p.discard(m.world) // the next look is in time
	case p.gone && p.inode == 0:
		m.replaceAdmin(p.admin)
	case p.gone:
		m.replace(l, p)
	case l != nil:
		l.spot = p.spot
	case p.inode == 0:
		m.admin.spot = p.spot
	}
	if p.err == nil {
		delete(m.paths.complaints, p.listen.Address)
	}
}

func (m *master) listenerOf(inode uint64) *listener {
	for i := range m.listeners {
		if m.listeners[i].inode == inode && m.listeners[i].unlink != nil {
			return &m.listeners[i]
		}
	}
	return nil
}

func (p *ownPath) discard(w *world) {
	if p.admin >= 0 {
		w.unlinker(p.listen.Address)()
		w.close(p.admin)
		return
	}
	p.unlink()
	w.close(p.fd)
}

// complain logs that a path is lost, but not again and again.
func (m *master) complain(path string, err error) {
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
func (m *master) replace(l *listener, p *ownPath) {
	k := m.generation.poolAt(l)
	if k < 0 {
		p.discard(m.world)
		return
	}
	pool := &m.generation.config.Pools[k]
	if err := m.world.listen(p.fd, pool.Backlog); err != nil {
		p.discard(m.world)
		m.complain(l.address, err)
		return
	}
	m.log.Printf(logfile.Warn, "the socket %s (pool %q) was gone and is bound anew; does something clean up that directory?", l.address, pool.Name)
	if l.stored {
		m.world.services.Unstore(l.name)
		l.stored = false
	}
	m.noteFormer(l)
	m.world.close(l.fd)
	l.socket = p.socket
	for _, s := range m.generation.slots {
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
	m.admin.former = append(m.admin.former, m.admin.server)
	m.world.close(m.admin.fd)
	m.admin.fd, m.admin.server, m.admin.spot = fd, nil, spot{}
	m.serveAdmin()
}

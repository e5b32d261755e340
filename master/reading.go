// The admin socket for reading, which lies beside the other one where control_group names who may use it.

package master

import (
	"fmt"
	"os"
	"slices"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/survey"
	"github.com/pinion-proxy/pinion/master/web"
)

// readingSocket is the socket and its server.
type readingSocket struct {
	path   string // empty: there is none
	gid    int
	fd     int
	spot   listen.Spot
	server *admin.Server
	former []*admin.Server // of earlier sockets; they finish what is under way
}

func (r *readingSocket) open() bool { return r.path != "" }

// listenForReading opens a socket for reading.
func listenForReading(path string, gid int) (fd int, spot listen.Spot, err error) {
	err = listen.InDirectory(path, listen.ShortLockPatience, func() error {
		fd, err = admin.ListenForReading(path, gid)
		return err
	})
	if err != nil {
		return -1, spot, err
	}
	spot, err = listen.Locate(path)
	return fd, spot, err
}

// settleReading is called when a generation serves: there is a socket for reading if its configuration has a group for it.
func (m *master) settleReading(g *generation) {
	group := g.config.Global.ControlGroup
	path := ""
	switch {
	case group.Name == "":
	case m.admin.fd < 0 || admin.Abstract(m.opts.Control):
		m.log.Event(logfile.ReadingPathless)
	default:
		path = admin.ReadingPath(m.opts.Control)
	}
	switch {
	case path == "":
		m.releaseReading()
	case m.reading.path == path && m.reading.gid == group.ID:
		m.serveReading() // it was the old master's until now
	default:
		if m.reading.path != path { // the admin socket has moved
			m.releaseReading()
		}
		fd, spot, err := m.world.openReading(path, group.ID)
		if err != nil { // it must not stay with the former group
			m.log.Event(logfile.ReadingFailed, err)
			m.releaseReading()
			return
		}
		m.useForReading(readingSocket{path: path, gid: group.ID, fd: fd, spot: spot})
		m.log.Event(logfile.ReadingOpen, group.Name, path)
	}
}

// useForReading puts a socket in the place of the one before, and begins to answer there.
func (m *master) useForReading(next readingSocket) {
	m.declineReading()
	next.former = m.reading.former
	m.reading = next
	m.serveReading()
	m.watchPaths()
}

// serveReading begins to answer, if that is to be.
func (m *master) serveReading() {
	if !m.reading.open() || m.reading.server != nil {
		return
	}
	l, err := admin.Listener(m.reading.fd)
	if err != nil {
		m.log.Event(logfile.ReadingFailed, err)
		return
	}
	pages := web.PagesForReading(m.http.asks, m.done)
	survey.NewDesk(m.surveys.rounds, m.done).Handle(pages)
	m.reading.server = admin.ServeForReading(l, m.admin.asks, pages, m.done, m.opts.Control)
}

// declineReading closes the socket, whose path may be another master's.
func (m *master) declineReading() {
	if !m.reading.open() {
		return
	}
	former := m.reading.former
	if s := m.reading.server; s != nil {
		s.Leave()
		former = append(former, s)
	}
	m.world.close(m.reading.fd)
	m.reading = readingSocket{former: former}
}

// releaseReading gives the socket up, with its path.
func (m *master) releaseReading() {
	path, spot, open := m.reading.path, m.reading.spot, m.reading.open()
	m.declineReading()
	if open {
		m.world.sockets.UnlinkAt(path, spot)()
	}
}

// finishReading ends with the process. A path that another master serves, or goes on to serve, is left alone.
func (m *master) finishReading() {
	if m.masters.leaveAll || m.reading.server == nil {
		m.declineReading()
	}
	m.releaseReading()
	for _, s := range m.reading.former {
		s.Close(m.lastPatience())
	}
}

// tellReading passes on the socket for reading, apart from the others: an older build knows none.
func (o *oldSide) tellReading() error {
	r := &o.m.reading
	if !r.open() {
		return nil
	}
	fd, err := o.m.world.dup(r.fd)
	if err != nil {
		return fmt.Errorf("passing on the socket for reading: %w", err)
	}
	name := &socketName{Name: "reading", Network: "unix", Address: r.path, Group: r.gid, Spot: messageSpotOf(r.spot)}
	o.other.send(message{Kind: messageSockets, Reading: name, fds: []int{fd}, More: true})
	return nil
}

// mayLend returns an error if this user cannot give a socket to the group that a configuration names.
func mayLend(cfg *config.Config) error {
	g := cfg.Global.ControlGroup
	groups, err := os.Getgroups()
	if g.Name == "" || err != nil || isIn(g.ID, os.Geteuid(), append(groups, os.Getegid())) {
		return nil
	}
	return cfg.GroupProblem(fmt.Sprintf("user %d is not in group %s, and cannot give it a socket", os.Geteuid(), g.Name),
		"add it to the group (SupplementaryGroups="+g.Name+" in the unit), or name one of its groups")
}

// isIn reports whether a user of these groups can give a file to one.
func isIn(gid, uid int, groups []int) bool { return uid == 0 || slices.Contains(groups, gid) }

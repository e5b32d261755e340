// The admin socket, as the loop uses it: what the operator asks, and the answers.

package master

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/survey"
	"github.com/pinion-proxy/pinion/master/web"
)

// adminSocket is the socket, its server, and requests that wait.
type adminSocket struct {
	fd       int             // -1: none
	server   *admin.Server   // serves the socket; nil: not yet
	replaced []*admin.Server // of earlier sockets, whose path was removed; they finish what is under way
	next     *nextAdmin      // of the generation that is to follow; nil: it has the same
	spot     listen.Spot     // where the path is in the file system
	unlink   func()          // removes the path; nil: it is not served yet
	asks     chan *admin.Ask
	others   *http.ServeMux // answers what the loop is not asked for itself; nil: nobody is served yet
	deferred []*admin.Ask   // asked for while another master was about to take over
}

func newAdminSocket() adminSocket { return adminSocket{fd: -1, asks: make(chan *admin.Ask)} }

// listenAdmin opens the admin socket at path. A socket that is there already is an error, unless its inode is in own. patience is how long
// others may take who open one in the same directory.
func listenAdmin(path string, own []uint64, patience time.Duration) (fd int, err error) {
	return admin.Listen(path, func(open func() error) error {
		return listen.InDirectory(path, patience, func() error {
			if err := listen.ProbeUnix(path, own); err != nil {
				return err
			}
			return open()
		})
	})
}

// openAdmin opens the admin socket, if there is to be one.
func (m *master) openAdmin() (err error) {
	switch m.opts.Control = m.controlAddress(m.generations.serving.config); m.opts.Control {
	case "":
		return nil
	case admin.OwnName:
		m.openAdminByName()
		return nil
	}
	m.admin.fd, err = m.world.listenAdmin(m.opts.Control, nil, m.patience())
	return err
}

// mostNames is how many names are tried for an admin socket.
const mostNames = 16

// openAdminByName opens an admin socket that nobody has asked for: without it Pinion serves all the same.
func (m *master) openAdminByName() {
	name, fd, err := m.listenByName()
	if m.admin.fd = fd; err != nil {
		m.log.Event(logfile.AdminMissing, err)
		return
	}
	m.opts.Control = name
}

// listenByName opens an admin socket at the first name that is free.
func (m *master) listenByName() (name string, fd int, err error) {
	for n := range mostNames {
		name = admin.Name(m.world.pid, n)
		fd, err = m.world.listenAdmin(name, nil, m.patience())
		if err == nil {
			return name, fd, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return "", -1, err
}

// serveAdmin begins to answer on the admin socket.
func (m *master) serveAdmin() {
	if m.admin.fd < 0 && m.opts.Control == admin.OwnName { // the old master, of an older build, had none
		m.openAdminByName()
	}
	if m.admin.fd < 0 {
		return
	}
	if !admin.Abstract(m.opts.Control) {
		m.admin.unlink = m.world.sockets.Unlinker(m.opts.Control)
		if m.admin.spot == (listen.Spot{}) {
			m.admin.spot, _ = m.world.sockets.Locate(m.opts.Control)
		}
	}
	l, err := admin.Listener(m.admin.fd)
	if err != nil {
		m.log.Event(logfile.AdminFailed, err)
		return
	}
	m.admin.others = web.Pages(m.http.asks, m.done)
	survey.NewDesk(m.surveys.rounds, m.done).Handle(m.admin.others)
	m.admin.server = admin.Serve(l, m.admin.asks, m.admin.others, m.done)
	m.watchPaths()
}

// answerWithin is how long an answer that is under way may take to be written when the master ends, and answerBriefly when the next
// start waits for that: it finds the workers, and addresses that are free, only then.
const (
	answerWithin  = time.Second
	answerBriefly = 10 * time.Millisecond
)

// lastPatience returns how long this master, which ends, waits for answers that are under way.
func (m *master) lastPatience() time.Duration {
	if m.masters.leaveAll && m.err != nil {
		return answerBriefly
	}
	return answerWithin
}

func (m *master) closeAdmin() {
	for _, former := range m.admin.replaced {
		former.Close(m.lastPatience())
	}
	if m.admin.server != nil {
		m.admin.server.Close(m.lastPatience())
	}
	if m.admin.fd < 0 {
		return
	}
	m.world.close(m.admin.fd)
	if !m.masters.leaveAll && m.admin.unlink != nil {
		m.admin.unlink()
	}
}

// handleAsk handles a request of the admin socket.
func (m *master) handleAsk(a *admin.Ask) {
	if !m.mayAsk(a.By) {
		m.log.Event(logfile.AdminRefused, admin.ErrWorkerAsks)
		a.Reply <- admin.Outcome{Error: admin.ErrWorkerAsks, Failure: admin.FailureCaller}
		return
	}
	if m.mayBeReplaced() && a.Command != admin.ReportStatus { // the new master handles it, unless the upgrade fails
		m.admin.deferred = append(m.admin.deferred, a)
		return
	}
	if a.LeaveTo != 0 {
		if p := m.replacedBy(); p != nil && p.PID != a.LeaveTo {
			a.Reply <- admin.Outcome{Error: p.String() + " takes the place of this proxy already", Failure: admin.FailureBusy}
			return
		}
		m.leaveTo(a.LeaveTo)
	}
	switch a.Command {
	case admin.ReportStatus:
		a.Reply <- admin.Outcome{Status: m.status()}
	case admin.Reload:
		if a.DryRun && m.generations.serving != nil {
			m.preview(a.Strict, a.Reply)
			return
		}
		m.request(order{kind: kindReload, strict: a.Strict, replies: []chan<- admin.Outcome{a.Reply}})
	case admin.Upgrade:
		m.request(order{kind: kindUpgrade, strict: a.Strict, replies: []chan<- admin.Outcome{a.Reply}})
	case admin.ReopenLog:
		m.reopenLog(a.Reply)
	case admin.SetLogLevel:
		before := m.log.Verbosity
		m.setVerbosity(a.Level)
		a.Reply <- admin.Outcome{Lines: []string{fmt.Sprintf("the log has level %d, it was %d", m.log.Verbosity, before)}}
	case admin.Failover:
		m.failOver(a)
	case admin.ResetSlowLog:
		a.Reply <- m.resetSlowLog(a.Pool)
	case admin.Drain:
		m.drainWhenAsked(a)
	case admin.UndoDrain:
		m.undoDrain(a)
	case admin.End:
		m.endWhenAsked(a)
	case admin.Stop:
		m.log.Event(logfile.StopAsked)
		a.Reply <- admin.Outcome{PID: m.world.pid}
		m.end(stop)
	}
	m.finishEvent()
}

// mayAsk reports whether the caller is no worker and descends from none.
func (m *master) mayAsk(by *admin.Asker) bool {
	return by == nil || !slices.ContainsFunc(m.generations.slots(), func(s *slot) bool {
		return s.process != nil && slices.Contains(by.PIDs, s.process.PID)
	})
}

// resumeAsks handles what was asked for while the new master was about to take over, after that has failed.
func (m *master) resumeAsks() {
	asks := m.admin.deferred
	m.admin.deferred = nil
	for _, a := range asks {
		m.handleAsk(a)
	}
}

// mayBeReplaced reports whether a new master may take over at any moment, or has done so.
func (m *master) mayBeReplaced() bool { return m.oldSide != nil && m.oldSide.phase == oldLeaving }

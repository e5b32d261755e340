// The keeper, as masters see it. Where a parent waits for the end of the process that it has started (a container,
// supervisord, runit, a shell), that process stays after an upgrade, as the keeper of the master that serves: it passes
// signals on, and ends when and as that master ends. Later masters connect to it, and end when it has ended.

package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	// keeperVariable is the environment variable by which a keeper tells its pid to a master that it starts.
	keeperVariable = "PINION_KEEPER"
	envExecPID     = "SYSTEMD_EXEC_PID" // see systemd.exec(5)

	keeperPatience = 5 * time.Second // for a connection to a keeper
	keeperPause    = 50 * time.Millisecond
)

// keeping is what a master has to do with the keeper: it will become it, or has one.
type keeping struct {
	stays     bool // this process stays as the keeper when another master has taken over
	fd        int  // listens for later masters; -1: none
	newMaster int  // pid of the master that has taken over

	pid       int      // of the keeper, if that is not this process; 0: none
	conn      net.Conn // to the keeper; nil: it was not found
	lost      error    // the keeper is gone, and this master ends, too, when the handoff is over; nil: not so
	forwarded bool     // the keeper has passed on a drain; a SIGTERM that comes directly after it is the same one
}

// keeperMessage is a message between the keeper and a master, in either direction.
type keeperMessage struct {
	Signal string `json:"signal,omitempty"` // to the keeper: TERM, HUP, …
	Again  bool   `json:"again,omitempty"`  // with Signal: it was sent to another master before, which may have passed it on
	Second bool   `json:"second,omitempty"` // with INT: it was the second SIGTERM, which need not stop at once
	Ended  bool   `json:"ended,omitempty"`  // the master ends because it was asked to
}

// staysAt reports whether the process with this pid must stay after an upgrade, because its parent would take its end for
// the end of the service. Three kinds need not: a daemon, which is known by its pid file only; a master that was started by
// another one; and the main process of a service manager, which is told the next main process. Pid 1 always must.
func staysAt(pid int, o *Options, successor bool, getenv func(string) string) bool {
	switch {
	case pid == 1:
		return true
	case successor, o.Daemon, getenv(keeperVariable) != "":
		return false
	case getenv(systemd.EnvNotifySocket) != "":
		main := getenv(envExecPID)
		return main != "" && main != strconv.Itoa(pid) // a shell or a supervisor stands between
	}
	return true
}

// prepareToStay makes this process the reaper of its descendants, so that it learns of the end of every later master.
func (m *master) prepareToStay() {
	if pid, err := strconv.Atoi(os.Getenv(keeperVariable)); err == nil {
		m.keeper.pid = pid
		os.Unsetenv(keeperVariable)
	}
	if !m.world.stays {
		return
	}
	if err := sock.SetSubreaper(); err != nil {
		m.log.Event(logfile.KeeperMissing, err)
		return
	}
	m.keeper.stays = true
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go func() {
		for range children {
			m.world.report(event{then: m.reapStrays})
		}
	}()
}

// reapStrays reaps dead children that are no workers: processes that a failed upgrade has left, or any in a container. A new
// master is reaped by tableflip.
func (m *master) reapStrays() {
	if !m.keeper.stays || m.masters.newRuns {
		return
	}
	known := m.workerPIDs()
	for _, pid := range process.ChildrenOf(os.Getpid()) {
		if p, ok := process.Read(pid); ok && p.State == 'Z' && !known[pid] {
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}

// openKeeper begins to listen for later masters, before the first of them is started.
func (m *master) openKeeper() {
	if !m.keeper.stays || m.keeper.fd >= 0 {
		return
	}
	var err error
	if m.keeper.fd, err = sock.ListenSeqpacket(keeperName(m.world.pid), keeperBacklog); err != nil {
		m.keeper.fd = -1
		m.log.Event(logfile.KeeperUntold, err)
	}
}

const keeperBacklog = 16

// keeperPID returns the pid of the process that is or will be the keeper; -1: there is none.
func (m *master) keeperPID() int {
	switch {
	case m.keeper.fd >= 0:
		return m.world.pid
	case m.keeper.pid > 0:
		return m.keeper.pid
	}
	return -1
}

// joinKeeper connects to the keeper: the one that the old master has named, or, if that was of a version that names none,
// the parent, if it is one.
func (m *master) joinKeeper() {
	named := m.keeper.pid
	m.world.aside(func() func() {
		conn, pid, err := m.world.findKeeper(named)
		return func() { m.keeperFound(conn, pid, err) }
	})
}

// findKeeper connects to the keeper with a known pid, or (0) to the parent. That there is no keeper is an error only if the
// pid was known.
func findKeeper(known int) (net.Conn, int, error) {
	for began := time.Now(); ; time.Sleep(keeperPause) {
		pid := known
		if pid == 0 {
			pid = os.Getppid()
		}
		conn, err := dialKeeper(pid)
		switch {
		case err == nil:
			return conn, pid, nil
		case known != 0 && !process.Alive(known):
			return nil, known, err
		case time.Since(began) > keeperPatience:
			if known == 0 {
				err = nil
			}
			return nil, known, err
		}
	}
}

func keeperName(pid int) string { return link.KeeperName(os.Getuid(), process.PIDNamespace(), pid) }

// dialKeeper connects to the keeper with that pid, and to no other process that uses its name.
func dialKeeper(pid int) (net.Conn, error) {
	conn, err := net.Dial("unixpacket", keeperName(pid))
	if err != nil {
		return nil, err
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err == nil {
		var uid, at int
		errPeer := error(nil)
		err = raw.Control(func(fd uintptr) { uid, at, errPeer = sock.PeerCredentials(int(fd)) })
		if err = errors.Join(err, errPeer); err == nil && (at != pid || uid != os.Getuid()) {
			err = fmt.Errorf("process %d of user %d listens in the name of keeper %d", at, uid, pid)
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// keeperFound is called when the search for the keeper is over; conn is nil if there is none.
func (m *master) keeperFound(conn net.Conn, pid int, err error) {
	if err != nil {
		m.keeperGone(err)
		return
	}
	if m.keeper.pid = pid; conn == nil {
		return
	}
	m.keeper.conn = conn
	m.log.Event(logfile.KeeperFound, pid)
	go hearKeeper(conn, func(msg keeperMessage, err error) {
		m.world.report(event{then: func() {
			if err != nil {
				m.keeperGone(err)
				return
			}
			m.keeperSignal(msg)
		}})
	})
}

// hearKeeper reports the messages of one end of a keeper's connection to the other; an error is the last report.
func hearKeeper(conn net.Conn, report func(keeperMessage, error)) {
	defer conn.Close()
	buf := make([]byte, maxKeeperMessageBytes)
	for {
		n, err := conn.Read(buf)
		if err == nil && n == 0 {
			err = io.EOF
		}
		var msg keeperMessage
		if err == nil {
			err = json.Unmarshal(buf[:n], &msg)
		}
		report(msg, err)
		if err != nil {
			return
		}
	}
}

const maxKeeperMessageBytes = 4096

// keeperSignal handles a signal that the keeper has passed on. A SIGTERM to all processes of the name (killall) comes this
// way and directly: it is one drain, not the second one, which stops.
func (m *master) keeperSignal(msg keeperMessage) {
	if msg.Second {
		m.secondTerm(msg.Again)
		return
	}
	s := signalNames[msg.Signal]
	if s == nil || msg.Again && watched[s].intent == stop && (m.phase == stopping || m.endAfter == stop) { // nil: it is of a later version
		return
	}
	if watched[s].intent == drain {
		if m.ordered() {
			return
		}
		m.keeper.forwarded = true
	}
	m.signal(s)
}

// secondTerm handles a second SIGTERM to the keeper. One that is repeated to a new master has been handled, unless that serves.
func (m *master) secondTerm(again bool) {
	if again && m.phase != serving {
		return
	}
	m.log.Event(logfile.TermAgain)
	m.departure.ordered = m.departure.ordered || m.phase == serving
	m.end(drain)
	m.finishEvent()
}

// alreadyForwarded reports whether a drain that was asked for directly is the one that the keeper has passed on already.
func (m *master) alreadyForwarded(what intent) bool {
	again := what == drain && m.keeper.forwarded && m.ordered() && m.phase != stopping && m.endAfter != stop
	m.keeper.forwarded = m.keeper.forwarded && !again
	return again
}

// signalNames are the names of signals in a keeper's messages.
var signalNames = map[string]os.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
	"TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU,
}

// tellKeeper tells the keeper that this master ends as it was asked to. The keeper may not learn the exit status: a master
// that the keeper itself has started is reaped by tableflip.
func (m *master) tellKeeper() {
	if m.keeper.conn == nil && m.keeper.pid > 0 && m.masters.startedByOld { // this master ends right after it has taken over
		m.keeper.conn, _, _ = m.world.findKeeper(m.keeper.pid)
	}
	if m.keeper.conn == nil {
		return
	}
	text, _ := json.Marshal(keeperMessage{Ended: true})
	m.keeper.conn.SetWriteDeadline(time.Now().Add(forwardTimeout))
	m.keeper.conn.Write(text)
}

// keeperGone is called after the end of the keeper: its parent starts another process, which must find the workers, and no
// address that this one holds. Workers that drain do so without a master, too. Only a stop goes on, as it takes no longer than
// the next start.
func (m *master) keeperGone(err error) {
	if m.phase != serving && m.phase != draining || m.endAfter == stop {
		return
	}
	if !errors.Is(err, io.EOF) {
		m.log.Event(logfile.KeeperLink, err)
	}
	m.keeper.lost = fmt.Errorf("the keeper (pid %d), which was started first, has ended", m.keeper.pid)
	if m.phase == draining {
		m.keeper.lost = fmt.Errorf("%w; the workers drain on", m.keeper.lost)
	}
	if m.oldSide != nil { // clients are handed back first: if this process ended now, the new generation would go on without a master
		m.oldSide.fail(m.keeper.lost)
		return
	}
	m.leaveBehind(m.keeper.lost)
}

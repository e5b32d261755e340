// Keepers, as masters see them. Where somebody waits for the end of the process that was started (a container, supervisord,
// runit, a shell), that process stays when another master has taken over: as the keeper of the one that serves. It passes
// on what it is told by signals, and ends as that one ends. The next masters come to it, and end when it has ended.

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
	// keeperVariable has a master that a keeper has started know its pid.
	keeperVariable = "PINION_KEEPER"
	envExecPID     = "SYSTEMD_EXEC_PID" // see systemd.exec(5)

	keeperPatience = 5 * time.Second // for a keeper to be found
	keeperPause    = 50 * time.Millisecond
)

// keeping is what a master has to do with the keeper: it is to become it, or has one.
type keeping struct {
	stays     bool // this process does, when another master has taken over
	fd        int  // listens for the masters to come; -1: none does
	newMaster int  // pid of the master that has taken over

	pid       int      // of the process that stays, if that is not this one; 0: none
	conn      net.Conn // to it; nil: it was not found
	lost      error    // it is gone, and this master goes, too, when the handoff is over; nil: not so
	forwarded bool     // it has passed on a drain; what comes directly after it is the same
}

// keeperMessage is what a keeper and a master say to each other.
type keeperMessage struct {
	Signal string `json:"signal,omitempty"` // that the keeper has got: TERM, HUP, …
	Again  bool   `json:"again,omitempty"`  // with Signal: another master may have heard of it, and may have passed it on
	Ended  bool   `json:"ended,omitempty"`  // the master ends, as it was asked to
}

// staysAt reports whether the process with this pid is one that has to stay, since whoever waits for its end would take that
// for the end of the service: all but a daemon, of which nobody knows before it has written its pid, a master that follows
// others, and the main process of a service manager that can be told who follows. Nobody can be told of pid 1.
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

// prepareToStay has orphans of this process become its children, so that it learns of the end of all masters after it.
func (m *master) prepareToStay() {
	if pid, err := strconv.Atoi(os.Getenv(keeperVariable)); err == nil {
		m.keeper.pid = pid
		os.Unsetenv(keeperVariable)
	}
	if !m.world.stays {
		return
	}
	if err := sock.SetSubreaper(); err != nil {
		m.log.Printf(logfile.Warn, "an upgrade will end this process: %v", err)
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

// reapStrays takes leave of children that are no workers: what a failed upgrade has left, or anybody in a container. A new
// master is waited for by those who have started it.
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

// openKeeper begins to listen for the masters that follow, before the first of them is started.
func (m *master) openKeeper() {
	if !m.keeper.stays || m.keeper.fd >= 0 {
		return
	}
	var err error
	if m.keeper.fd, err = sock.ListenSeqpacket(keeperName(m.world.pid), keeperBacklog); err != nil {
		m.keeper.fd = -1
		m.log.Printf(logfile.Warn, "the next masters will not notice the end of this process: %v", err)
	}
}

const keeperBacklog = 16

// keeperPID returns the pid of the process that stays when another master takes over; -1: there is none.
func (m *master) keeperPID() int {
	switch {
	case m.keeper.fd >= 0:
		return m.world.pid
	case m.keeper.pid > 0:
		return m.keeper.pid
	}
	return -1
}

// joinKeeper goes to the keeper: to the one that was named by the old master, or, if that one was of a version that
// names none, to the parent, if it is one.
func (m *master) joinKeeper() {
	named := m.keeper.pid
	m.world.aside(func() func() {
		conn, pid, err := m.world.findKeeper(named)
		return func() { m.keeperFound(conn, pid, err) }
	})
}

// findKeeper returns the way to the keeper, whose pid may be known (0: it is not). One that is not there is an error if it
// is known, and else none.
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

// dialKeeper connects to the keeper with that pid, and to nobody who only uses its name.
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

// keeperFound is called when the keeper has been found, or looked for in vain.
func (m *master) keeperFound(conn net.Conn, pid int, err error) {
	if err != nil {
		m.keeperGone(err)
		return
	}
	if m.keeper.pid = pid; conn == nil {
		return
	}
	m.keeper.conn = conn
	m.log.Printf(logfile.Info, "the process that was started first (pid %d) keeps this one", pid)
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

// hearKeeper reports what a keeper says; an error is the last.
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

// keeperSignal follows a signal that the keeper has got. Whoever sends one to all processes of the name means a single
// thing: a drain that comes this way and directly is one, not the second that stops.
func (m *master) keeperSignal(msg keeperMessage) {
	s := signalNames[msg.Signal]
	if s == nil || msg.Again && watched[s].intent == stop && (m.phase == stopping || m.endAfter == stop) { // nil: it is of a later version
		return
	}
	if watched[s].intent == drain {
		if m.phase == draining || m.phase == stopping || m.endAfter == drain {
			return
		}
		m.keeper.forwarded = true
	}
	m.signal(s)
}

// sentTwice reports whether a drain that was asked for directly is the one that the keeper has passed on.
func (m *master) sentTwice(what intent) bool {
	again := what == drain && m.keeper.forwarded && (m.phase == draining || m.endAfter == drain)
	m.keeper.forwarded = m.keeper.forwarded && !again
	return again
}

// signalNames is how keepers call the signals.
var signalNames = map[string]os.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
	"TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU,
}

// tellKeeper says that this master ends well. How its process ends is seen by whoever has started it, and for the first
// that follows the keeper this is a library.
func (m *master) tellKeeper() {
	if m.keeper.conn == nil && m.keeper.pid > 0 && m.masters.startedByOld { // it ends right after it has taken over
		m.keeper.conn, _, _ = m.world.findKeeper(m.keeper.pid)
	}
	if m.keeper.conn == nil {
		return
	}
	text, _ := json.Marshal(keeperMessage{Ended: true})
	m.keeper.conn.SetWriteDeadline(time.Now().Add(forwardTimeout))
	m.keeper.conn.Write(text)
}

// keeperGone is called after the end of the keeper: whoever has started it starts another, who is to find the workers. A
// master that ends anyway goes on with that.
func (m *master) keeperGone(err error) {
	if m.phase != serving {
		return
	}
	if !errors.Is(err, io.EOF) {
		m.log.Printf(logfile.Debug, "the keeper: %v", err)
	}
	m.keeper.lost = fmt.Errorf("the keeper (pid %d), which was started first, has ended", m.keeper.pid)
	if m.oldSide != nil { // its clients come back first: were this process to end meanwhile, the new generation would go on alone
		m.oldSide.fail(m.keeper.lost)
		return
	}
	m.leaveBehind(m.keeper.lost)
}

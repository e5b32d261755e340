// The keeper itself: what is left of the first master when a later one serves. It owns nothing but the pid that a parent
// waits for.

package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// forwardTimeout is how long a message to or from a master may take.
const forwardTimeout = time.Second

// keeper is the state of the keeper. Only the goroutine of run touches it.
type keeper struct {
	pid      int
	listener net.Listener  // nil: no master can connect
	conns    []*masterConn // the latest last
	master   int           // pid of the master that serves
	well     bool          // the master has said that it ends as it was asked to
	joined   bool          // the master has connected
	stopping bool          // the service was told to end
	ending   keeperMessage // the latest signal that said so
	restarts bool          // as pid 1, whose end nobody would answer with another start

	came chan *masterConn
	left chan *masterConn
	late <-chan time.Time // fires when the last messages of a master that has ended must have come; nil: not waiting

	overdue bool // late has fired
}

// masterConn is a connection to a master.
type masterConn struct {
	conn net.Conn
	pid  int
	well bool // the master has said that it ends as it was asked to; owned by the receiving goroutine until the master has left
}

// keep is the rest of the life of a first master after another one, with pid successor, has taken over. It returns when the
// last of the later masters has ended.
func keep(fd int, successor int, signals <-chan os.Signal, events <-chan event, born map[string]bool) error {
	go func() {
		for range events { // of workers that belong to another master now
		}
	}()
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	sock.SetName(keeperComm)
	k := &keeper{pid: os.Getpid(), master: successor, restarts: os.Getpid() == 1, came: make(chan *masterConn), left: make(chan *masterConn)}
	if fd >= 0 {
		k.listen(fd)
	}
	closeInherited(born)
	debug.FreeOSMemory()
	return k.run(signals, children)
}

func (k *keeper) listen(fd int) {
	file := os.NewFile(uintptr(fd), "keeper")
	l, err := net.FileListener(file)
	if err != nil {
		logToStderr("waiting for masters: %v", err)
		return
	}
	k.listener = l
	first := k.master
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if c := newMasterConn(conn, first); c != nil {
				k.came <- c
			}
		}
	}()
}

// logToStderr reports a problem of the keeper, which has no log file: that is the master's.
func logToStderr(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "pinion keeper (pid %d): %s\n", os.Getpid(), fmt.Sprintf(format, args...))
}

// newMasterConn accepts a process of the same user that runs the same command, and the process with pid first, which may
// have ended before its command could be looked up.
func newMasterConn(conn net.Conn, first int) *masterConn {
	raw, err := conn.(syscall.Conn).SyscallConn()
	uid, pid := -1, 0
	if err == nil {
		raw.Control(func(fd uintptr) { uid, pid, err = sock.PeerCredentials(int(fd)) })
	}
	if err != nil || uid != os.Getuid() || pid != first && !process.SameCommand(pid) {
		conn.Close()
		return nil
	}
	return &masterConn{conn: conn, pid: pid}
}

func (k *keeper) run(signals <-chan os.Signal, children <-chan os.Signal) error {
	if over, err := k.reap(); over { // children that ended before SIGCHLD was watched
		return err
	}
	for {
		select {
		case s := <-signals:
			k.signalled(s)
		case <-children:
			if over, err := k.reap(); over {
				return err
			}
		case <-k.late:
			k.overdue = true
			if over, err := k.reap(); over {
				return err
			}
		case c := <-k.came:
			k.masterCame(c)
		case c := <-k.left:
			k.masterLeft(c)
			if over, err := k.reap(); over {
				return err
			}
		}
	}
}

// masterCame is called when a master has connected. One that ends at once may connect twice, and its first message still
// counts. If the service was told to end, every new connection is told so: the master before it may have got the signal too
// late to pass it on.
func (k *keeper) masterCame(c *masterConn) {
	k.well = k.well && c.pid == k.master
	k.conns, k.master, k.joined = append(k.conns, c), c.pid, true
	k.late, k.overdue = nil, false
	if said := k.ending; said.Signal != "" {
		said.Again = true
		c.send(said)
	}
	go hearKeeper(c.conn, func(said keeperMessage, err error) {
		c.well = c.well || said.Ended
		if err != nil {
			k.left <- c
		}
	})
}

// masterLeft is called when the connection to a master has ended.
func (k *keeper) masterLeft(c *masterConn) {
	k.conns = slices.DeleteFunc(k.conns, func(other *masterConn) bool { return other == c })
	k.well = k.well || c.well && c.pid == k.master
}

// signalled passes a signal on. A second drain becomes a stop for masters of earlier versions.
func (k *keeper) signalled(s os.Signal) {
	sent := s
	second := s == syscall.SIGTERM && k.stopping
	if second {
		s = syscall.SIGINT
	}
	ends := watched[s].intent == drain || watched[s].intent == stop
	k.stopping = k.stopping || ends
	for name, known := range signalNames {
		if known == s {
			msg := keeperMessage{Signal: name, Second: second}
			if ends {
				k.ending = msg
			}
			k.forward(msg, sent.(syscall.Signal))
		}
	}
}

// forward sends a message about a signal to the master that has connected last. If none has, or it hangs, the signal itself
// is sent to the master.
func (k *keeper) forward(msg keeperMessage, s syscall.Signal) {
	for _, c := range slices.Backward(k.conns) {
		if c.send(msg) == nil {
			return
		}
	}
	syscall.Kill(k.master, s)
}

func (c *masterConn) send(word keeperMessage) error {
	text, err := json.Marshal(word)
	if err == nil {
		c.conn.SetWriteDeadline(time.Now().Add(forwardTimeout))
		_, err = c.conn.Write(text)
	}
	return err
}

// reap reaps dead children, and reports whether the keeper is to end: the master was among them, and no other has replaced
// it.
func (k *keeper) reap() (over bool, err error) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return k.masterVanished(err)
		}
		if pid != k.master {
			continue
		}
		if next := k.child(); next != 0 {
			k.master, k.joined, k.well = next, false, false
			continue
		}
		if over, err := k.masterEnded(status); over {
			return true, err
		}
	}
}

// masterVanished reports whether the master is gone although no child has ended: tableflip in this process waits for the
// first master, too, and may have reaped it. Then its last message tells how it has ended.
func (k *keeper) masterVanished(err error) (bool, error) {
	if !errors.Is(err, syscall.ECHILD) && err != nil || processExists(k.master) {
		return false, nil
	}
	if slices.ContainsFunc(k.conns, func(c *masterConn) bool { return c.pid == k.master }) {
		return false, nil // its last messages are still to be received
	}
	if next := k.child(); next != 0 {
		k.master, k.joined, k.well = next, false, false
		return false, nil
	}
	if k.well || k.stopping {
		return true, nil
	}
	if !k.overdue { // its last message may be unread
		if k.late == nil {
			k.late = time.After(forwardTimeout)
		}
		return false, nil
	}
	return k.masterFailed("without a word")
}

// processExists reports whether a process lives or is a zombie. As long as one of its threads runs, its children are not
// handed over to this process.
func processExists(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}

// child returns the pid of a child that is a master; 0 if there is none. A master of an earlier version replaces another one
// without connecting to the keeper.
func (k *keeper) child() int {
	for _, pid := range process.ChildrenOf(k.pid) {
		if pid != k.master && process.Alive(pid) && process.SameCommand(pid) {
			return pid
		}
	}
	return 0
}

// masterEnded is called after the end of the master. The service ends with it, unless it has failed and only the keeper can
// start another one.
func (k *keeper) masterEnded(status syscall.WaitStatus) (over bool, err error) {
	switch {
	case status.Exited() && status.ExitStatus() == 0:
		return true, nil
	case status.Signaled():
		return k.masterFailed("signal: " + status.Signal().String())
	}
	return k.masterFailed(fmt.Sprintf("exit status %d; see its log", status.ExitStatus()))
}

// masterFailed reports whether the service ends because the master has failed. As pid 1 of a container the keeper starts the
// next master, which finds the workers.
func (k *keeper) masterFailed(how string) (over bool, err error) {
	err = fmt.Errorf("the master (pid %d) has ended: %s", k.master, how)
	if !k.restarts || !k.joined || k.stopping {
		return true, err
	}
	logToStderr("%v; starting the next one", err)
	if errStart := k.start(); errStart != nil {
		return true, errors.Join(err, errStart)
	}
	return false, nil
}

// start starts the next master, which finds the workers. If that one ends before it has connected, no other is started.
func (k *keeper) start() error {
	env := append(os.Environ(), keeperVariable+"="+strconv.Itoa(k.pid))
	child, err := os.StartProcess(os.Args[0], os.Args, &os.ProcAttr{Env: env, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return err
	}
	k.master, k.joined, k.well = child.Pid, false, false
	return child.Release()
}

// openDescriptors returns the descriptors that the process was started with, as /proc names them.
func openDescriptors() map[string]bool {
	born := map[string]bool{}
	eachDescriptor(func(fd int, what string) { born[strconv.Itoa(fd)+" "+what] = true })
	return born
}

// closeInherited gives up every descriptor but those that the process was started with, which may matter to other processes,
// those of the runtime and those of the keeper. Among those that it gives up is the pipe whose end tells the new master that
// this one has left. An object of this process may still use the number of a descriptor, so each is replaced by /dev/null
// and not closed.
func closeInherited(born map[string]bool) {
	null, err := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		logToStderr("opening %s: %v", os.DevNull, err)
		return
	}
	defer syscall.Close(null)
	eachDescriptor(func(fd int, what string) {
		if fd <= syscall.Stderr || fd == null || born[strconv.Itoa(fd)+" "+what] || strings.HasPrefix(what, "anon_inode:") || isKeepers(fd) {
			return
		}
		syscall.Dup3(null, fd, syscall.O_CLOEXEC)
	})
}

// isKeepers reports whether a descriptor is the socket of a keeper, or a connection to it.
func isKeepers(fd int) bool {
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil || kind != syscall.SOCK_SEQPACKET {
		return false
	}
	name, err := syscall.Getsockname(fd)
	unix, ok := name.(*syscall.SockaddrUnix)
	return err == nil && ok && link.IsKeeperName(unix.Name)
}

func eachDescriptor(do func(fd int, what string)) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			if what, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil { // the descriptor of the directory itself is closed by now
				do(fd, what)
			}
		}
	}
}

// The only file that uses tableflip: how a master starts the binary that is installed in its place now, and how the new one
// lets it leave. The rest of an upgrade is in handoff_*.go.

package master

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/cloudflare/tableflip"

	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// masterLinkFile is the name by which tableflip passes the link to a new master.
const masterLinkFile = "exchange"

// inheritedVariable is what tableflip sets in the environment of a new master.
const inheritedVariable = "TABLEFLIP_HAS_PARENT_7DIU3"

// Successor reports whether this process was started by a master that it is to replace.
func Successor() bool { return os.Getenv(inheritedVariable) != "" }

// isSuccessor reports whether a process was started to replace a master, whatever program it runs.
func isSuccessor(pid int) bool { return process.InEnvironment(pid, inheritedVariable) }

// upgrader is tableflip as the master uses it. There is one in a process.
type upgrader struct {
	flip   *tableflip.Upgrader
	before int           // pid of the master that has started this one; 0: none has
	gone   chan struct{} // closed when the process of that master has ended; nil: there was none
}

// startedIn is the working directory, in which new masters are started, too; empty: it was gone.
var startedIn, _ = os.Getwd()

func newUpgrader() (*upgrader, error) {
	const whole = 365 * 24 * time.Hour // the old side has a tighter limit for each step, and handoff_patience may be long
	if startedIn == "" {
		return nil, errors.New("preparing for upgrades: the working directory is gone; start from one that exists, such as /")
	}
	flip, err := tableflip.New(tableflip.Options{UpgradeTimeout: whole})
	if err != nil {
		return nil, fmt.Errorf("preparing for upgrades: %w", err)
	}
	os.Unsetenv(inheritedVariable)
	u := &upgrader{flip: flip}
	if flip.HasParent() {
		u.before, u.gone = os.Getppid(), make(chan struct{})
		go func() {
			flip.WaitForParent(context.Background())
			close(u.gone)
		}()
	}
	return u, nil
}

// lingering returns the pid of the master that has started this one while its process has not ended; else 0.
func (u *upgrader) lingering() (pid int) {
	select {
	case <-u.gone:
		return 0
	default:
		return u.before
	}
}

// awaitParent waits for the end of that process.
func (u *upgrader) awaitParent(limit time.Duration) error {
	select {
	case <-u.gone:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("%w (waited for %s)", u.errLingers(), limit)
	}
}

func (u *upgrader) errLingers() error {
	return fmt.Errorf("the old master (pid %d) of the upgrade before still exists, and until it is gone there can be no other; "+
		"if it hangs, end it with kill -9 %d", u.before, u.before)
}

// parent returns the link to the master that this one is to replace; nil if there is none.
func (u *upgrader) parent() (*masterLink, error) {
	if !u.flip.HasParent() {
		return nil, nil
	}
	file, err := u.flip.File(masterLinkFile)
	if err == nil && file == nil {
		err = errors.New("it has passed no socket")
	}
	if err != nil {
		return nil, fmt.Errorf("inheriting from the old master: %w", err)
	}
	defer file.Close()
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, errDup := -1, error(nil)
	if err := raw.Control(func(own uintptr) { fd, errDup = sock.Dup(int(own)) }); err != nil {
		return nil, err
	}
	if errDup != nil {
		return nil, errDup
	}
	return newMasterLink(fd), sock.SetInherited(fd)
}

// startNewMaster starts the binary that is installed now, and returns the link to it. ended is called from another
// goroutine: with nil when the new master has declared itself ready, with an error when it has ended or could not be
// started.
func (u *upgrader) startNewMaster(ended func(error)) (*masterLink, error) {
	ours, theirs, err := connectedPair()
	if err != nil {
		return nil, fmt.Errorf("making the way to a new master: %w", err)
	}
	file := os.NewFile(uintptr(theirs), masterLinkFile)
	err = u.flip.AddFile(masterLinkFile, file)
	file.Close()
	if err != nil {
		sock.Close(ours)
		return nil, err
	}
	go func() { ended(u.advise(u.runNewMaster())) }()
	return newMasterLink(ours), nil
}

// errParent is tableflip's error while it has not noticed the end of the parent. It does a moment after gone is closed.
const errParent = "parent hasn't exited"

func (u *upgrader) runNewMaster() error {
	const most, pause = 100, 10 * time.Millisecond
	for tries := 1; ; tries++ {
		err := u.flip.Upgrade()
		if err == nil || err.Error() != errParent || tries == most {
			return err
		}
		time.Sleep(pause)
	}
}

const notThere = "is not there; install it again"

// advice is what the operator can do about an error of tableflip, which contains the error of a system call as text only.
var advice = [...]struct{ sign, advice string }{
	{"exec format error", "is no program for this machine; install the package of its architecture"},
	{"permission denied", "cannot be executed; see its permissions and whether its file system is mounted noexec"},
	{"no such file", notThere},
	{"not found", notThere},
	{"exited", "ended before it could take over; see what it says with -V and what it has logged"},
}

// advise adds to an error what is wrong with the new binary or its working directory, and what to do. It may read from disk,
// so it runs beside the loop.
func (u *upgrader) advise(err error) error {
	if err == nil {
		return nil
	}
	if err.Error() == errParent {
		return u.errLingers()
	}
	if now, errNow := os.Stat(startedIn); errNow != nil || !now.IsDir() {
		return fmt.Errorf("the working directory %q, in which pinion was started, is gone: make it anew (mkdir -p %s), then upgrade (%w)",
			startedIn, startedIn, err)
	}
	return adviseOn(os.Args[0], err)
}

// adviseOn adds to an error what is wrong with a binary that could not be started, or has ended too early.
func adviseOn(path string, err error) error {
	for _, a := range advice {
		if !strings.Contains(err.Error(), a.sign) {
			continue
		}
		if there, runner := runBy(path); there && a.advice == notThere {
			return fmt.Errorf("%s is there, but not %s, by which it is to be run; install pinion again (%w)", path, runner, err)
		}
		return fmt.Errorf("%s %s (%w)", path, a.advice, err)
	}
	return err
}

// runBy reports whether a program exists, and by which interpreter or loader the kernel runs it: the error is the same if
// that one is missing.
func runBy(path string) (there bool, runner string) {
	found, err := exec.LookPath(path)
	if err != nil {
		return false, ""
	}
	file, err := os.Open(found)
	if err != nil {
		return false, ""
	}
	defer file.Close()
	line, _ := bufio.NewReader(io.LimitReader(file, 256)).ReadString('\n') // the kernel looks at no more
	if command, script := strings.CutPrefix(line, "#!"); script && len(strings.Fields(command)) > 0 {
		return true, fmt.Sprintf("the interpreter %q", strings.Fields(command)[0])
	}
	return true, "the dynamic loader"
}

// Resign tells the master that has started this process why this one cannot take over. It is for failures before Run.
func Resign(reason error) {
	w := newWorld(func(event) {})
	if Successor() && w.upgradable() == nil {
		w.resign(reason)
	}
}

// resign does so, if there is such a master, and waits until the message is sent.
func (w *world) resign(reason error) {
	parent, err := w.parent()
	if err != nil || parent == nil {
		return
	}
	parent.send(message{Kind: messageFailed, Reason: reason.Error()})
	parent.flush()
}

// letParentLeave declares this process ready: the parent may end.
func (u *upgrader) letParentLeave() error { return u.flip.Ready() }

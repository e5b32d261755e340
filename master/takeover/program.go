// Which program is meant, by its pid or by its unit.

package takeover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Program is another process, and how it is run.
type Program struct {
	PID  int
	Name string // of the process, as ps shows it; empty: /proc hides it
	Unit string // by which it was named; empty: it was named by its pid

	Identity uint64 // with PID it is never another process; 0: not known

	parent   int          // who has started it
	siblings map[int]bool // whom that had started before its end
	later    map[int]bool // whom that has started since

	process int // a descriptor of it; closedProcess: it has ended
}

const closedProcess = -1

// GiveBackCommand is the command of this binary that starts another program on the sockets of the proxy.
const GiveBackCommand = "give-back"

// ErrGone says that there is no such process, so that nothing of it can be in the way.
var ErrGone = errors.New("it does not run")

// managerPatience is how long the service manager may take to answer, or to stop a unit.
const managerPatience = 90 * time.Second

// endOfPIDs is greater than any pid that Linux gives (PID_MAX_LIMIT).
const endOfPIDs = 1 << 22

// Find returns the programs that a text with commas names, by pid or by unit.
func Find(text string) (all []*Program, err error) {
	for word := range strings.SplitSeq(text, ",") {
		p, err := find(strings.TrimSpace(word))
		if err != nil {
			Close(all)
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// FindAgain returns a program by its pid and its identity; 0: that is not known.
func FindAgain(pid int, identity uint64) (*Program, error) {
	p, err := find(strconv.Itoa(pid))
	if err == nil && !p.Is(identity) {
		Close([]*Program{p})
		return nil, fmt.Errorf("pid %d: %w", pid, ErrGone)
	}
	return p, err
}

// Is reports whether the program may be the one with an identity; one that is not known can be any.
func (p *Program) Is(identity uint64) bool {
	return identity == 0 || p.Identity == 0 || p.Identity == identity
}

func find(word string) (*Program, error) {
	p := &Program{}
	var err error
	if p.PID, err = strconv.Atoi(word); err == nil && (p.PID < 1 || p.PID >= endOfPIDs) {
		return nil, fmt.Errorf("taking over from %q: no process has such a number; give the pid or the unit of a program", word)
	}
	if err != nil {
		p.Unit = word
		if p.PID, err = mainPID(word); err == nil {
			p.PID = inPlaceOf(p.PID)
		}
	}
	if err == nil && p.PID == os.Getpid() {
		err = errors.New("it is this process itself")
	}
	if err == nil {
		p.process, err = sock.OpenProcess(p.PID)
	}
	switch {
	case errors.Is(err, syscall.ESRCH), errors.Is(err, syscall.EINVAL): // as of a pid that no process can have
		err = ErrGone
	case errors.Is(err, syscall.ENOSYS):
		err = errors.New("this kernel is older than Linux 5.6, which first lets a program copy descriptors of another one")
	}
	if err != nil {
		return nil, fmt.Errorf("taking over from %q: %w", word, err)
	}
	p.Name = nameOf(p.PID)
	info, _ := process.Read(p.PID)
	p.parent = info.Parent
	if p.Identity = sock.ProcessIdentity(p.process); p.Identity == 0 {
		p.Identity = info.Started
	}
	if !p.Lives() { // all this may be of another process, which has the pid now
		Close([]*Program{p})
		return nil, fmt.Errorf("taking over from %q: %w", word, ErrGone)
	}
	return p, nil
}

// mainPID asks systemd for the main process of a unit.
func mainPID(unit string) (int, error) {
	out, err := systemctl(context.Background(), "show", "--property", "MainPID", "--value", "--", unit)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || pid == 0 {
		return 0, ErrGone
	}
	return pid, nil
}

// inPlaceOf returns the process for which another one stands: pinion give-back, where a unit has it start a program, lasts as long as that.
func inPlaceOf(pid int) int {
	info, _ := process.Read(pid)
	if children := process.ChildrenOf(pid); len(info.Args) > 1 && info.Args[1] == GiveBackCommand && len(children) == 1 {
		return children[0]
	}
	return pid
}

func systemctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, managerPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("systemctl %s: %s", args[0], strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}

// String names it for the log.
func (p *Program) String() string {
	switch {
	case p.Unit != "":
		return fmt.Sprintf("%s (%s, pid %d)", p.Unit, p.Name, p.PID)
	case p.Name == "":
		return fmt.Sprintf("pid %d", p.PID)
	}
	return fmt.Sprintf("%s (pid %d)", p.Name, p.PID)
}

// Lives reports whether it has not ended.
func (p *Program) Lives() bool { return p.process != closedProcess && !sock.AwaitProcess(p.process, 0) }

// AwaitEnd returns when it has ended.
func (p *Program) AwaitEnd() { sock.AwaitProcess(p.process, -1) }

// Close gives up the descriptors by which programs are known: they count as ended, and nothing may be done with them afterwards.
func Close(all []*Program) {
	for _, p := range all {
		sock.Close(p.process)
		p.process = closedProcess
	}
}

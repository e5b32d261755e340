// The way back: another program is started, and where it would bind its sockets, it gets copies of those that are there. It need
// know nothing of that, and nobody is refused while both serve.

package takeover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// Loan is a program that was started, and the sockets that it has got.
type Loan struct {
	PID int // of what was started; another process may serve

	calls *sock.Interception
	over  chan struct{} // closed: no further call is answered
	gone  chan struct{} // closed when the goroutine that answers has ended

	mu      sync.Mutex
	sockets []Socket // none any more: it binds by itself
	lent    []lent
	own     []string // other addresses that it has bound, or has tried to
	err     error    // of an answer
}

// lent is one socket that a process has got.
type lent struct {
	pid    int
	socket Socket // number is that in the process
}

// Lend starts a command with this process's standard files. Where it binds the address of one of the sockets, it gets a copy of that.
func Lend(command []string, sockets []Socket) (*Loan, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, err
	}
	l := &Loan{sockets: sockets, over: make(chan struct{}), gone: make(chan struct{})}
	l.PID, l.calls, err = sock.StartIntercepted(path, command, slices.ContainsFunc(sockets, isPath), &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS) {
		err = fmt.Errorf("%w: this needs Linux 5.9, and a kernel with seccomp", err)
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", command[0], err)
	}
	go l.answer()
	return l, nil
}

func isPath(s Socket) bool { return s.Network == "unix" }

// Settle ends the giving: the program serves, and the sockets may be closed.
func (l *Loan) Settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sockets = nil
}

// Close lets the program alone.
func (l *Loan) Close() {
	close(l.over)
	<-l.gone
	l.calls.Close()
}

// lookAgain is how often it is seen whether there is something to do.
const lookAgain = 20 * time.Millisecond

// answer answers calls until the loan is closed, or nobody is left.
func (l *Loan) answer() {
	defer close(l.gone)
	for {
		select {
		case <-l.over:
			return
		default:
		}
		c, there, ended, err := l.calls.Next(lookAgain)
		if there {
			err = l.answerOne(c)
		}
		if err != nil && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, syscall.ENOENT) { // those: the caller has just ended
			l.mu.Lock()
			l.err = errors.Join(l.err, err)
			l.mu.Unlock()
		}
		if ended {
			return
		}
	}
}

func (l *Loan) answerOne(c sock.Call) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Number == sock.CallUnlinkAt {
		path, err := c.Path()
		if err == nil && slices.ContainsFunc(l.sockets, func(s Socket) bool { return isPath(s) && s.Address == path }) {
			return l.calls.Succeed(c)
		}
		return errors.Join(err, l.calls.PassOn(c))
	}
	network, address, err := c.Address()
	for _, s := range l.sockets {
		if err != nil || s.Network != network || s.Address != address {
			continue
		}
		s.number = int(c.Args[0])
		if err := l.calls.Put(c, s.number, s.FD); err != nil {
			return errors.Join(err, l.calls.PassOn(c))
		}
		l.lent = append(l.lent, lent{groupOf(c.PID), s})
		return l.calls.Succeed(c)
	}
	if address != "" {
		l.own = append(l.own, address)
	}
	return errors.Join(err, l.calls.PassOn(c))
}

// groupOf returns the process of a thread.
func groupOf(thread int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, "Tgid:"); is {
			if pid, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				return pid
			}
		}
	}
	return thread
}

// Await waits until one process has got all of the sockets that are wanted, and waits for clients on them, and returns it.
func (l *Loan) Await(ctx context.Context, wanted []Socket, patience time.Duration) (*Program, error) {
	err := errors.New("it has bound none of the addresses")
	for until := time.Now().Add(patience); time.Now().Before(until) && ctx.Err() == nil; time.Sleep(lookAgain) {
		var p *Program
		if p, err = l.serves(wanted); err == nil {
			if !l.bindsElsewhere() {
				return p, nil
			}
			Close([]*Program{p})
			err = errors.New("not all of its addresses are the proxy's: give both the same -a and -s")
			break
		}
		if sock.Ended(l.PID) && !l.any() && l.isForsaken() {
			err = errors.New("it has ended")
			break
		}
	}
	return nil, l.explain(cmp.Or(context.Cause(ctx), err))
}

// isForsaken reports whether no process is left whose calls are intercepted. The one that was started may have ended before another one,
// which it has started, as a program does that goes into the background.
func (l *Loan) isForsaken() bool {
	select {
	case <-l.gone:
		return true
	default:
		return false
	}
}

// bindsElsewhere reports whether the program has bound what the proxy does not listen at, such as another address of the statistics.
func (l *Loan) bindsElsewhere() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.own) > 0
}

// explain adds what the program has bound by itself: perhaps in place of what it was to be given.
func (l *Loan) explain(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.own) > 0 {
		err = fmt.Errorf("%w; it was left to bind %s by itself, where the proxy does not listen", err, strings.Join(l.own, " and "))
	}
	return err
}

// any reports whether there is a process that has got a socket.
func (l *Loan) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lent, func(one lent) bool { return syscall.Kill(one.pid, 0) == nil })
}

func (l *Loan) serves(wanted []Socket) (*Program, error) {
	l.mu.Lock()
	all, err := slices.Clone(l.lent), l.err
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("it has bound none of the addresses")
	}
	p, err := find(strconv.Itoa(all[len(all)-1].pid))
	if err != nil {
		return nil, err
	}
	if err := p.waitsOn(all, wanted); err != nil {
		Close([]*Program{p})
		return nil, err
	}
	return p, nil
}

// waitsOn returns an error unless the program waits by epoll(7) for clients on all sockets that are wanted.
func (p *Program) waitsOn(all []lent, wanted []Socket) error {
	var got []Socket
	for _, w := range wanted {
		i := slices.IndexFunc(all, func(one lent) bool {
			return one.pid == p.PID && one.socket.Network == w.Network && one.socket.Address == w.Address
		})
		if i < 0 {
			return fmt.Errorf("it does not listen on %s", w.Address)
		}
		s := all[i].socket
		s.From = p
		got = append(got, s)
	}
	watched, err := p.registrations(got)
	if err == nil && len(watched) < len(got) {
		err = fmt.Errorf("it does not wait for clients on all of its addresses")
	}
	return err
}

// GiveUp ends whatever has got a socket, and what was started. Who has not ended after a patience is killed: it would keep a copy of
// a socket from which it may not serve. It reports whether that was needed.
func (l *Loan) GiveUp(patience time.Duration) (killed bool) {
	all := l.processes()
	defer Close(all)
	for _, p := range all {
		sock.SignalProcess(p.process, syscall.SIGTERM)
	}
	until := time.Now().Add(patience)
	for _, p := range all {
		if !sock.AwaitProcess(p.process, max(0, time.Until(until))) {
			killed = true
			sock.SignalProcess(p.process, syscall.SIGKILL)
		}
	}
	return killed
}

// processes returns those that live of what was started, and of who has got a socket.
func (l *Loan) processes() (all []*Program) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pids := []int{l.PID}
	for _, one := range l.lent {
		if !slices.Contains(pids, one.pid) {
			pids = append(pids, one.pid)
		}
	}
	for _, pid := range pids {
		if p, err := find(strconv.Itoa(pid)); err == nil {
			all = append(all, p)
		}
	}
	return all
}

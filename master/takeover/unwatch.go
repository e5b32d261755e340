// A program that accepts nobody any more: its listening sockets are taken out of the set of epoll(7) on which it waits. All else
// that it does goes on.

package takeover

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// UnwatchCommand is the hidden command of this binary that does it. A set knows a socket by its number in the program that has put
// it there, so a process is needed in which the same number is the same socket.
const UnwatchCommand = "unwatch"

// registration is a socket in a set, as /proc shows it.
type registration struct {
	set    int // number of the set in the program
	socket int // number of the socket there
	events uint32
	data   uint64 // by which the program knows it again
}

// Unwatch takes sockets out of every set in which their program has put them, and returns what puts them back.
func (p *Program) Unwatch(sockets []Socket) (undo func() error, err error) {
	all, err := p.registrations(sockets)
	if err != nil {
		return nil, p.explain(err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s does not wait by epoll(7) for the sockets on which it listens", p)
	}
	if err := p.control("remove", all, sockets); err != nil {
		return nil, fmt.Errorf("having %s accept nobody: %w", p, err)
	}
	return func() error { return p.control("add", all, sockets) }, nil
}

// registrations finds sockets in the sets of the program.
func (p *Program) registrations(sockets []Socket) (all []registration, err error) {
	sets, err := p.numbers("anon_inode:[eventpoll]")
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", p.PID, set))
		if err != nil {
			return nil, err
		}
		for _, r := range parseSet(string(text)) {
			for _, s := range sockets {
				if s.From == p && s.number == r.socket {
					r.set = set
					all = append(all, r)
				}
			}
		}
	}
	return all, nil
}

// parseSet reads the lines "tfd: … events: … data: …" of proc_pid_fdinfo(5).
func parseSet(text string) (all []registration) {
	for line := range strings.Lines(text) {
		var r registration
		if _, err := fmt.Sscanf(line, "tfd: %d events: %x data: %x", &r.socket, &r.events, &r.data); err == nil {
			all = append(all, r)
		}
	}
	return all
}

// control runs this binary with each socket at its number in the program, and the sets behind them. Descriptors are passed by their
// numbers alone: an *os.File could change how a socket blocks, for all who share it.
func (p *Program) control(how string, all []registration, sockets []Socket) error {
	said, output, err := os.Pipe()
	if err != nil {
		return err
	}
	defer said.Close()
	defer output.Close()
	files, args, free, err := p.arrange(all, sockets, output.Fd())
	defer free()
	if err != nil {
		return err
	}
	pid, err := syscall.ForkExec("/proc/self/exe", append([]string{sock.ProxyName, UnwatchCommand, how}, args...), &syscall.ProcAttr{Files: files})
	if err != nil {
		return err
	}
	output.Close()
	text, _ := io.ReadAll(said)
	child, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	if state, err := child.Wait(); err != nil || !state.Success() {
		return errors.Join(err, errors.New(strings.TrimSpace(string(text))))
	}
	return nil
}

// none is no descriptor, in a list of those that a child gets.
const none = ^uintptr(0)

// arrange returns the descriptors that the child gets, and what it does with which.
func (p *Program) arrange(all []registration, sockets []Socket, output uintptr) (files []uintptr, args []string, free func(), err error) {
	files = []uintptr{none, output, output}
	var copies []int
	free = func() { sock.CloseAll(copies) }
	for _, s := range sockets {
		if s.From != p {
			continue
		}
		for len(files) <= s.number {
			files = append(files, none)
		}
		files[s.number] = uintptr(s.FD)
	}
	sets := map[int]int{} // number in the child by that in the program
	for _, r := range all {
		if sets[r.set] == 0 {
			set, err := sock.CopyFrom(p.process, r.set)
			if err != nil {
				return nil, nil, free, err
			}
			copies = append(copies, set)
			sets[r.set] = len(files)
			files = append(files, uintptr(set))
		}
		args = append(args, fmt.Sprintf("%d:%d:%x:%x", sets[r.set], r.socket, r.events, r.data))
	}
	return files, args, free, nil
}

// RunUnwatch is the hidden command, in the child.
func RunUnwatch(args []string) error {
	if len(args) < 2 {
		return errors.New("what is to be done?")
	}
	for _, arg := range args[1:] {
		var r registration
		if _, err := fmt.Sscanf(arg, "%d:%d:%x:%x", &r.set, &r.socket, &r.events, &r.data); err != nil {
			return fmt.Errorf("%q: %w", arg, err)
		}
		err := sock.RemoveFromSet(r.set, r.socket)
		if args[0] == "add" {
			err = sock.AddToSet(r.set, r.socket, r.events, r.data)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", arg, err)
		}
	}
	return nil
}

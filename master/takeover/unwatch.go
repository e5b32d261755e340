// A program that accepts nobody any more: its listening sockets are taken out of the set of epoll(7) on which it waits. All else
// that it does goes on.

package takeover

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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

// Hold keeps a program from accepting anybody, for no longer than this process lives: should that be killed, the program accepts again.
type Hold struct {
	child *os.Process
	word  *os.File // to the child; without one it ends the hold
	said  *os.File // by the child
}

// Words between this process and the child.
const (
	heldWord  = "held\n"
	leaveWord = "leave"
)

// Unwatch takes sockets out of every set in which their program has put them, until the hold ends.
func (p *Program) Unwatch(sockets []Socket) (*Hold, error) {
	all, err := p.registrations(sockets)
	if err != nil {
		return nil, p.explain(err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s does not wait by epoll(7) for the sockets on which it listens", p)
	}
	h, err := p.hold(all, sockets)
	if err != nil {
		return nil, fmt.Errorf("having %s accept nobody: %w", p, err)
	}
	return h, nil
}

// Undo puts the sockets back.
func (h *Hold) Undo() error { return h.end("") }

// Leave ends the hold of a program that has ended.
func (h *Hold) Leave() error { return h.end(leaveWord) }

func (h *Hold) end(word string) error {
	io.WriteString(h.word, word) // a child that has ended says why
	h.word.Close()
	text, _ := io.ReadAll(h.said)
	h.said.Close()
	if state, err := h.child.Wait(); err != nil || !state.Success() {
		return errors.Join(err, fmt.Errorf("having it accept again: %s", cmp.Or(strings.TrimSpace(string(text)), state.String())))
	}
	return nil
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

// hold runs this binary with each socket at its number in the program, and the sets behind them. Descriptors are passed by their
// numbers alone: an *os.File could change how a socket blocks, for all who share it.
func (p *Program) hold(all []registration, sockets []Socket) (*Hold, error) {
	input, word, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer input.Close()
	said, output, err := os.Pipe()
	if err != nil {
		word.Close()
		return nil, err
	}
	defer output.Close()
	h := &Hold{word: word, said: said}
	files, args, free, err := p.arrange(all, sockets, input.Fd(), output.Fd())
	defer free()
	if err == nil {
		err = h.start(files, args)
	}
	if err != nil {
		word.Close()
		said.Close()
		return nil, err
	}
	output.Close()
	text := make([]byte, len(heldWord))
	if n, _ := io.ReadFull(said, text); string(text[:n]) != heldWord {
		rest, _ := io.ReadAll(said)
		word.Close()
		said.Close()
		_, err := h.child.Wait()
		return nil, errors.Join(err, errors.New(strings.TrimSpace(string(text[:n])+string(rest))))
	}
	return h, nil
}

func (h *Hold) start(files []uintptr, args []string) error {
	pid, err := syscall.ForkExec("/proc/self/exe", append([]string{sock.ProxyName, UnwatchCommand}, args...), &syscall.ProcAttr{Files: files})
	if err != nil {
		return err
	}
	h.child, err = os.FindProcess(pid)
	return err
}

// none is no descriptor, in a list of those that a child gets.
const none = ^uintptr(0)

// arrange returns the descriptors that the child gets, and what it does with which.
func (p *Program) arrange(all []registration, sockets []Socket, input, output uintptr) (files []uintptr, args []string, free func(), err error) {
	files = []uintptr{input, output, output}
	var copies []int
	free = func() { sock.CloseAll(copies) }
	for _, s := range sockets {
		if s.From != p {
			continue
		}
		if s.number <= syscall.Stderr {
			return nil, nil, free, errors.New("it listens on a standard file")
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

// RunUnwatch is the hidden command, in the child. It ends the hold unless it is told that there is nothing to put back, so also when
// its parent is killed; a signal to all processes of the service does not end it before.
func RunUnwatch(args []string) error {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	sock.SetName(sock.ProxyName)
	var all []registration
	for _, arg := range args {
		var r registration
		if _, err := fmt.Sscanf(arg, "%d:%d:%x:%x", &r.set, &r.socket, &r.events, &r.data); err != nil {
			return fmt.Errorf("%q: %w", arg, err)
		}
		all = append(all, r)
	}
	for i, r := range all {
		if err := sock.RemoveFromSet(r.set, r.socket); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", args[i], err), putBack(all[:i]))
		}
	}
	io.WriteString(os.Stdout, heldWord)
	if word, _ := io.ReadAll(os.Stdin); string(word) == leaveWord {
		return nil
	}
	return putBack(all)
}

func putBack(all []registration) (err error) {
	for _, r := range all {
		err = errors.Join(err, sock.AddToSet(r.set, r.socket, r.events, r.data))
	}
	return err
}

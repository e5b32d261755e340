// A worker process as the kernel sees it: what is said to it, what is heard of it, and its end.

package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Worker is a running worker. Its methods may be called until Exited is handled, and do nothing afterwards.
type Worker struct {
	Slot    int // index of its slot
	PID     int
	CPU     int       // where it is pinned to; -1: not pinned
	Adopted bool      // another master has started it, which may be of another build
	Struck  bool      // it was ended by a signal that is meant for the service; known with Exited
	PinErr  error     // why it is not pinned although it should be
	BornAt  time.Time // of one that another master has started; zero: that is not known

	link    *os.File // the master's end of the worker link; non-blocking, not shared
	stderr  *os.File
	handle  *os.Process // a pidfd: never another process that got the same number
	readers sync.WaitGroup
	report  func(Event)
	outbox  outbox
}

// EventKind is what has happened.
type EventKind uint8

const (
	Said   EventKind = iota // Message
	Wrote                   // Text: one line on stderr
	HungUp                  // end of the worker link
	Deaf                    // Text: why it takes no messages any more
	Exited                  // Text: exit status; always the last event of a worker
)

// Event is what is heard of a worker. It is reported by a goroutine that waits until it is taken.
type Event struct {
	From    *Worker
	Kind    EventKind
	Message link.Message
	FDs     []int // that came with Message; the receiver owns them
	Text    string
}

// WithLink lets use see the descriptor of the master's end of the worker link.
func (p *Worker) WithLink(use func(fd int)) {
	if p.link == nil {
		return
	}
	if conn, err := p.link.SyscallConn(); err == nil {
		conn.Control(func(fd uintptr) { use(int(fd)) })
	}
}

// Detach returns a copy of the master's end of the worker link, for another master, and hears no more of it than what is
// read already.
func (p *Worker) Detach() (link int, err error) {
	link, err = -1, os.ErrClosed
	p.WithLink(func(fd int) { link, err = sock.Dup(fd) })
	if err == nil {
		p.link.SetReadDeadline(time.Now())
	}
	return link, err
}

// watch starts the goroutines that listen to the process.
func (p *Worker) watch(report func(Event)) {
	p.readers.Add(2)
	go p.readLink(report)
	go p.readStderr(report)
	go p.wait(report)
}

// maxFDs is how many descriptors a worker's message brings.
const maxFDs = link.MaxLent

func (p *Worker) readLink(report func(Event)) {
	defer p.readers.Done()
	raw, err := p.link.SyscallConn()
	if err != nil {
		report(Event{From: p, Kind: HungUp})
		return
	}
	buf, fds := make([]byte, link.MaxMessageBytes), make([]int, maxFDs)
	for {
		n, got, truncated, err := receiveFrom(raw, buf, fds)
		if err != nil || n == 0 {
			sock.CloseAll(fds[:got])
			report(Event{From: p, Kind: HungUp})
			return
		}
		m, err := link.ParseMessage(buf[:n])
		if err == nil && truncated {
			err = fmt.Errorf("descriptors of its message %d are missing: raise LimitNOFILE= (ulimit -n)", m.Kind)
		}
		if err != nil {
			sock.CloseAll(fds[:got])
			report(Event{From: p, Kind: Wrote, Text: err.Error()})
			continue
		}
		m.Body = slices.Clone(m.Body)
		report(Event{From: p, Kind: Said, Message: m, FDs: slices.Clone(fds[:got])})
	}
}

// receiveFrom waits for a message, see sock.RecvFDs.
func receiveFrom(raw syscall.RawConn, buf []byte, fds []int) (n, got int, truncated bool, err error) {
	var errReceive error
	err = raw.Read(func(fd uintptr) bool {
		n, got, truncated, errReceive = sock.RecvFDs(int(fd), buf, fds)
		return !sock.Again(errReceive)
	})
	return n, got, truncated, errors.Join(err, errReceive)
}

// readStderr cuts lines where they get longer than anybody reads.
func (p *Worker) readStderr(report func(Event)) {
	defer p.readers.Done()
	const maxLineBytes = 2048
	r := bufio.NewReaderSize(p.stderr, maxLineBytes)
	for {
		line, _, err := r.ReadLine()
		if err != nil {
			return
		}
		report(Event{From: p, Kind: Wrote, Text: string(line)})
	}
}

// struck reports whether a process was ended by a signal that is meant for the service.
func struck(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && slices.Contains(sock.ServiceSignals, status.Signal())
}

// wait reports the end after everything that the process has said before it.
func (p *Worker) wait(report func(Event)) {
	status := "unknown end"
	if state, err := p.handle.Wait(); err == nil {
		status = state.String()
		p.Struck = struck(state)
	}
	// A dead process has closed its ends. If another process holds a copy, the readers must not wait for that.
	const lastWordsWithin = 100 * time.Millisecond
	deadline := time.Now().Add(lastWordsWithin)
	p.link.SetReadDeadline(deadline)
	p.stderr.SetReadDeadline(deadline)
	p.readers.Wait()
	p.link.Close()
	p.stderr.Close()
	report(Event{From: p, Kind: Exited, Text: status})
}

// Terminate sends SIGTERM, which drains a worker, and ends one of an older build.
func (p *Worker) Terminate() { p.handle.Signal(syscall.SIGTERM) }

// Kill sends SIGKILL.
func (p *Worker) Kill() { p.handle.Kill() }

// Adopt makes a Worker of a process that another master has started. It takes over the master's end of the worker link,
// unless it fails.
func Adopt(slot, pid, link int, report func(Event)) (*Worker, error) {
	handle, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	err = handle.Signal(syscall.Signal(0))
	if err == nil {
		err = sock.SetInherited(link)
	}
	if err != nil {
		handle.Release()
		return nil, err
	}
	bornAt, _ := startOf(pid)
	p := &Worker{Slot: slot, PID: pid, CPU: -1, Adopted: true, BornAt: bornAt, link: os.NewFile(uintptr(link), "worker link"), handle: handle, report: report}
	p.readers.Add(1)
	go func() {
		p.readLink(report)
		p.link.Close()
		p.handle.Release()
		report(Event{From: p, Kind: Exited, Text: "exit status unknown (an earlier master has started it)"})
	}()
	return p, nil
}

// A worker process as the kernel sees it: how it is made, what it inherits, and what is heard of it.

package master

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// launch is all that a worker is given. The descriptors stay the caller's.
type launch struct {
	spec      link.Spec
	shared    int   // the memory file
	listeners []int // in the order of spec.Listeners
}

// process is a running worker. Its methods may be called until its exited event is handled, and do nothing afterwards.
type process struct {
	owner   *slot // set by the master once it has one
	slot    int
	pid     int
	cpu     int   // where it is pinned to; -1: not pinned
	adopted bool  // another master has started it, which may be of another build
	struck  bool  // it was ended by a signal that is meant for the service; known with its exited event
	pinErr  error // why it is not pinned although it should be

	control *os.File // the master's end; non-blocking, shared with nobody
	stderr  *os.File
	handle  *os.Process // a pidfd: never another process that got the same number
	readers sync.WaitGroup
	report  func(event)
	outbox  outbox
}

type eventKind uint8

const (
	said   eventKind = iota // message
	wrote                   // text: one line on stderr
	hungUp                  // end of the control socket
	deaf                    // text: it takes no messages any more
	exited                  // text: exit status; always the last event of a process
)

// event is what is heard of a process, or of something else that the master has begun and does not wait for.
type event struct {
	from    *process // nil: then is what follows from what was begun
	kind    eventKind
	message link.Message
	fds     []int // that came with the message; closed by the loop, unless it takes them
	text    string
	then    func()
}

// The child's descriptors 0 to 2; link names those that follow.
const (
	fdStdin = iota
	fdStdout
	fdStderr
)

// spawn starts a worker from the very binary that runs now, even if its file has been replaced, and has its events
// reported. Raw descriptor numbers all the way: os/exec would switch O_NONBLOCK off on the listeners of every process.
func spawn(l launch, report func(event)) (*process, error) {
	if err := fault.Error("spawn.pipes"); err != nil {
		return nil, fmt.Errorf("making stderr pipe: %w", err)
	}
	null, err := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", os.DevNull, err)
	}
	defer sock.Close(null)
	ours, stderr, err := stderrPipe()
	if err != nil {
		return nil, fmt.Errorf("making stderr pipe: %w", err)
	}
	defer sock.Close(stderr)
	mine, control, err := sock.SeqpacketPair()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("making control socket: %w", err)
	}
	defer sock.Close(control)

	p := &process{slot: l.spec.Slot, cpu: l.spec.CPU, stderr: ours, control: os.NewFile(uintptr(mine), "control"), report: report}
	files := make([]uintptr, link.FDListen, link.FDListen+len(l.listeners))
	files[fdStdin], files[fdStdout], files[fdStderr] = uintptr(null), uintptr(null), uintptr(stderr)
	files[link.FDControl], files[link.FDShared] = uintptr(control), uintptr(l.shared)
	for _, fd := range l.listeners {
		files = append(files, uintptr(fd))
	}
	if err := p.exec(&l.spec, files); err != nil {
		p.stderr.Close()
		p.control.Close()
		return nil, err
	}
	p.watch(report)
	return p, nil
}

// stderrPipe makes the worker's end blocking, so that a crash report is not cut, and the master's end not, so that a
// read can be ended.
func stderrPipe() (ours *os.File, stderr int, err error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return nil, -1, err
	}
	if err := syscall.SetNonblock(ends[0], true); err != nil {
		sock.Close(ends[0])
		sock.Close(ends[1])
		return nil, -1, err
	}
	return os.NewFile(uintptr(ends[0]), "stderr"), ends[1], nil
}

// exec pins, forks and executes. The worker inherits the affinity of the thread that forks, so it never runs anywhere
// else, and its runtime sees one CPU from its first instruction.
func (p *process) exec(spec *link.Spec, files []uintptr) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if p.cpu >= 0 {
		unpin, err := pin(p.cpu)
		if err != nil {
			p.cpu, p.pinErr = -1, err
		}
		defer unpin()
	}
	release, err := sock.HoldSignals() // until the worker ignores them
	if err != nil {
		return fmt.Errorf("blocking signals: %w", err)
	}
	defer release()
	spec.CPU = p.cpu
	text, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("writing down what it is to serve: %w", err)
	}
	fd, err := -1, fault.Error("spawn.spec")
	if err == nil {
		fd, err = sock.MemfdSealed("pinion-spec", text)
	}
	if err != nil {
		return fmt.Errorf("writing down what it is to serve: %w", err)
	}
	defer sock.Close(fd)
	files[link.FDSpec] = uintptr(fd)

	if err := fault.Error("spawn.fork"); err != nil {
		return fmt.Errorf("executing /proc/self/exe: %w", err)
	}
	argv := []string{os.Args[0], "worker", strconv.Itoa(p.slot)} // the number is for those who read ps
	p.pid, err = syscall.ForkExec("/proc/self/exe", argv, &syscall.ProcAttr{
		Env:   workerEnviron(os.Environ()),
		Files: files,
		Sys:   &syscall.SysProcAttr{Setpgid: true}, // Ctrl-C is for the master alone
	})
	if err != nil {
		return fmt.Errorf("executing /proc/self/exe: %w", err)
	}
	p.handle, _ = os.FindProcess(p.pid) // cannot fail on Unix
	return nil
}

// seal marks all descriptors close-on-exec. Those that the process itself opens are so from the start, but a shell, a
// service manager or an earlier master can have left others: a pipe that a worker kept open would keep its reader
// waiting.
func seal() {
	entries, _ := os.ReadDir("/proc/self/fd") // without /proc there is no /proc/self/exe to start either
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > fdStderr {
			syscall.CloseOnExec(fd)
		}
	}
}

// pin moves the calling thread to one CPU and returns the way back, to the set that was allowed a moment ago.
func pin(cpu int) (unpin func(), err error) {
	before, err := sock.Affinity()
	if err != nil {
		return func() {}, err
	}
	if err := sock.SetAffinity([]int{cpu}); err != nil {
		return func() {}, err
	}
	return func() { sock.SetAffinity(before) }, nil
}

// inherited are the environment variables that mean something to a worker: to the Go runtime, to the resolver, to the
// clock, and to a binary built for testing. All else is the master's: service manager, sockets, secrets.
var inherited = []string{
	"GODEBUG", "GOTRACEBACK", "LOCALDOMAIN", "RES_OPTIONS", "TZ", "GORACE", "GOCOVERDIR",
}

func init() { inherited = append(inherited, fault.Variables()...) }

func workerEnviron(env []string) []string {
	kept := []string{}
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if slices.Contains(inherited, name) {
			kept = append(kept, e)
		}
	}
	return kept
}

// killTime is what a process gets to end by itself.
const killTime = 3 * time.Second

// killChildren kills children of this process that are chosen and do not end by themselves. A child is nobody else until
// it is waited for, so a number read here cannot be another process's a moment later.
func killChildren(chosen func(pid int) bool) {
	for _, pid := range childrenOf(os.Getpid()) {
		if !chosen(pid) {
			continue
		}
		if child, err := os.FindProcess(pid); err == nil {
			time.AfterFunc(killTime, func() {
				child.Kill()
				child.Release()
			})
		}
	}
}

// killParent kills the process that has started this one. As long as pid is that of the parent, nobody else can have it.
func killParent(pid int) error {
	parent, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer parent.Release()
	if pid <= 1 || os.Getppid() != pid {
		return os.ErrProcessDone
	}
	return parent.Kill()
}

// lend lets use see the descriptor of the master's end of the control socket.
func (p *process) lend(use func(fd int)) {
	if p.control == nil {
		return
	}
	if conn, err := p.control.SyscallConn(); err == nil {
		conn.Control(func(fd uintptr) { use(int(fd)) })
	}
}

// part returns a copy of the master's end of the control socket, and hears no more of it than what is read already.
func (p *process) part() (control int, err error) {
	control, err = -1, os.ErrClosed
	p.lend(func(fd int) { control, err = sock.Dup(fd) })
	if err == nil {
		p.control.SetReadDeadline(time.Now())
	}
	return control, err
}

// watch starts the goroutines that listen to the process.
func (p *process) watch(report func(event)) {
	p.readers.Add(2)
	go p.readControl(report)
	go p.readStderr(report)
	go p.wait(report)
}

// maxControlFDs is how many descriptors a worker's message brings.
const maxControlFDs = link.MaxLent

func (p *process) readControl(report func(event)) {
	defer p.readers.Done()
	raw, err := p.control.SyscallConn()
	if err != nil {
		report(event{from: p, kind: hungUp})
		return
	}
	buf, fds := make([]byte, link.MaxMessageBytes), make([]int, maxControlFDs)
	for {
		n, got, truncated, err := receiveFrom(raw, buf, fds)
		if err != nil || n == 0 {
			sock.CloseAll(fds[:got])
			report(event{from: p, kind: hungUp})
			return
		}
		m, err := link.ParseMessage(buf[:n])
		if err == nil && truncated {
			err = fmt.Errorf("descriptors of its message %d are missing: raise LimitNOFILE= (ulimit -n)", m.Kind)
		}
		if err != nil {
			sock.CloseAll(fds[:got])
			report(event{from: p, kind: wrote, text: err.Error()})
			continue
		}
		m.Body = slices.Clone(m.Body)
		report(event{from: p, kind: said, message: m, fds: slices.Clone(fds[:got])})
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
func (p *process) readStderr(report func(event)) {
	defer p.readers.Done()
	const maxLineBytes = 2048
	r := bufio.NewReaderSize(p.stderr, maxLineBytes)
	for {
		line, _, err := r.ReadLine()
		if err != nil {
			return
		}
		report(event{from: p, kind: wrote, text: string(line)})
	}
}

// struck tells whether a process was ended by a signal that is meant for the service.
func struck(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && slices.Contains(sock.ServiceSignals, status.Signal())
}

// wait reports the end after everything that the process has said before it.
func (p *process) wait(report func(event)) {
	status := "unknown end"
	if state, err := p.handle.Wait(); err == nil {
		status = state.String()
		p.struck = struck(state)
	}
	// A dead process has closed its ends. Should another hold a copy, the readers must not wait for that one.
	const lastWordsWithin = 100 * time.Millisecond
	deadline := time.Now().Add(lastWordsWithin)
	p.control.SetReadDeadline(deadline)
	p.stderr.SetReadDeadline(deadline)
	p.readers.Wait()
	p.control.Close()
	p.stderr.Close()
	report(event{from: p, kind: exited, text: status})
}

func (p *process) terminate() { p.handle.Signal(syscall.SIGTERM) }

func (p *process) kill() { p.handle.Kill() }

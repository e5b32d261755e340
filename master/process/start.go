// How a worker process is made, and what it inherits.

package process

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Launch is what a worker is started with. The caller keeps the descriptors.
type Launch struct {
	Spec      link.Spec
	Shared    int   // the memory file
	Listeners []int // in the order of Spec.Listeners
}

// The child's descriptors 0 to 2; link names those that follow.
const (
	fdStdin = iota
	fdStdout
	fdStderr
)

// The command line of a worker, by index; one of an earlier build has no file.
const (
	workerCommand = "worker"
	argWorker     = 1
	argFile       = 3
)

// Start makes a worker process of the very binary that runs now, even if its file has been replaced, and has its events
// reported. Raw descriptor numbers all the way: os/exec would switch O_NONBLOCK off on the listeners of every process.
func Start(l Launch, report func(Event)) (*Worker, error) {
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
	mine, theirs, err := sock.SeqpacketPair()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("making worker link: %w", err)
	}
	defer sock.Close(theirs)

	p := &Worker{Slot: l.Spec.Slot, CPU: l.Spec.CPU, stderr: ours, link: os.NewFile(uintptr(mine), "worker link"), report: report}
	files := make([]uintptr, link.FDListen, link.FDListen+len(l.Listeners))
	files[fdStdin], files[fdStdout], files[fdStderr] = uintptr(null), uintptr(null), uintptr(stderr)
	files[link.FDMaster], files[link.FDShared] = uintptr(theirs), uintptr(l.Shared)
	for _, fd := range l.Listeners {
		files = append(files, uintptr(fd))
	}
	err = onCPU(p.CPU, func(unpinned error) error {
		if unpinned != nil {
			p.CPU, p.PinErr = -1, unpinned
		}
		return p.exec(&l.Spec, files)
	})
	if err != nil {
		p.stderr.Close()
		p.link.Close()
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

// exec forks and executes. The worker inherits the affinity of the thread that forks, so it never runs anywhere else, and its runtime
// sees one CPU from its first instruction.
func (p *Worker) exec(spec *link.Spec, files []uintptr) error {
	release, err := sock.HoldSignals() // until the worker ignores them
	if err != nil {
		return fmt.Errorf("blocking signals: %w", err)
	}
	defer release()
	spec.CPU = p.CPU
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
	argv := []string{os.Args[0], workerCommand, strconv.Itoa(p.Slot)} // for ps, and for Crowd
	if spec.ConfigFile != "" {
		argv = append(argv, spec.ConfigFile)
	}
	p.PID, err = syscall.ForkExec("/proc/self/exe", argv, &syscall.ProcAttr{
		Env:   workerEnviron(os.Environ()),
		Files: files,
		Sys:   &syscall.SysProcAttr{Setpgid: true}, // Ctrl-C signals only the master
	})
	if err != nil {
		return fmt.Errorf("executing /proc/self/exe: %w", err)
	}
	p.handle, _ = os.FindProcess(p.PID) // cannot fail on Unix
	return nil
}

// Seal marks all descriptors close-on-exec. Those that the process itself opens are so from the start, but a shell, a
// service manager or an earlier master can have left others: a pipe that a worker kept open would keep its reader
// waiting.
func Seal() {
	entries, _ := os.ReadDir("/proc/self/fd") // without /proc there is no /proc/self/exe to start either
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > fdStderr {
			syscall.CloseOnExec(fd)
		}
	}
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

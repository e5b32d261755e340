// Programs that live as long as the comparison needs them, and not longer.

package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	// gracePeriod is how long a program may take to end by itself.
	gracePeriod = 3 * time.Second

	// startPeriod is how long it may take until it listens.
	startPeriod = 10 * time.Second
)

// Command says what to run.
type Command struct {
	Args []string // the program and its arguments
	Dir  string   // where it runs, and where its output goes: Name + ".out"
	Name string
	CPUs []int // that it is restricted to; nil = as this process
}

// Process is a running program.
type Process struct {
	cmd  *exec.Cmd
	name string
	out  string        // file with what it wrote
	done chan struct{} // closed when it has ended
	err  error         // how; valid once done is closed
}

// Start runs a command.
func Start(c Command) (*Process, error) {
	out := filepath.Join(c.Dir, c.Name+".out")
	file, err := os.Create(out)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.Dir, file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // Ctrl-C is for us: we end them in order
		Pdeathsig: syscall.SIGKILL, // should we not come to that
	}
	if err := startOn(c.CPUs, cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	p := &Process{cmd: cmd, name: c.Name, out: out, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// startOn starts cmd from a thread that is restricted to cpus meanwhile: a child inherits that. The thread must stay
// alive afterwards, since Pdeathsig watches it and not the process.
func startOn(cpus []int, cmd *exec.Cmd) error {
	if cpus == nil {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := sock.Affinity()
	if err != nil {
		return err
	}
	if err := sock.SetAffinity(cpus); err != nil {
		return err
	}
	defer sock.SetAffinity(before)
	return cmd.Start()
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// AwaitListening waits until something accepts connections at address ("ip:port").
func (p *Process) AwaitListening(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startPeriod)
	defer cancel()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended instead of listening on %s: %w\n%s", p.name, address, p.ended(), p.Output())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to listen on %s: %w\n%s", p.name, address, ctx.Err(), p.Output())
		case <-pause.C:
		}
	}
}

func (p *Process) ended() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// Output returns what the program has written, for error messages.
func (p *Process) Output() string {
	text, err := os.ReadFile(p.out)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

// Stop ends programs and what they have started, and returns when they are gone.
func Stop(all ...*Process) {
	for _, p := range all {
		p.cmd.Process.Signal(syscall.SIGTERM) // may have ended by itself
	}
	patience := time.After(gracePeriod)
	for _, p := range all {
		select {
		case <-p.done:
		case <-patience:
			patience = time.After(0) // for the others, too
		}
		syscall.Kill(-p.PID(), syscall.SIGKILL) // its group; those that are left
		<-p.done
	}
}

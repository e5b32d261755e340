// Ending processes that are no worker of this master.

package process

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
)

// SignalSharers sends a signal to all workers, but no other process, that have the memory file open which fd is in this one.
// A master that keeps it is not among them, and nobody else can have it by accident.
func SignalSharers(fd int, s syscall.Signal) {
	own, err := os.Stat(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return
	}
	for _, p := range List(os.Getuid()) {
		if !p.IsWorker() || p.State == 'Z' || !p.has(own) {
			continue
		}
		if worker, err := os.FindProcess(p.PID); err == nil {
			if again, ok := Read(p.PID); ok && slices.Equal(again.Args, p.Args) { // the pid still is the worker's
				worker.Signal(s)
			}
			worker.Release()
		}
	}
}

// Kill sends SIGKILL to a process that is not a child.
func Kill(pid int) { syscall.Kill(pid, syscall.SIGKILL) }

// killTime is what a process gets to end by itself.
const killTime = 3 * time.Second

// KillChildren kills children of this process that are chosen and do not end by themselves. A child is nobody else until
// it is waited for, so a number read here cannot be another process's a moment later.
func KillChildren(chosen func(pid int) bool) {
	for _, pid := range ChildrenOf(os.Getpid()) {
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

// KillParent kills the process that has started this one. As long as pid is that of the parent, no other process can have
// it.
func KillParent(pid int) error {
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

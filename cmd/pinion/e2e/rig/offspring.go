// The children of a test: whoever has started one waits for it.

package rig

import (
	"os/exec"
	"sync"
	"syscall"
)

// Own is the children that the test has started itself. Whoever has started one waits for it, so no family may bury it.
var Own = offspring{pids: map[int]bool{}}

type offspring struct {
	mu   sync.Mutex
	pids map[int]bool
}

func (o *offspring) Start(cmd *exec.Cmd) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := cmd.Start()
	if err == nil {
		o.pids[cmd.Process.Pid] = true
	}
	return err
}

func (o *offspring) Wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.pids, cmd.Process.Pid)
	return err
}

// Bury takes the end of an orphan that the test has inherited; false: it has none yet, or is somebody's child.
func (o *offspring) Bury(pid int) (status syscall.WaitStatus, buried bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pids[pid] {
		return 0, false
	}
	got, _ := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
	return status, got == pid
}

// A worker that was stopped for a while: what is late because of it is no fault of the servers.

package e2e_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// The server answers while the worker is stopped, for longer than the timeout.
func TestE2EStoppedWorker(t *testing.T) {
	t.Parallel()
	const timeout = 1500 * time.Millisecond
	server := newPuppet(t, "unix", "")
	p := oneWorker(t, []string{server.Address + ":1 s0"}, "timeout: 1500", "auto_eject_hosts: true", "server_failure_limit: 1")
	worker := p.OnlyWorker()
	c := p.Dial()
	c.Send(rig.Request("GET", "a") + rig.Request("GET", "b"))
	first, second := <-server.asked, <-server.asked
	rig.Suspend(t, worker)
	first.reply(t, rig.Bulk("1"))
	<-time.After(timeout + timeout/3) // that is the trouble itself
	if err := syscall.Kill(worker, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.Want(rig.Bulk("1"))
	second.reply(t, rig.Bulk("2"))
	c.Want(rig.Bulk("2"))
	for name, got := range map[string]int{
		"server_ejects": p.PoolCounter("server_ejects"), "server_timedout": p.ServerCounter("s0", "server_timedout"),
	} {
		if got != 0 {
			t.Errorf("%s is %d", name, got)
		}
	}
}

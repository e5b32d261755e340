// A worker that was stopped for a while: what is late because of it is no fault of the servers.

package main_test

import (
	"syscall"
	"testing"
	"time"
)

// The server answers while the worker is stopped, for longer than the timeout.
func TestE2EStoppedWorker(t *testing.T) {
	t.Parallel()
	const timeout = 1500 * time.Millisecond
	server := newPuppet(t, "unix", "")
	p := oneWorker(t, []string{server.address + ":1 s0"}, "timeout: 1500", "auto_eject_hosts: true", "server_failure_limit: 1")
	worker := p.onlyWorker()
	c := p.dial()
	c.send(request("GET", "a") + request("GET", "b"))
	first, second := <-server.asked, <-server.asked
	suspend(t, worker)
	first.reply(t, bulk("1"))
	<-time.After(timeout + timeout/3) // that is the trouble itself
	if err := syscall.Kill(worker, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.want(bulk("1"))
	second.reply(t, bulk("2"))
	c.want(bulk("2"))
	for name, got := range map[string]int{
		"server_ejects": p.poolCounter("server_ejects"), "server_timedout": p.serverCounter("s0", "server_timedout"),
	} {
		if got != 0 {
			t.Errorf("%s is %d", name, got)
		}
	}
}

// What a worker gets of the master's environment.

package process

import (
	"slices"
	"testing"
)

func TestWorkerEnviron(t *testing.T) {
	got := workerEnviron([]string{
		"PATH=/bin", "GODEBUG=x=1", "NOTIFY_SOCKET=/s", "LISTEN_PID=1", "WATCHDOG_PID=1", "TZ=UTC", "TZDIR=/x", "GORACE=",
		"=C", "GOMAXPROCS=8", "RES_OPTIONS=ndots:1=2", "broken",
	})
	want := []string{"GODEBUG=x=1", "TZ=UTC", "GORACE=", "RES_OPTIONS=ndots:1=2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if empty := workerEnviron(nil); empty == nil {
		t.Error("no variables: got nil, which ForkExec takes as all of the master's")
	}
}

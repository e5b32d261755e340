package master

import (
	"os"
	"syscall"
	"testing"
)

// Every watched signal reaches the channel instead of ending the process.
func TestWatchSignals(t *testing.T) {
	c, unwatch := watchSignals()
	defer unwatch()
	for s, w := range watched {
		if err := syscall.Kill(os.Getpid(), s.(syscall.Signal)); err != nil {
			t.Fatal(err)
		}
		if got := <-c; got != s {
			t.Errorf("%s: got %v", w.name, got)
		}
	}
}

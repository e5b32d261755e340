package master

import (
	"os"
	"syscall"
	"testing"
)

// Every watched signal comes out instead of ending the process.
func TestCaughtSignals(t *testing.T) {
	c := catch()
	for s, w := range watched {
		if err := syscall.Kill(os.Getpid(), s.(syscall.Signal)); err != nil {
			t.Fatal(err)
		}
		if got := <-c; got != s {
			t.Errorf("%s: got %v", w.name, got)
		}
	}
}

// A hundred of one kind are in no other's way, while nobody takes any.
func TestManySignals(t *testing.T) {
	c := catch()
	for range 100 {
		for s := range watched {
			if s != syscall.SIGTERM {
				syscall.Kill(os.Getpid(), s.(syscall.Signal))
			}
		}
	}
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	for seen := map[os.Signal]int{}; len(seen) < len(watched); {
		seen[<-c]++
	}
}

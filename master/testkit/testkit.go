// Package testkit holds what tests of several packages ask of their own process and of the goroutines beside them.
package testkit

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Eventually waits until something that another goroutine or process is about to do has happened, and fails the test
// after 20 seconds.
func Eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !happened() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Descriptors returns the open descriptors of this process: what each is, by its path below /proc.
func Descriptors(t testing.TB) map[string]string {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]string{}
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil { // the descriptor of the reading itself is gone again
			open[l] = to
		}
	}
	return open
}

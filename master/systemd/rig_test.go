package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// wakeRuntime has the descriptors of the runtime itself open from here on.
func wakeRuntime(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// descriptors returns what this process has open, by number.
func descriptors(t *testing.T) map[string]string {
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

func eventually(t *testing.T, what string, happened func() bool) {
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

func flags(fd, which int) int {
	n, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), uintptr(which), 0)
	return int(n)
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "test child:", err)
		os.Exit(1)
	}
}

package systemd

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
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

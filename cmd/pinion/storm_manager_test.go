// As much of systemd as a storm needs.

package main_test

import (
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// watchdogInterval has a master ping three times as often. Nobody looks at the clock: a test knows when it hangs.
const watchdogInterval = "WATCHDOG_USEC=300000"

// serviceManager is as much of systemd as a master waits for: it reads what it is told, keeps what it is to store until it
// is told to forget it, and closes what else it is given.
func serviceManager(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(shortDir(t), "notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		store := map[string][]int{}
		defer func() { closeFDs(slices.Concat(slices.Collect(maps.Values(store))...)) }()
		text, rights := make([]byte, 4096), make([]byte, 4096)
		for {
			n, m, _, _, err := conn.ReadMsgUnix(text, rights)
			if err != nil {
				return
			}
			var fds []int
			messages, _ := syscall.ParseSocketControlMessage(rights[:m])
			for i := range messages {
				some, _ := syscall.ParseUnixRights(&messages[i])
				fds = append(fds, some...)
			}
			said := strings.Split(string(text[:n]), "\n")
			name := ""
			for _, line := range said {
				if value, found := strings.CutPrefix(line, "FDNAME="); found {
					name = value
				}
			}
			switch {
			case slices.Contains(said, "FDSTORE=1"):
				store[name] = append(store[name], fds...)
			case slices.Contains(said, "FDSTOREREMOVE=1"):
				fds = append(fds, store[name]...)
				delete(store, name)
				fallthrough
			default:
				closeFDs(fds)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); group.Wait() })
	return path
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

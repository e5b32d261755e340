// As much of systemd as a storm needs.

package storm_test

import (
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// watchdogInterval has a master ping three times as often. Nobody looks at the clock: a test knows when it hangs.
const watchdogInterval = "WATCHDOG_USEC=300000"

// serviceManager is as much of systemd as a master waits for: it reads what it is told, keeps what it is to store until it
// is told to forget it, and closes what else it is given.
func serviceManager(t testing.TB) (path string) {
	t.Helper()
	return newFileStore(t).path
}

// fileStore is what such a service manager keeps.
type fileStore struct {
	path string // of its socket

	mu   sync.Mutex
	kept map[string][]int // by name, as it is on the wire
}

func newFileStore(t testing.TB) *fileStore {
	t.Helper()
	s := &fileStore{path: filepath.Join(rig.ShortDir(t), "notify.sock"), kept: map[string][]int{}}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		defer func() { closeFDs(slices.Concat(slices.Collect(maps.Values(s.kept))...)) }()
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
			s.mu.Lock()
			switch {
			case slices.Contains(said, "FDSTORE=1"):
				s.kept[name] = append(s.kept[name], fds...)
			case slices.Contains(said, "FDSTOREREMOVE=1"):
				fds = append(fds, s.kept[name]...)
				delete(s.kept, name)
				fallthrough
			default:
				closeFDs(fds)
			}
			s.mu.Unlock()
		}
	})
	t.Cleanup(func() { conn.Close(); group.Wait() })
	return s
}

// names returns the names of all that is kept.
func (s *fileStore) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.kept))
}

// take returns what is kept, with a name for each descriptor, and forgets it.
func (s *fileStore) take() (names []string, fds []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.kept)) {
		for _, fd := range s.kept[name] {
			names, fds = append(names, name), append(fds, fd)
		}
	}
	clear(s.kept)
	return names, fds
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

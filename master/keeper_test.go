// Who has to stay when another master takes over.

package master

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

func TestStaysAt(t *testing.T) {
	for _, test := range []struct {
		name      string
		pid       int
		daemon    bool
		successor bool
		env       map[string]string
		want      bool
	}{
		{"a shell, supervisord, runit, Type=simple", 100, false, false, nil, true},
		{"pid 1", 1, false, false, nil, true},
		{"pid 1 that podman listens to", 1, false, false, map[string]string{envNotifySocket: "/run/notify"}, true},
		{"a daemon", 100, true, false, nil, false},
		{"a master that follows", 100, false, true, nil, false},
		{"a master that a keeper has started", 100, false, false, map[string]string{keeperVariable: "1"}, false},
		{"Type=notify", 100, false, false, map[string]string{envNotifySocket: "/run/notify", envExecPID: "100"}, false},
		{"Type=notify of an old systemd", 100, false, false, map[string]string{envNotifySocket: "/run/notify"}, false},
		{"supervisord in a service", 100, false, false, map[string]string{envNotifySocket: "/run/notify", envExecPID: "50"}, true},
	} {
		getenv := func(name string) string { return test.env[name] }
		if got := staysAt(test.pid, &Options{Daemon: test.daemon}, test.successor, getenv); got != test.want {
			t.Errorf("%s: stays is %v", test.name, got)
		}
	}
}

// A process of another pid namespace may have the pid of the one that is looked for, and its address where containers share
// a network.
func TestKeeperOfAnotherName(t *testing.T) {
	if _, err := dialKeeper(os.Getpid()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without a keeper: %v", err)
	}
	for _, pid := range []int{os.Getpid(), os.Getppid()} {
		fd, err := sock.ListenSeqpacket(keeperName(pid), 1)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := dialKeeper(pid)
		if ours := pid == os.Getpid(); (err == nil) != ours {
			t.Errorf("process %d listens in the name of %d: %v", os.Getpid(), pid, err)
		}
		if err == nil {
			conn.Close()
		}
		sock.Close(fd)
	}
	if pidNamespace() == 0 || link.KeeperName(0, 1, 7) == link.KeeperName(0, 2, 7) {
		t.Error("pids of different namespaces have the same name")
	}
}

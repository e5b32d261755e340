// Who has to stay when another master takes over.

package master

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/systemd"
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
		{"pid 1 that podman listens to", 1, false, false, map[string]string{systemd.EnvNotifySocket: "/run/notify"}, true},
		{"a daemon", 100, true, false, nil, false},
		{"a master that follows", 100, false, true, nil, false},
		{"a master that a keeper has started", 100, false, false, map[string]string{keeperVariable: "1"}, false},
		{"Type=notify", 100, false, false, map[string]string{systemd.EnvNotifySocket: "/run/notify", envExecPID: "100"}, false},
		{"Type=notify of an old systemd", 100, false, false, map[string]string{systemd.EnvNotifySocket: "/run/notify"}, false},
		{"supervisord in a service", 100, false, false, map[string]string{systemd.EnvNotifySocket: "/run/notify", envExecPID: "50"}, true},
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
	if process.PIDNamespace() == 0 || link.KeeperName(0, 1, 7) == link.KeeperName(0, 2, 7) {
		t.Error("pids of different namespaces have the same name")
	}
}

// A master that ends right after its takeover can come twice, and what it has said first stays true.
func TestKeeperMeetsMasterTwice(t *testing.T) {
	k := &keeper{master: 7, left: make(chan *masterConn, 2)}
	first, other := net.Pipe()
	k.masterCame(&masterConn{conn: first, pid: 7})
	if _, err := other.Write([]byte(`{"ended":true}`)); err != nil {
		t.Fatal(err)
	}
	other.Close()
	k.masterLeft(<-k.left)
	again, other := net.Pipe()
	k.masterCame(&masterConn{conn: again, pid: 7})
	if other.Close(); !k.well {
		t.Error("it has forgotten that the master ends as it was asked to")
	}
	k.masterLeft(<-k.left)
	next, other := net.Pipe()
	defer other.Close()
	if k.masterCame(&masterConn{conn: next, pid: 8}); k.well || k.master != 8 {
		t.Errorf("master %d, which has just come, ends well: %v", k.master, k.well)
	}
}

// A master that has left everything to the next one may get a signal that it does not pass on any more.
func TestKeeperTellsNextMaster(t *testing.T) {
	k := &keeper{master: 7, left: make(chan *masterConn, 2)}
	for _, pid := range []int{7, 8} {
		conn, other := net.Pipe()
		defer other.Close()
		heard := make(chan string)
		go func() {
			buf := make([]byte, maxKeeperMessageBytes)
			n, _ := other.Read(buf)
			heard <- string(buf[:n])
		}()
		k.masterCame(&masterConn{conn: conn, pid: pid})
		if pid == 7 {
			k.signalled(syscall.SIGTERM)
		}
		if got, want := <-heard, map[int]string{7: `{"signal":"TERM"}`, 8: `{"signal":"TERM","again":true}`}[pid]; got != want {
			t.Errorf("master %d was told %q, not %s", pid, got, want)
		}
	}
}

// What was installed in place of the binary may be anything. If it hangs, the next reload would wait for its end.
func TestSuccessorIsKnown(t *testing.T) {
	for _, replaces := range []bool{false, true} {
		child := exec.Command("sleep", "60")
		if child.Env = os.Environ(); replaces {
			child.Env = append(child.Env, inheritedVariable+"=yes")
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for environ := []byte(nil); len(environ) == 0; { // it is there a moment after the start
			environ, _ = os.ReadFile(fmt.Sprintf("/proc/%d/environ", child.Process.Pid))
		}
		if got := isSuccessor(child.Process.Pid); got != replaces {
			t.Errorf("it was started to replace a master: %v, not %v", got, replaces)
		}
		child.Process.Kill()
		child.Wait()
	}
}

// Whoever is connected to a master that leaves its workers behind, and asks nothing, keeps no address from the next start.
func TestLeavingBehindIsBrief(t *testing.T) {
	for _, test := range []struct {
		leaves bool
		err    error
		brief  bool
	}{{false, nil, false}, {false, errEnding, false}, {true, nil, false}, {true, errEnding, true}} {
		m := &master{err: test.err}
		m.masters.leaveAll = test.leaves
		if got := m.lastPatience() == answerBriefly; got != test.brief {
			t.Errorf("leaves its workers: %v, error: %v: brief is %v", test.leaves, test.err, got)
		}
	}
}

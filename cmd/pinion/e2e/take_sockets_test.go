// From nutcracker to Pinion under a service manager, which a test plays: it keeps the sockets that one process takes, and passes them to
// the next.

package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// keptSockets receives what is stored at a notification socket.
type keptSockets struct {
	conn  *net.UnixConn
	path  string
	names []string
	files []*os.File
}

func newKeptSockets(t *testing.T) *keptSockets {
	t.Helper()
	k := &keptSockets{path: filepath.Join(rig.ShortDir(t), "notify")}
	var err error
	if k.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: k.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.conn.Close() })
	return k
}

// receive takes all that waits.
func (k *keptSockets) receive(t *testing.T) {
	t.Helper()
	text, rights := make([]byte, 4096), make([]byte, 256)
	for {
		k.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, size, _, _, err := k.conn.ReadMsgUnix(text, rights)
		if err != nil {
			return
		}
		messages, err := syscall.ParseSocketControlMessage(rights[:size])
		if err != nil || len(messages) == 0 {
			continue
		}
		fds, err := syscall.ParseUnixRights(&messages[0])
		if err != nil {
			t.Fatal(err)
		}
		_, name, is := strings.Cut(string(text[:n]), "FDNAME=")
		for _, fd := range fds {
			file := os.NewFile(uintptr(fd), name)
			t.Cleanup(func() { file.Close() })
			if is {
				k.names, k.files = append(k.names, strings.TrimSpace(name)), append(k.files, file)
			}
		}
	}
}

func TestE2ETakeSockets(t *testing.T) {
	t.Parallel()
	mayCopy(t)
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	address, control := rig.FreeAddress(t), filepath.Join(rig.ShortDir(t), "ctl")
	config := rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"},
		Servers: rig.Lines(rig.Several(1, func() *rig.Backend { return rig.RedisServer(t) }))})
	old := rig.Nutcracker(t, config, "tcp", address)
	old.Dial().WantDo("+OK\r\n", "SET", "stays", "v")
	_, stats, _ := net.SplitHostPort(old.Stats)
	file, kept := rig.WriteConfig(t, config), newKeptSockets(t)
	pid := fmt.Sprint(old.Pid())

	take := exec.Command(path, "take-sockets", "-c", file, "-a", "127.0.0.1", "-s", stats, "--user", "root", pid)
	if out, err := take.CombinedOutput(); err == nil || !strings.Contains(string(out), "there is no service manager") {
		t.Errorf("without a service manager: %v, %s", err, out)
	}
	if os.Geteuid() != 0 {
		return // the sockets become those of another user
	}
	take = exec.Command(path, take.Args[1:]...)
	take.Env = append(os.Environ(), "NOTIFY_SOCKET="+kept.path)
	if out, err := take.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v, %s", err, out)
	}
	kept.receive(t)
	if len(kept.files) != 2 || !strings.HasPrefix(kept.names[0], "taken/"+pid+"/") || !strings.Contains(kept.names[0], "/tcp/127.0.0.1") {
		t.Fatalf("%d sockets are kept: %q", len(kept.files), kept.names)
	}

	crowd := newResidents(address, 20)
	next := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, path, "-c", file, "-a", "127.0.0.1", "-s", stats, "--workers", "2", "--control", control)
	next.Env = append(os.Environ(), fmt.Sprint("LISTEN_FDS=", len(kept.files)), "LISTEN_FDNAMES="+strings.Join(kept.names, ":"), "NOTIFY_SOCKET="+kept.path)
	next.ExtraFiles = kept.files
	output := &strings.Builder{}
	next.Stderr = output
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	defer next.Process.Kill()
	rig.Eventually(t, "taking over", func() error {
		kept.receive(t)
		if n := acceptors(t, address); n != 2 {
			return fmt.Errorf("%d sockets", n)
		}
		return nil
	})
	passing := newPassersBy(address)
	passing.want(t, "with both")
	wantStatistics(t, old.Stats, "0.5.0")
	passing.leave() // nutcracker would cut those whom it has just accepted
	old.Retired = true
	old.Signal(syscall.SIGTERM)
	old.Wait()
	passing = newPassersBy(address)
	passing.want(t, "without nutcracker")
	wantSpread(t, control)
	wantStatistics(t, old.Stats, `"curr_connections"`)
	passing.leave()
	crowd.leave()
	if n := crowd.refused.Load(); n > 0 {
		t.Errorf("%d were refused: %v", n, crowd.why.Load())
	}
	next.Process.Signal(syscall.SIGTERM)
	if err := next.Wait(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// From nutcracker to Pinion on the same port, as the README says how: no connection is refused or reset, and clients of
// nutcracker go on for as long as it does.

package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// takeListeners is the program that the documents tell of.
const takeListeners = "../../../packaging/doc/take-listeners.py"

func TestE2ETakingOver(t *testing.T) {
	t.Parallel()
	python := rig.Program(t, "/usr/bin/python3")
	address := rig.FreeAddress(t)
	config := rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"},
		Servers: rig.Lines(rig.Several(2, func() *rig.Backend { return rig.RedisServer(t) }))})
	old := rig.Nutcracker(t, config, "tcp", address)
	pid := strconv.Itoa(old.Pid())
	_, port, _ := net.SplitHostPort(address)
	if scope, _ := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); os.Geteuid() != 0 && strings.Trim(string(scope), "0\n") != "" {
		out, err := exec.Command(python, takeListeners, pid, port, "true").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "Operation not permitted") {
			t.Errorf("where only root may take descriptors: %v, %s", err, out)
		}
		return
	}

	stays := old.Dial()
	stays.WantDo("+OK\r\n", "SET", "stays", "v")
	crowd := newPassersBy(address)
	crowd.want(t, "with nutcracker alone")

	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	_, stats, _ := net.SplitHostPort(rig.FreeAddress(t))
	next := rig.Start(t, python, takeListeners, pid, port,
		path, "-c", rig.WriteConfig(t, config), "-a", "127.0.0.1", "-s", stats, "--workers", "2")
	rig.Eventually(t, "starting beside nutcracker", func() error {
		if text := next.Output.String(); !strings.Contains(text, "is served on") {
			return errors.New(text)
		}
		return nil
	})
	crowd.want(t, "with both")

	run(t, python, takeListeners, "--stop-accepting", pid, port)
	crowd.want(t, "with a nutcracker that accepts nobody")
	late := rig.Dial(t, "tcp", address, rig.ReadRESP)
	for _, c := range []*rig.Client{stays, late} {
		c.WantDo("$1\r\nv\r\n", "GET", "stays")
		for i := range 20 { // some live on the server that nutcracker has not connected to yet
			c.WantDo("$-1\r\n", "GET", strconv.Itoa(i))
		}
	}

	old.Retired = true
	old.Signal(syscall.SIGTERM)
	old.Wait()
	crowd.want(t, "without nutcracker")
	late.WantDo("$1\r\nv\r\n", "GET", "stays")
	crowd.leave()
	next.Signal(syscall.SIGTERM)
	if err := next.Wait(); err != nil {
		t.Errorf("pinion ended with %v\n%s", err, next.Output.String())
	}
}

// passersBy are clients who connect, ask once, and go, again and again.
type passersBy struct {
	outcomes chan error
	gone     chan struct{}
	all      sync.WaitGroup
}

func newPassersBy(address string) *passersBy {
	p := &passersBy{outcomes: make(chan error), gone: make(chan struct{})}
	for range 4 {
		p.all.Go(func() {
			for {
				select {
				case p.outcomes <- passBy(address):
				case <-p.gone:
					return
				}
			}
		})
	}
	return p
}

// want fails the test unless all of the next ones are answered.
func (p *passersBy) want(t *testing.T, when string) {
	t.Helper()
	for range 200 {
		if err := <-p.outcomes; err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
}

func (p *passersBy) leave() {
	close(p.gone)
	p.all.Wait()
}

func passBy(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	const request, reply = "*2\r\n$3\r\nGET\r\n$5\r\nstays\r\n", "$1\r\nv\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	got := make([]byte, len(reply))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != reply {
		return fmt.Errorf("reply %q, %w", got, err)
	}
	return nil
}

// With -d the process that serves is not the one that was passed the socket.
func TestE2ETakingOverInTheBackground(t *testing.T) {
	t.Parallel()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	address, control := l.Addr().String(), filepath.Join(rig.ShortDir(t), "ctl.sock")
	config := rig.WriteConfig(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: []string{"127.0.0.1:1:1"}}))
	_, stats, _ := net.SplitHostPort(rig.FreeAddress(t))
	start := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`,
		path, "-d", "-c", config, "-a", "127.0.0.1", "-s", stats, "--workers", "2", "--control", control)
	start.ExtraFiles = []*os.File{socket}
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	defer run(t, path, "stop", "--now", "--control", control)
	rig.Dial(t, "tcp", address, rig.ReadRESP).WantDo("+PONG\r\n", "PING")
}

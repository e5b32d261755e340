// Clients who pass by while one program takes over from another, and sockets that were passed to a Pinion in the background.

package e2e_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

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
		path, "-d", "-o", filepath.Join(filepath.Dir(control), "log"), "-c", config, "-a", "127.0.0.1", "-s", stats, "--workers", "2", "--control", control)
	start.ExtraFiles = []*os.File{socket}
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	defer run(t, path, "stop", "--now", "--control", control)
	rig.Dial(t, "tcp", address, rig.ReadRESP).WantDo("+PONG\r\n", "PING")
}

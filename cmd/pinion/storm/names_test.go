// A name server that falls silent: whoever knows where a server is tells the workers to come.

package storm_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// nameService is what a proxy in a mount namespace of its own finds names by.
type nameService struct {
	t     *testing.T
	hosts string // its /etc/hosts
}

// newNameService returns one that knows a name, and the command that starts a program with it. The name server that stands
// behind the file takes questions and never answers.
func newNameService(t *testing.T, name string) (n *nameService, with []string) {
	t.Helper()
	silent, err := net.ListenPacket("udp", fmt.Sprintf("127.%d.%d.53:53", 1+os.Getpid()>>8&127, os.Getpid()&255))
	if err != nil {
		t.Fatalf("%v; the test must be run by root", err)
	}
	t.Cleanup(func() { silent.Close() })
	dir := rig.ShortDir(t)
	n = &nameService{t, filepath.Join(dir, "hosts")}
	n.write("127.0.0.1 localhost " + name + "\n")
	servers := filepath.Join(dir, "resolv.conf")
	address, _, _ := net.SplitHostPort(silent.LocalAddr().String())
	if err := os.WriteFile(servers, []byte("nameserver "+address+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`
	return n, []string{rig.Program(t, "unshare"), "--mount", "--", "sh", "-c", script, n.hosts, servers}
}

func (n *nameService) write(hosts string) {
	n.t.Helper()
	if err := os.WriteFile(n.hosts, []byte(hosts), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

// silence has it forget all names.
func (n *nameService) silence() { n.t.Helper(); n.write("127.0.0.1 localhost\n") }

// Workers that begin when the name server is silent reach all servers that others have reached: after a reload, an upgrade
// and the death of a worker.
func TestE2ENameServerFallsSilent(t *testing.T) {
	t.Parallel()
	names, with := newNameService(t, "redis.test")
	server := rig.RedisServerTCP(t, rig.FreeAddress(t))
	s := newScene(t, startStormServers(t), oldRelease, 2, with...)
	_, port, _ := net.SplitHostPort(server.Address)
	options := []string{"redis: true", "timeout: 2000"}
	s.write(rig.Yaml(rig.Pool{Name: "named", Listen: s.in["redis"].at, Options: options, Servers: []string{"redis.test:" + port + ":1 s0"}}))
	succeeds := func(command string) {
		t.Helper()
		if out, err := s.order(command); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	c := rig.Dial(t, s.in["redis"].network, s.in["redis"].at, rig.ReadRESP)
	served := func() {
		t.Helper()
		for _, c := range []*rig.Client{c, rig.Dial(t, s.in["redis"].network, s.in["redis"].at, rig.ReadRESP)} {
			if got := c.Do("SET", "k", "v"); got != "+OK\r\n" {
				t.Fatalf("the reply is %q", got)
			}
		}
	}
	succeeds("reload")
	served()
	names.silence()
	succeeds("reload")
	served()
	s.install(newRelease)
	succeeds("upgrade")
	served()
	succeeds("reload")
	served()

	worker := s.workers()[0]
	if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.doom(worker)
	rig.Eventually(t, "being served by another worker", func() error {
		pids := s.workers()
		if len(pids) != 2 || pids[0] == worker || pids[1] == worker {
			return fmt.Errorf("the workers are %v", pids)
		}
		for range 8 {
			fresh := rig.Dial(t, s.in["redis"].network, s.in["redis"].at, rig.ReadRESP)
			got := fresh.Do("GET", "k")
			fresh.Conn.Close()
			if got != rig.Bulk("v") {
				return fmt.Errorf("the reply is %q", got)
			}
		}
		return nil
	})
	s.stop()
}

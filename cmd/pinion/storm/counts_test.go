// Counts across reloads and upgrades: clients count once, generations are forgotten, and counters of another build are not
// touched before they are looked at.

package storm_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// crowdLimit is client_connections of a pool in which room is left for this number of clients.
const (
	crowdLimit = 20
	crowdRoom  = 7
)

// fills has as many clients come as there is room for, and more, which are turned away.
func (s *scene) fills() {
	s.t.Helper()
	var clients []*rig.Client
	come := func() *rig.Client {
		c := rig.Dial(s.t, s.in["tardy"].network, s.in["tardy"].at, rig.ReadRESP)
		clients = append(clients, c)
		c.Send(rig.Request("PING"))
		return c
	}
	for range crowdRoom {
		come().Want("+PONG\r\n")
	}
	rig.Eventually(s.t, "turning one away", func() error { // whom an old worker has accepted a new one learns a moment later
		if reply := come().Reply(); reply != "-ERR max number of clients reached\r\n" {
			return fmt.Errorf("it got %q", reply)
		}
		return nil
	})
	for _, c := range clients {
		c.Conn.Close()
	}
	rig.Eventually(s.t, "making room", func() error { return exactly(s.present(), crowdLimit-crowdRoom) })
}

// present returns how many clients there are; those who were there before are never missing.
func (s *scene) present() int {
	s.t.Helper()
	n := s.total("client_connections")
	if n < crowdLimit-crowdRoom {
		s.t.Fatalf("%d clients are counted, %d are there", n, crowdLimit-crowdRoom)
	}
	return n
}

// While clients move, and one of them is a straggler, there is room for as many others as before.
func TestClientLimitWhileClientsMove(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"reload", "upgrade"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s, slow := straggle(t)
			s.straggling(700, fmt.Sprint("client_connections: ", crowdLimit))
			if _, err := s.order("reload"); err != nil {
				t.Fatal(err)
			}
			for range crowdLimit - crowdRoom - 1 {
				rig.Dial(t, s.in["tardy"].network, s.in["tardy"].at, rig.ReadRESP).WantDo("+PONG\r\n", "PING")
			}
			straggler := s.owed("later")
			s.fills()
			s.install(newRelease)
			done := make(chan error, 1)
			go func() {
				_, err := s.order(command)
				done <- err
			}()
			times := 0
			for under := true; under; times++ {
				s.fills()
				select {
				case err := <-done:
					if under = false; err != nil {
						t.Fatal(err)
					}
				default:
				}
			}
			if now := s.now(); now.Last.Stragglers != 1 || now.Last.Moved < crowdLimit-crowdRoom-1 {
				t.Errorf("%+v, want one straggler", now.Last)
			}
			t.Logf("filled %d times", times)
			s.fills()
			close(slow.gate("later"))
			straggler.Want("+later\r\n")
			s.fills()
			s.masterLeads(1)
			s.fills()
			s.stop()
		})
	}
}

// Stragglers that move late make no difference either.
func TestClientLimitWithLateMoves(t *testing.T) {
	t.Parallel()
	s, slow := straggle(t)
	s.straggling(100, fmt.Sprint("client_connections: ", crowdLimit))
	if _, err := s.order("reload"); err != nil {
		t.Fatal(err)
	}
	var late []*rig.Client
	for range crowdLimit - crowdRoom - 1 {
		late = append(late, s.owed("later 1"))
	}
	last := s.owed("later 2")
	old := s.workers()[0]
	if _, err := s.order("reload"); err != nil {
		t.Fatal(err)
	}
	before := rig.Descriptors(old)
	close(slow.gate("later 1"))
	for _, c := range late {
		c.Want("+later 1\r\n")
	}
	rig.Eventually(t, "moving late", func() error {
		if now := rig.Descriptors(old); now > before-len(late) {
			return fmt.Errorf("the old worker has %d descriptors, and had %d", now, before)
		}
		return nil
	})
	s.fills()
	close(slow.gate("later 2"))
	last.Want("+later 2\r\n")
	s.stop()
}

// reloadsBehind is how many reloads a straggler lives through.
const reloadsBehind = "PINION_RELOADS"

// Behind a straggler that lives, generations come and go, and leave nothing.
func TestReloadsBehindAStraggler(t *testing.T) {
	t.Parallel()
	n := 15
	if text := os.Getenv(reloadsBehind); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s, slow := straggle(t)
	if _, err := s.order("reload"); err != nil {
		t.Fatal(err)
	}
	c := s.owed("later", "a")
	s.leaves("reload", oldRelease)
	few := func(generations int) {
		t.Helper()
		rig.Eventually(t, "forgetting generations", func() error { return exactly(len(s.now().Generations), generations) })
	}
	few(2)
	base := rig.Descriptors(s.masters()[0])
	requests := s.total("requests")
	again := func(command string, r release) {
		t.Helper()
		s.install(r)
		if out, err := s.order(command); err != nil {
			t.Fatal(err, out)
		}
		rig.Dial(t, s.in["tardy"].network, s.in["tardy"].at, rig.ReadRESP).WantDo("+PONG\r\n", "PING")
	}
	for range n {
		again("reload", oldRelease)
	}
	few(2)
	if now := rig.Descriptors(s.masters()[0]); now > base+8 {
		t.Errorf("the master has %d descriptors after %d reloads, and had %d", now, n, base)
	}
	for range 3 { // a new master reads all that, too
		again("upgrade", newRelease)
		again("reload", newRelease)
	}
	few(2)
	if now := s.total("requests"); now != requests {
		t.Errorf("%d requests, %d before", now, requests)
	}
	close(slow.gate("later"))
	c.Want("+later\r\n")
	c.Want("+a\r\n")
	few(1)
	rig.Eventually(t, "counting", func() error { return exactly(s.total("responses"), requests) })
	s.stop()
}

// oddCounters are those that a master may find where an earlier one has left them.
var oddCounters = map[string]func(t *testing.T, good int) int{
	"whole": func(t *testing.T, good int) int { return good },
	"cut": func(t *testing.T, good int) int {
		return memoryFile(t, contents(t, good)[:5000], unix.F_SEAL_SHRINK)
	},
	"empty": func(t *testing.T, good int) int { return memoryFile(t, nil, unix.F_SEAL_SHRINK) },
	"grown": func(t *testing.T, good int) int {
		return memoryFile(t, append(contents(t, good), make([]byte, 100_000)...), unix.F_SEAL_SHRINK)
	},
	"foreign": func(t *testing.T, good int) int {
		return memoryFile(t, []byte(strings.Repeat("foreign!", len(contents(t, good))/8)), unix.F_SEAL_SHRINK)
	},
	"loose": func(t *testing.T, good int) int { return memoryFile(t, contents(t, good), 0) },
	"a socket": func(t *testing.T, good int) int {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	},
}

func contents(t *testing.T, fd int) []byte {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func memoryFile(t *testing.T, text []byte, seals int) int {
	t.Helper()
	fd, err := unix.MemfdCreate("spoiled", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err == nil && len(text) > 0 {
		_, err = unix.Write(fd, text)
	}
	if err == nil && seals != 0 {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// A master that is started after another one was killed takes over its workers, whatever it finds where those count.
// Counters that do not fit are not touched: one line says that the totals begin anew.
func TestCountersOfAnotherMaster(t *testing.T) {
	t.Parallel()
	server := rig.RedisServer(t)
	for name, spoil := range oddCounters {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := name == "whole" || name == "grown"
			store := newFileStore(t)
			path := oldRelease.build(t)
			address, stats, dir := rig.FreeAddress(t), rig.FreeAddress(t), rig.ShortDir(t)
			_, port, _ := net.SplitHostPort(stats)
			file := rig.WriteConfig(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{server})}))
			args := []string{path, "-c", file, "-a", "127.0.0.1", "-s", port, "--workers", "2", "--control", filepath.Join(dir, "ctl")}
			first := rig.Start(t, rig.Program(t, "env"), append([]string{"NOTIFY_SOCKET=" + store.path}, args...)...)
			first.Answers("tcp", address)
			c := rig.Dial(t, "tcp", address, rig.ReadRESP)
			for range 10 {
				c.WantDo("$-1\r\n", "GET", "nothing")
			}
			workers := rig.Children(t, first.Pid())
			t.Cleanup(func() {
				for _, pid := range workers {
					syscall.Kill(pid, syscall.SIGKILL)
				}
			})
			rig.Eventually(t, "keeping the workers", func() error {
				have := 0
				for _, name := range store.names() {
					if strings.HasPrefix(name, "worker/1/") || name == "spec/1" || name == "shared/1" {
						have++
					}
				}
				return exactly(have, len(workers)+2)
			})
			first.Kill()

			names, fds := store.take()
			cmd := exec.Command(rig.Program(t, "sh"), append([]string{"-c", `export LISTEN_PID=$$; exec "$0" "$@"`}, args...)...)
			cmd.Env = append(os.Environ(), fmt.Sprint("LISTEN_FDS=", len(fds)), "LISTEN_FDNAMES="+strings.Join(names, ":"),
				"NOTIFY_SOCKET="+store.path)
			for i, fd := range fds {
				if names[i] == "shared/1" {
					fd = spoil(t, fd)
				}
				cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(fd), names[i]))
			}
			second := rig.StartCommand(t, cmd)
			for _, f := range cmd.ExtraFiles {
				f.Close()
			}
			rig.Eventually(t, "moving to new workers", func() error {
				if !strings.Contains(second.Output.String(), "reload to generation 2 ") {
					return fmt.Errorf("the log says:\n%s", second.Output.String())
				}
				return nil
			})
			log := second.Output.String()
			if n := strings.Count(log, "totals begin anew"); n != 0 && kept || n != 1 && !kept {
				t.Errorf("totals begin anew %d times:\n%s", n, log)
			}
			if !strings.Contains(log, "generation 2 (") || !strings.Contains(log, " done in ") {
				t.Errorf("the reload fails:\n%s", log)
			}
			p := &rig.Proxy{Process: second, Network: "tcp", Address: address, Stats: stats, Read: rig.ReadRESP}
			want := 10
			if !kept {
				want = 0
			}
			rig.Eventually(t, "counting", func() error { return exactly(int(p.ServerCounter("s0", "requests")), want) })
			c.WantDo("$-1\r\n", "GET", "nothing")
			rig.Eventually(t, "counting", func() error { return exactly(int(p.ServerCounter("s0", "requests")), want+1) })
			second.Signal(syscall.SIGTERM)
			if err := second.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// Addresses that come, go, widen, narrow and change hands while clients connect all the time: whoever gets a connection gets
// an answer on it.

package storm_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// knocking is clients that connect, ask, are answered and leave, again and again.
type knocking struct {
	t        testing.TB
	done     chan struct{}
	group    sync.WaitGroup
	mu       sync.Mutex
	answered int
	refused  int // since the last answer
	failures []string
}

// knockAt begins to connect. Some ask at once and some take a moment to do so.
func knockAt(t testing.TB, network, address string) *knocking {
	k := &knocking{t: t, done: make(chan struct{})}
	for _, pause := range []time.Duration{0, 0, 3 * time.Millisecond, 100 * time.Millisecond} {
		k.group.Go(func() {
			for {
				select {
				case <-k.done:
					return
				default:
					k.note(rig.KnockOnce(network, address, pause))
				}
			}
		})
	}
	t.Cleanup(sync.OnceFunc(func() { k.end() }))
	return k
}

func (k *knocking) note(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch err {
	case nil:
		k.answered, k.refused = k.answered+1, 0
	case rig.ErrRefused:
		k.refused++
	default:
		k.failures = append(k.failures, err.Error())
	}
}

// goesOn waits until more clients were answered.
func (k *knocking) goesOn() {
	k.t.Helper()
	k.mu.Lock()
	before := k.answered
	k.mu.Unlock()
	rig.Eventually(k.t, "answers to those who knock", func() error {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.answered < before+10 {
			return fmt.Errorf("%d and then %d were answered, %d refused; failures: %q", before, k.answered, k.refused, k.failures)
		}
		return nil
	})
}

// isRefused waits until nobody gets a connection any more.
func (k *knocking) isRefused() {
	k.t.Helper()
	rig.Eventually(k.t, "refusals", func() error {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.refused < 100 {
			return fmt.Errorf("%d in a row", k.refused)
		}
		return nil
	})
}

// end stops knocking. Nobody may have failed who had a connection; nobody may have been refused unless that is said.
func (k *knocking) end() (refused int) {
	k.t.Helper()
	select {
	case <-k.done:
	default:
		close(k.done)
	}
	k.group.Wait()
	if len(k.failures) > 0 {
		k.t.Errorf("of %d who knocked these failed: %.1000q", k.answered+len(k.failures), k.failures)
	}
	k.failures = nil
	return k.refused
}

// hands gives the scene pools beside its own, by a reload or an upgrade.
func (s *scene) hands(command string, pools ...rig.Pool) {
	s.t.Helper()
	s.write(s.servers.config(s.in, 2) + rig.Yaml(pools...))
	if _, err := s.order(command); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) guests(name, listen string, servers []*rig.Backend) rig.Pool {
	return rig.Pool{Name: name, Listen: fmt.Sprintf("%q", listen), Options: []string{"redis: true"}, Servers: rig.Lines(servers)}
}

// With a reload and with an upgrade an address is removed, over TCP and in the file system.
func TestAddressRemoved(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 2)
	for i, command := range []string{"reload", "upgrade"} {
		address, path := rig.FreeAddress(t), filepath.Join(s.dir, fmt.Sprintf("guest%d.sock", i))
		s.hands("reload", s.guests("guest", address, s.servers.redis), s.guests("local", path, s.servers.redis))
		tcp, local := knockAt(t, "tcp", address), knockAt(t, "unix", path)
		stays := rig.Dial(t, "tcp", address, rig.ReadRESP)
		stays.WantDo("+PONG\r\n", "PING")
		tcp.goesOn()
		local.goesOn()
		s.hands(command)
		tcp.isRefused()
		local.isRefused()
		stays.Parts()
		tcp.end()
		local.end()
		s.masterLeads(2)
		// The same address is free again at once.
		s.hands("reload", s.guests("guest", address, s.servers.redis))
		rig.Dial(t, "tcp", address, rig.ReadRESP).WantDo("+PONG\r\n", "PING")
		s.hands("reload")
		s.hands("reload", s.guests("guest", address, s.servers.redis))
		knockAt(t, "tcp", address).goesOn()
		s.hands("reload")
	}
	s.masterLeads(2)
	s.stop()
}

// An address is widened and narrowed again; nobody is closed by it, and nobody refused meanwhile.
func TestAddressWidened(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 2)
	address := rig.FreeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	s.hands("reload", s.guests("guest", address, s.servers.redis))
	c := rig.Dial(t, "tcp", address, rig.ReadRESP)
	c.WantDo("+PONG\r\n", "PING")
	elsewhere := net.JoinHostPort("127.0.0.2", port)
	k := knockAt(t, "tcp", address)
	for i, host := range []string{"0.0.0.0", "127.0.0.1", "::", "127.0.0.1", "0.0.0.0", "::", "0.0.0.0", "127.0.0.1"} {
		var other *rig.Client
		if host == "127.0.0.1" {
			other = rig.Dial(t, "tcp", elsewhere, rig.ReadRESP)
			other.WantDo("+PONG\r\n", "PING")
		}
		k.goesOn()
		s.hands([]string{"reload", "upgrade"}[i/2%2], s.guests("guest", net.JoinHostPort(host, port), s.servers.redis))
		k.goesOn()
		c.WantDo("+PONG\r\n", "PING")
		if other != nil {
			other.Parts()
		}
	}
	if refused := k.end(); refused > 0 {
		t.Errorf("%d were refused", refused)
	}
	s.masterLeads(2)
	s.stop()
}

// A stranger on the port is no sibling of ours.
func TestAddressOfStranger(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 2)
	address := rig.FreeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	s.hands("reload", s.guests("guest", address, s.servers.redis))
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.write(s.servers.config(s.in, 2) + rig.Yaml(s.guests("guest", "0.0.0.0:"+port, s.servers.redis)))
	if _, err := s.order("reload"); err == nil || !strings.Contains(err.Error(), "address already in use; see who has it with: ss") {
		t.Errorf("got %v", err)
	}
	rig.Dial(t, "tcp", address, rig.ReadRESP).WantDo("+PONG\r\n", "PING")
	s.stop()
}

// Two pools swap their addresses, and another one's goes to a pool of the other protocol.
func TestAddressesSwapped(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 2)
	at := []string{rig.FreeAddress(t), rig.FreeAddress(t), rig.FreeAddress(t)}
	one, two := s.servers.redis[:1], s.servers.redis[1:2]
	pools := func(first, second []*rig.Backend) []rig.Pool {
		return []rig.Pool{s.guests("first", at[0], first), s.guests("second", at[1], second), s.guests("third", at[2], one)}
	}
	s.hands("reload", pools(one, two)...)
	a, b, third := rig.Dial(t, "tcp", at[0], rig.ReadRESP), rig.Dial(t, "tcp", at[1], rig.ReadRESP), rig.Dial(t, "tcp", at[2], rig.ReadRESP)
	a.WantDo("+OK\r\n", "SET", "who", "one")
	b.WantDo("+OK\r\n", "SET", "who", "two")
	third.WantDo("+PONG\r\n", "PING")
	knocks := []*knocking{knockAt(t, "tcp", at[0]), knockAt(t, "tcp", at[1])}
	for i, command := range []string{"reload", "upgrade"} {
		now := []rig.Pool{s.guests("first", at[1], one), s.guests("second", at[0], two)}
		want := []string{rig.Bulk("two"), rig.Bulk("one")}
		if i == 1 {
			now, want = []rig.Pool{s.guests("first", at[0], one), s.guests("second", at[1], two)}, []string{rig.Bulk("one"), rig.Bulk("two")}
		}
		s.hands(command, append(now, rig.Pool{Name: "third", Listen: at[2], Options: nil, Servers: rig.Lines(s.servers.cache)})...)
		a.WantDo(want[0], "GET", "who")
		b.WantDo(want[1], "GET", "who")
		for _, k := range knocks {
			k.goesOn()
		}
		third.Parts()
		if c := rig.Dial(t, "tcp", at[2], rig.ReadMemcache); c.Line("get nothing") != "END\r\n" {
			t.Error("the other protocol is not spoken")
		}
		if i == 0 {
			s.hands("reload", append(now, s.guests("third", at[2], one))...)
			third = rig.Dial(t, "tcp", at[2], rig.ReadRESP)
			third.WantDo("+PONG\r\n", "PING")
		}
	}
	for _, k := range knocks {
		if refused := k.end(); refused > 0 {
			t.Errorf("%d were refused", refused)
		}
	}
	s.stop()
}

// Whoever gets a connection while Pinion is told to end gets an answer on it.
func TestDrainWhileClientsConnect(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 2)
	tcp, local := knockAt(t, s.in["redis"].network, s.in["redis"].at), knockAt(t, s.in["unix"].network, s.in["unix"].at)
	tcp.goesOn()
	local.goesOn()
	s.stop()
	tcp.end()
	local.end()
}

// The paths of unix sockets are removed, or taken by a process that has died since. They are bound anew, by themselves, and
// by a reload or an upgrade at once; who is connected is served on.
func TestPathsBoundAnew(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 2)
	path := filepath.Join(s.dir, "guest.sock")
	s.hands("reload", rig.Pool{Name: "guest", Listen: path + " 0640", Options: []string{"redis: true"}, Servers: rig.Lines(s.servers.redis)})
	c := rig.Dial(t, "unix", path, rig.ReadRESP)
	serves := func() error { return rig.KnockOnce("unix", path, 0) }
	lose := func(path string, dead bool) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if dead {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			l.SetUnlinkOnClose(false)
			l.Close()
		}
	}
	lose(s.control, false)
	lose(path, true)
	rig.Eventually(t, "binding anew", serves)
	rig.Eventually(t, "binding the admin socket anew", func() error { _, err := s.status(); return err })
	for _, command := range []string{"reload", "upgrade"} {
		lose(path, command == "reload")
		if _, err := s.order(command); err != nil {
			t.Fatal(err)
		}
		if err := serves(); err != nil {
			t.Errorf("after %s: %v", command, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("after %s the permissions are %v, %v", command, info.Mode(), err)
		}
		c.WantDo("+PONG\r\n", "PING")
	}
	s.hands("reload")
	c.Parts()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the path of a removed pool: %v", err)
	}
	s.masterLeads(2)
	s.stop()
}

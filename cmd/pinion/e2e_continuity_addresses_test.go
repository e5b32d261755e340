// Addresses that come, go, widen, narrow and change hands while clients connect all the time: whoever gets a connection gets
// an answer on it.

package main_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
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
					k.note(knockOnce(network, address, pause))
				}
			}
		})
	}
	t.Cleanup(sync.OnceFunc(func() { k.end() }))
	return k
}

var errRefused = errors.New("refused")

// knockOnce fails with errRefused if it is not connected at all.
func knockOnce(network, address string, pause time.Duration) error {
	conn, err := net.DialTimeout(network, address, patience)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return errRefused
	case errors.Is(err, syscall.EAGAIN): // a unix socket's queue is full
		return nil
	case err != nil:
		return err
	}
	defer conn.Close()
	if pause > 0 {
		<-time.After(pause)
	}
	conn.SetDeadline(time.Now().Add(patience))
	const pong = "+PONG\r\n"
	if _, err = io.WriteString(conn, request("PING")); err == nil {
		reply := make([]byte, len(pong))
		if _, err = io.ReadFull(conn, reply); err == nil && string(reply) != pong {
			err = fmt.Errorf("got %q", reply)
		}
	}
	return err
}

func (k *knocking) note(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch err {
	case nil:
		k.answered, k.refused = k.answered+1, 0
	case errRefused:
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
	eventually(k.t, "answers to those who knock", func() error {
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
	eventually(k.t, "refusals", func() error {
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

// parts reads to the end of the stream, which must be no reset.
func (c *client) parts() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
		c.t.Errorf("the end of a client: %q, %v", rest, err)
	}
}

// hands gives the scene pools beside its own, by a reload or an upgrade.
func (s *scene) hands(command string, pools ...pool) {
	s.t.Helper()
	s.write(s.servers.config(s.in, 2) + yaml(pools...))
	if _, err := s.order(command); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) guests(name, listen string, servers []*backend) pool {
	return pool{name, fmt.Sprintf("%q", listen), []string{"redis: true"}, lines(servers)}
}

// With a reload and with an upgrade an address is removed, over TCP and in the file system.
func TestAddressRemoved(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 2, raceAtExit)
	for i, command := range []string{"reload", "upgrade"} {
		address, path := freeAddress(t), filepath.Join(s.dir, fmt.Sprintf("guest%d.sock", i))
		s.hands("reload", s.guests("guest", address, s.servers.redis), s.guests("local", path, s.servers.redis))
		tcp, local := knockAt(t, "tcp", address), knockAt(t, "unix", path)
		stays := dial(t, "tcp", address, readRESP)
		stays.wantDo("+PONG\r\n", "PING")
		tcp.goesOn()
		local.goesOn()
		s.hands(command)
		tcp.isRefused()
		local.isRefused()
		stays.parts()
		tcp.end()
		local.end()
		s.masterLeads(2)
		// The same address is free again at once.
		s.hands("reload", s.guests("guest", address, s.servers.redis))
		dial(t, "tcp", address, readRESP).wantDo("+PONG\r\n", "PING")
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
	s := newScene(t, startStormServers(t), oldRelease, 2, raceAtExit)
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	s.hands("reload", s.guests("guest", address, s.servers.redis))
	c := dial(t, "tcp", address, readRESP)
	c.wantDo("+PONG\r\n", "PING")
	elsewhere := net.JoinHostPort("127.0.0.2", port)
	k := knockAt(t, "tcp", address)
	for i, host := range []string{"0.0.0.0", "127.0.0.1", "::", "127.0.0.1", "0.0.0.0", "::", "0.0.0.0", "127.0.0.1"} {
		var other *client
		if host == "127.0.0.1" {
			other = dial(t, "tcp", elsewhere, readRESP)
			other.wantDo("+PONG\r\n", "PING")
		}
		k.goesOn()
		s.hands([]string{"reload", "upgrade"}[i/2%2], s.guests("guest", net.JoinHostPort(host, port), s.servers.redis))
		k.goesOn()
		c.wantDo("+PONG\r\n", "PING")
		if other != nil {
			other.parts()
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
	s := newScene(t, startStormServers(t), oldRelease, 2, raceAtExit)
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	s.hands("reload", s.guests("guest", address, s.servers.redis))
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.write(s.servers.config(s.in, 2) + yaml(s.guests("guest", "0.0.0.0:"+port, s.servers.redis)))
	if _, err := s.order("reload"); err == nil || !strings.Contains(err.Error(), "address already in use; see who has it with: ss") {
		t.Errorf("got %v", err)
	}
	dial(t, "tcp", address, readRESP).wantDo("+PONG\r\n", "PING")
	s.stop()
}

// Two pools swap their addresses, and another one's goes to a pool of the other protocol.
func TestAddressesSwapped(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 2, raceAtExit)
	at := []string{freeAddress(t), freeAddress(t), freeAddress(t)}
	one, two := s.servers.redis[:1], s.servers.redis[1:2]
	pools := func(first, second []*backend) []pool {
		return []pool{s.guests("first", at[0], first), s.guests("second", at[1], second), s.guests("third", at[2], one)}
	}
	s.hands("reload", pools(one, two)...)
	a, b, third := dial(t, "tcp", at[0], readRESP), dial(t, "tcp", at[1], readRESP), dial(t, "tcp", at[2], readRESP)
	a.wantDo("+OK\r\n", "SET", "who", "one")
	b.wantDo("+OK\r\n", "SET", "who", "two")
	third.wantDo("+PONG\r\n", "PING")
	knocks := []*knocking{knockAt(t, "tcp", at[0]), knockAt(t, "tcp", at[1])}
	for i, command := range []string{"reload", "upgrade"} {
		now := []pool{s.guests("first", at[1], one), s.guests("second", at[0], two)}
		want := []string{bulk("two"), bulk("one")}
		if i == 1 {
			now, want = []pool{s.guests("first", at[0], one), s.guests("second", at[1], two)}, []string{bulk("one"), bulk("two")}
		}
		s.hands(command, append(now, pool{"third", at[2], nil, lines(s.servers.cache)})...)
		a.wantDo(want[0], "GET", "who")
		b.wantDo(want[1], "GET", "who")
		for _, k := range knocks {
			k.goesOn()
		}
		third.parts()
		if c := dial(t, "tcp", at[2], readMemcache); c.line("get nothing") != "END\r\n" {
			t.Error("the other protocol is not spoken")
		}
		if i == 0 {
			s.hands("reload", append(now, s.guests("third", at[2], one))...)
			third = dial(t, "tcp", at[2], readRESP)
			third.wantDo("+PONG\r\n", "PING")
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
	s := newScene(t, startStormServers(t), oldRelease, 2, raceAtExit)
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
	s := newScene(t, startStormServers(t), oldRelease, 2, raceAtExit)
	path := filepath.Join(s.dir, "guest.sock")
	s.hands("reload", pool{"guest", path + " 0640", []string{"redis: true"}, lines(s.servers.redis)})
	c := dial(t, "unix", path, readRESP)
	serves := func() error { return knockOnce("unix", path, 0) }
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
	eventually(t, "binding anew", serves)
	eventually(t, "binding the control socket anew", func() error { _, err := s.status(); return err })
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
		c.wantDo("+PONG\r\n", "PING")
	}
	s.hands("reload")
	c.parts()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the path of a removed pool: %v", err)
	}
	s.masterLeads(2)
	s.stop()
}

// Reloads while servers hang, refuse, or have short queues.

package e2e_test

import (
	"errors"
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

// operated is a Pinion with an admin socket, whose configuration file a test may change.
type operated struct {
	*rig.Proxy
	file, control string
}

func operate(t *testing.T, config, address string) *operated {
	t.Helper()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	return operateAs(t, path, config, address)
}

// operateAs starts the program at path, which is Pinion.
func operateAs(t *testing.T, path, config, address string) *operated {
	t.Helper()
	dir := rig.ShortDir(t)
	o := &operated{file: filepath.Join(dir, "pinion.yml"), control: filepath.Join(dir, "control")}
	o.configure(t, config)
	stats := rig.FreeAddress(t)
	o.Proxy = &rig.Proxy{Network: "tcp", Address: address, Stats: stats, PidFile: filepath.Join(dir, "pid"), Read: rig.ReadRESP}
	_, port, _ := strings.Cut(stats, ":")
	o.Process = rig.Start(t, path, "-c", o.file, "-a", "127.0.0.1", "-s", port, "-p", o.PidFile, "--workers", "2", "-v", "6",
		"--control", o.control)
	o.Answers("tcp", address)
	settled(o.Proxy, 2)
	o.BaseFDs = o.SpareFDs(o.Workers())
	t.Cleanup(o.CheckedStop)
	return o
}

// startAgain starts Pinion again, which has ended, as it was started before.
func (o *operated) startAgain(t *testing.T) {
	t.Helper()
	o.Process = rig.Start(t, o.Cmd.Path, o.Cmd.Args[1:]...)
	t.Cleanup(o.CheckedStop) // before it is killed, which would leave its workers to the next master
}

func (o *operated) configure(t *testing.T, config string) {
	t.Helper()
	if err := os.WriteFile(o.file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command runs a command of the binary against the admin socket.
func (o *operated) command(args ...string) (text string, err error) {
	path, _ := rig.Binary()
	out, err := exec.Command(path, append(args, "--control", o.control)...).CombinedOutput()
	return string(out), err
}

// reloads wants a reload to succeed, or to fail for a reason.
func (o *operated) reloads(t *testing.T, failure string, options ...string) {
	t.Helper()
	text, err := o.command(append([]string{"reload"}, options...)...)
	if (err != nil) != (failure != "") || !strings.Contains(text, failure) {
		t.Errorf("reload: %v, %s\nwant %q; the log:\n%s", err, text, failure, o.Output.String())
	}
}

// A server that takes connections and then hangs is no reason to stay with the old configuration: they do not reach it,
// either. One that only the new configuration does not reach is.
func TestE2EReloadWithServersThatHang(t *testing.T) {
	t.Parallel()
	good, hangs := rig.RedisServerTCP(t, rig.FreeAddress(t), "--requirepass", "secret"), rig.RedisServerTCP(t, rig.FreeAddress(t), "--requirepass", "secret")
	address := rig.FreeAddress(t)
	config := func(password string, servers ...*rig.Backend) string {
		return rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true", "preconnect: true", "redis_auth: " + password}, Servers: rig.Lines(servers)})
	}
	hangs.Signal(syscall.SIGSTOP)
	o := operate(t, config("secret", good, hangs), address)
	c := o.Dial()
	c.WantDo("+OK\r\n", "AUTH", "secret")
	for range 2 { // it has never greeted anybody
		o.reloads(t, "")
		c.WantDo("+PONG\r\n", "PING")
	}
	o.reloads(t, fmt.Sprintf("new workers cannot reach server %q", "s1"), "--strict")

	hangs.Signal(syscall.SIGCONT)
	rig.Eventually(t, "reaching the server again", func() error {
		if c.Do("SET", "a", "1"); c.Do("MGET", "a", "b", "c", "d", "e", "f")[0] == '-' {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	o.reloads(t, "")
	hangs.Signal(syscall.SIGSTOP) // it was good, and connections to it stand
	o.reloads(t, "")
	hangs.Signal(syscall.SIGCONT)
	o.reloads(t, "")

	o.configure(t, config("wrong", good, hangs))
	o.reloads(t, "WRONGPASS")
	c.WantDo("+PONG\r\n", "PING")
}

// A reload that forgets the password of the servers is refused, and one while a server asks for a password of new connections only.
// Where the old workers are refused as well, it changes nothing for the worse.
func TestE2EReloadWithoutPassword(t *testing.T) {
	t.Parallel()
	server, address := rig.RedisServerTCP(t, rig.FreeAddress(t)), rig.FreeAddress(t)
	config := func(options ...string) string {
		return rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: append(options, "redis: true"), Servers: rig.Lines([]*rig.Backend{server})})
	}
	o := operate(t, config(), address)
	direct, c := server.Dial(), o.Dial()
	c.WantDo("+OK\r\n", "SET", "a", "1")
	direct.WantDo("+OK\r\n", "CONFIG", "SET", "requirepass", "secret")
	o.reloads(t, "wants a password; set redis_auth")
	c.WantDo("$1\r\n1\r\n", "GET", "a")
	direct.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	o.reloads(t, "")
	o.configure(t, config("redis_auth: secret"))
	o.reloads(t, "")
	c.WantDo("+OK\r\n", "AUTH", "secret")
	o.configure(t, config())
	o.reloads(t, "wants a password; set redis_auth")
	c.WantDo("+OK\r\n", "SET", "a", "1")
}

// A reload is refused while a server that the old workers are connected to has no place for connections of new ones. If they are not
// connected either, nothing gets worse. The dry run says the same each time.
func TestE2EReloadAtMaxClients(t *testing.T) {
	t.Parallel()
	const most = 20
	server, address := rig.RedisServerTCP(t, rig.FreeAddress(t), "--maxclients", fmt.Sprint(most)), rig.FreeAddress(t)
	o := operate(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{server})}), address)
	var others []net.Conn
	crowd := func() {
		for range most {
			if other, err := net.Dial("tcp", server.Address); err == nil {
				others = append(others, other)
			}
		}
	}
	leave := func() {
		for _, other := range others {
			other.Close()
		}
	}
	defer leave()
	says := func(failure string) {
		t.Helper()
		text, err := o.command("reload", "--dry-run")
		if (err != nil) != (failure != "") || !strings.Contains(text, failure) || !strings.Contains(text, "new workers cannot reach server ") {
			t.Errorf("dry run: %v, %s, want %q", err, text, failure)
		}
		o.reloads(t, failure)
	}
	crowd()
	says("")
	leave()
	c := o.Dial()
	rig.Eventually(t, "reaching the server", func() error {
		if got := c.Do("SET", "a", "1"); got != "+OK\r\n" {
			return fmt.Errorf("got %s", got)
		}
		return nil
	})
	crowd()
	says("new workers cannot reach server ")
	c.WantDo("$1\r\n1\r\n", "GET", "a")
}

// slowToAccept is a server with a short queue that takes a connection every other millisecond.
func slowToAccept(t *testing.T) *rig.Backend {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 16)); err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	serve := rig.Answering(func([]string) string { return "+PONG\r\n" })
	go func() {
		for {
			time.Sleep(2 * time.Millisecond)
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return &rig.Backend{Process: &rig.Process{T: t, Name: "slow server"}, Network: "tcp", Address: l.Addr().String(), Read: rig.ReadRESP}
}

// A healthy configuration with many server connections is never refused because they overflow the servers' queues.
func TestE2EReloadWithManyServerConnections(t *testing.T) {
	t.Parallel()
	server := slowToAccept(t)
	address := rig.FreeAddress(t)
	options := []string{"redis: true", "preconnect: true", "server_connections: 300"}
	o := operate(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: options, Servers: rig.Lines([]*rig.Backend{server})}), address)
	c := o.Dial()
	for range 3 {
		o.reloads(t, "", "--strict")
		c.WantDo("+PONG\r\n", "PING")
	}
	rig.Eventually(t, "opening all of them", func() error {
		if n := o.ServerCounter("s0", "server_connections"); n != 2*300 {
			return fmt.Errorf("%d server connections", n)
		}
		return nil
	})
}

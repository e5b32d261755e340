// Reloads while servers hang, refuse, or have short queues.

package main_test

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
)

// operated is a Pinion with a control socket, whose configuration file a test may change.
type operated struct {
	*proxy
	file, control string
}

func operate(t *testing.T, config, address string) *operated {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	o := &operated{file: filepath.Join(dir, "pinion.yml"), control: filepath.Join(dir, "control")}
	o.configure(t, config)
	stats := freeAddress(t)
	o.proxy = &proxy{network: "tcp", address: address, stats: stats, pidFile: filepath.Join(dir, "pid"), read: readRESP}
	_, port, _ := strings.Cut(stats, ":")
	o.process = start(t, path, "-c", o.file, "-a", "127.0.0.1", "-s", port, "-p", o.pidFile, "--workers", "2", "-v", "6",
		"--control", o.control)
	o.answers("tcp", address)
	settled(o.proxy, 2)
	o.baseFDs = o.spareFDs(o.workers())
	t.Cleanup(o.checkedStop)
	return o
}

func (o *operated) configure(t *testing.T, config string) {
	t.Helper()
	if err := os.WriteFile(o.file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command runs a command of the binary against the control socket.
func (o *operated) command(args ...string) (text string, err error) {
	path, _ := binary()
	out, err := exec.Command(path, append(args, "--control", o.control)...).CombinedOutput()
	return string(out), err
}

// reloads wants a reload to succeed, or to fail for a reason.
func (o *operated) reloads(t *testing.T, failure string, options ...string) {
	t.Helper()
	text, err := o.command(append([]string{"reload"}, options...)...)
	if (err != nil) != (failure != "") || !strings.Contains(text, failure) {
		t.Errorf("reload: %v, %s\nwant %q; the log:\n%s", err, text, failure, o.output.String())
	}
}

// A server that takes connections and then hangs is no reason to stay with the old configuration: they do not reach it,
// either. One that only the new configuration does not reach is.
func TestE2EReloadWithServersThatHang(t *testing.T) {
	t.Parallel()
	good, hangs := redisServerTCP(t, freeAddress(t), "--requirepass", "secret"), redisServerTCP(t, freeAddress(t), "--requirepass", "secret")
	address := freeAddress(t)
	config := func(password string, servers ...*backend) string {
		return yaml(pool{"pool", address, []string{"redis: true", "preconnect: true", "redis_auth: " + password}, lines(servers)})
	}
	hangs.signal(syscall.SIGSTOP)
	o := operate(t, config("secret", good, hangs), address)
	c := o.dial()
	c.wantDo("+OK\r\n", "AUTH", "secret")
	for range 2 { // it has never greeted anybody
		o.reloads(t, "")
		c.wantDo("+PONG\r\n", "PING")
	}
	o.reloads(t, fmt.Sprintf("new workers cannot reach server %q", "s1"), "--strict")

	hangs.signal(syscall.SIGCONT)
	eventually(t, "reaching the server again", func() error {
		if c.do("SET", "a", "1"); c.do("MGET", "a", "b", "c", "d", "e", "f")[0] == '-' {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	o.reloads(t, "")
	hangs.signal(syscall.SIGSTOP) // it was good, and connections to it stand
	o.reloads(t, "")
	hangs.signal(syscall.SIGCONT)
	o.reloads(t, "")

	o.configure(t, config("wrong", good, hangs))
	o.reloads(t, "WRONGPASS")
	c.wantDo("+PONG\r\n", "PING")
}

// slowToAccept is a server with a short queue that takes a connection every other millisecond.
func slowToAccept(t *testing.T) *backend {
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
	serve := answering(func([]string) string { return "+PONG\r\n" })
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
	return &backend{process: &process{t: t, name: "slow server"}, network: "tcp", address: l.Addr().String(), read: readRESP}
}

// A healthy configuration with many server connections is never refused because they overflow the servers' queues.
func TestE2EReloadWithManyServerConnections(t *testing.T) {
	t.Parallel()
	server := slowToAccept(t)
	address := freeAddress(t)
	options := []string{"redis: true", "preconnect: true", "server_connections: 300"}
	o := operate(t, yaml(pool{"pool", address, options, lines([]*backend{server})}), address)
	c := o.dial()
	for range 3 {
		o.reloads(t, "", "--strict")
		c.wantDo("+PONG\r\n", "PING")
	}
	eventually(t, "opening all of them", func() error {
		if n := o.serverCounter("s0", "server_connections"); n != 2*300 {
			return fmt.Errorf("%d server connections", n)
		}
		return nil
	})
}

// The servers that the libraries meet: plain ones, and a Pinion with pools of others.

package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The settings in which each program runs.
const (
	plain = iota
	one
	three
	withTLS
	settings
)

var settingNames = [settings]string{"plain", "one", "three", "tls"}

// scene is what runs while libraries are tried.
type scene struct {
	processes []*exec.Cmd
	pinion    *exec.Cmd       // the one that speaks no TLS
	redis     [withTLS]string // addresses that Redis clients are given where they speak no TLS
	memcached [withTLS]string
	encrypted encrypted
	real      struct{ redis, memcached []string } // addresses of all servers
	versions  []string
}

// start starts everything. What has been started is in the scene also if there is an error.
func start(pinion, work string) (*scene, error) {
	s := &scene{}
	for range 5 {
		address, err := freeAddress()
		if err != nil {
			return s, err
		}
		host, port, _ := net.SplitHostPort(address)
		if err := s.launch(work, "redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no",
			"--loglevel", "warning", "--dir", work); err != nil {
			return s, err
		}
		s.real.redis = append(s.real.redis, address)
	}
	who, err := user.Current()
	if err != nil {
		return s, err
	}
	for range 5 {
		address, err := freeAddress()
		if err != nil {
			return s, err
		}
		host, port, _ := net.SplitHostPort(address)
		if err := s.launch(work, "memcached", "-l", host, "-p", port, "-U", "0", "-u", who.Username); err != nil {
			return s, err
		}
		s.real.memcached = append(s.real.memcached, address)
	}
	if err := s.launchPinion(pinion, work); err != nil {
		return s, err
	}
	if err := s.startEncrypted(pinion, work, who.Username); err != nil {
		return s, err
	}
	for _, c := range [][]string{{"redis-server", "--version"}, {"memcached", "--version"}, {pinion, "--version"}} {
		out, err := exec.Command(c[0], c[1:]...).CombinedOutput()
		if err != nil {
			return s, fmt.Errorf("running %q: %w", c, err)
		}
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		line, _, _ = strings.Cut(line, " sha=")
		s.versions = append(s.versions, strings.TrimPrefix(line, "This is "))
	}
	return s, s.answers()
}

func (s *scene) launchPinion(pinion, work string) error {
	var config strings.Builder
	pool := func(name, options string, servers []string) (string, error) {
		address, err := freeAddress()
		fmt.Fprintf(&config, "%s:\n  listen: %s\n%s  servers:\n", name, address, options)
		for i, server := range servers {
			fmt.Fprintf(&config, "   - %s:1 server%d\n", server, i+1)
		}
		return address, err
	}
	var err error
	pools := []struct {
		name, options string
		address       *string
		servers       []string
	}{
		{"redis1", redisOptions, &s.redis[one], s.real.redis[1:2]},
		{"redis3", redisOptions, &s.redis[three], s.real.redis[2:5]},
		{"memcached1", memcachedOptions, &s.memcached[one], s.real.memcached[1:2]},
		{"memcached3", memcachedOptions, &s.memcached[three], s.real.memcached[2:5]},
	}
	for _, p := range pools {
		if *p.address, err = pool(p.name, p.options, p.servers); err != nil {
			return err
		}
	}
	s.redis[plain], s.memcached[plain] = s.real.redis[0], s.real.memcached[0]
	stats, err := freeAddress()
	if err != nil {
		return err
	}
	file := filepath.Join(work, "pinion.yml")
	if err := os.WriteFile(file, []byte(config.String()), 0o644); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(stats)
	err = s.launch(work, pinion, "-c", file, "-a", "127.0.0.1", "-s", port, "-p", filepath.Join(work, "pinion.pid"), "--workers", "2")
	if err == nil {
		s.pinion = s.processes[len(s.processes)-1]
	}
	return err
}

// What the pools say besides their addresses. The timeout is generous: a busy machine is no fault of a library. What is
// denied for the sake of others who share a pool is no fault of one, either.
const (
	redisOptions     = "  redis: true\n  hash_tag: \"{}\"\n  timeout: 5000\n  deny: none\n  databases: 16\n"
	memcachedOptions = "  timeout: 5000\n"
)

// launch starts a program that ends with us, and writes what it says into a log.
func (s *scene) launch(work, program string, args ...string) error {
	name := fmt.Sprintf("server-%d-%s.log", len(s.processes), filepath.Base(program))
	log, err := os.Create(filepath.Join(work, "log", name))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", program, err)
	}
	s.processes = append(s.processes, cmd)
	return nil
}

// reloadFor has Pinion hand its clients to new workers again and again, until the function that is returned is called.
func (s *scene) reloadFor(pause time.Duration) (stop func()) {
	pinion := s.pinion.Process
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stopped:
				return
			case <-time.After(pause):
				pinion.Signal(syscall.SIGHUP)
			}
		}
	}()
	return func() { close(stopped); <-ended }
}

// end ends everything, Pinion first.
func (s *scene) end() {
	s.encrypted.end()
	for i := len(s.processes) - 1; i >= 0; i-- {
		p := s.processes[i]
		p.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(10*time.Second, func() { p.Process.Kill() })
		p.Wait()
		late.Stop()
	}
}

// answers waits until every address answers.
func (s *scene) answers() error {
	for setting := range withTLS {
		if err := eventually(func() error { _, err := ask(s.redis[setting], "PING\r\n"); return err }); err != nil {
			return fmt.Errorf("%s redis: %w", settingNames[setting], err)
		}
		if err := eventually(func() error { _, err := ask(s.memcached[setting], "version\r\n"); return err }); err != nil {
			return fmt.Errorf("%s memcached: %w", settingNames[setting], err)
		}
	}
	return s.encrypted.answers()
}

// empty removes what a library has left in the servers.
func (s *scene) empty() error {
	for _, address := range s.real.redis {
		for _, command := range []string{"FLUSHALL\r\n", "SCRIPT FLUSH\r\n", "FUNCTION FLUSH\r\n", "CONFIG RESETSTAT\r\n"} {
			if reply, err := ask(address, command); err != nil || reply != "+OK" {
				return fmt.Errorf("emptying the Redis at %s: %q, %v", address, reply, err)
			}
		}
	}
	for _, address := range s.real.memcached {
		if reply, err := ask(address, "flush_all\r\n"); err != nil || reply != "OK" {
			return fmt.Errorf("emptying the memcached at %s: %q, %v", address, reply, err)
		}
	}
	return nil
}

// ask returns the first line of a reply.
func ask(address, request string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte(request)); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

func eventually(try func() error) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// given has the ports that freeAddress has returned: who is to listen there may not do so yet.
var given = map[int]bool{}

// freeAddress returns an address that nobody listens on, and never one twice. Its port is below those that the kernel gives to whoever
// connects, so that it is free a moment later, too.
func freeAddress() (string, error) {
	var err error
	for range 100 {
		port := 20_000 + rand.IntN(12_000)
		if given[port] {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			given[port] = true
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

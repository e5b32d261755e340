// A stage is what a row plays on: servers on loopback, and proxies before them.

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
	"github.com/pinion-proxy/pinion/cmd/pinion-bench/process"
)

// topology is how many of what a stage has.
type topology struct {
	protocol load.Protocol
	servers  int
	pools    int
	tls      bool // servers speak it, with the certificate of the stage
}

// stage owns all processes of a row, and their directory.
type stage struct {
	topology
	dir       string
	servers   []string // addresses
	processes []*process.Process
	started   int // how many proxies were started; numbers their files
}

// openEmpty returns a stage whose servers have addresses and are not started.
func openEmpty(t topology) (s *stage, err error) {
	dir, err := os.MkdirTemp("", "pinion-bench-")
	if err != nil {
		return nil, err
	}
	s = &stage{topology: t, dir: dir}
	if err = writeCertificate(s.file("crt"), s.file("key")); err == nil {
		s.servers, err = process.FreeAddresses(t.servers)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// file returns the path of a file of the stage's certificate: crt or key.
func (s *stage) file(kind string) string { return filepath.Join(s.dir, "stage."+kind) }

// openStage starts the servers.
func openStage(ctx context.Context, t topology, cpus []int) (*stage, error) {
	s, err := openEmpty(t)
	if err != nil {
		return nil, err
	}
	if err := s.startServers(ctx, cpus); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// addServer starts one more server, which proxies that are started before do not know.
func (s *stage) addServer(ctx context.Context, cpus []int) (address string, p *process.Process, err error) {
	addresses, err := process.FreeAddresses(1)
	if err == nil {
		err = s.startServer(len(s.processes), addresses[0], cpus)
	}
	if err != nil {
		return "", nil, err
	}
	p = s.processes[len(s.processes)-1]
	return addresses[0], p, p.AwaitListening(ctx, addresses[0])
}

// startServers returns when all of them listen.
func (s *stage) startServers(ctx context.Context, cpus []int) error {
	for i, address := range s.servers {
		if err := s.startServer(i, address, cpus); err != nil {
			return err
		}
	}
	for i, address := range s.servers {
		if err := s.processes[i].AwaitListening(ctx, address); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) startServer(i int, address string, cpus []int) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	args := []string{"memcached", "-l", "127.0.0.1", "-p", port, "-U", "0", "-t", "1", "-c", "10000", "-m", "256",
		"-u", "nobody"}
	if s.protocol == load.Redis {
		args = []string{"redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no",
			"--maxclients", "10000", "--daemonize", "no"}
	}
	if s.tls {
		args = append(args, "--port", "0", "--tls-port", port, "--tls-auth-clients", "no",
			"--tls-cert-file", s.file("crt"), "--tls-key-file", s.file("key"), "--tls-ca-cert-file", s.file("crt"))
	}
	if args[0], err = exec.LookPath(args[0]); err != nil {
		return err
	}
	return s.run(process.Command{Args: args, Dir: s.dir, Name: fmt.Sprintf("server%d", i), CPUs: cpus})
}

func (s *stage) run(c process.Command) error {
	p, err := process.Start(c)
	if err == nil {
		s.processes = append(s.processes, p)
	}
	return err
}

// proxy is a contestant that serves.
type proxy struct {
	process *process.Process
	front   *process.Process // what ends TLS before it; nil: nothing
	tls     *tls.Config      // what its clients speak; nil: plaintext
	listen  []string         // one address per pool
}

// cpu returns the CPU time of a proxy until now, and of what is before it.
func (p *proxy) cpu() (total time.Duration, err error) {
	total, err = process.CPU(p.process.PID())
	if err == nil && p.front != nil {
		var more time.Duration
		more, err = process.CPU(p.front.PID())
		total += more
	}
	return total, err
}

// startProxy starts a contestant before the servers and waits until all its pools listen.
func (s *stage) startProxy(ctx context.Context, c contestant, cpus []int) (*proxy, error) {
	addresses, err := process.FreeAddresses(s.pools + 1)
	if err != nil {
		return nil, err
	}
	listen, stats := addresses[:s.pools], addresses[s.pools]
	name := fmt.Sprintf("proxy%d-%s", s.started, strings.ReplaceAll(c.name, "/", "_"))
	s.started++
	config := filepath.Join(s.dir, name+".yml")
	if err := os.WriteFile(config, []byte(c.configFile(s.protocol, listen, s.servers)), 0o644); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(stats)
	if err != nil {
		return nil, err
	}
	args := c.command(config, port, filepath.Join(s.dir, name+".log"))
	if err := s.run(process.Command{Args: args, Dir: s.dir, Name: name, CPUs: cpus}); err != nil {
		return nil, err
	}
	p := &proxy{process: s.processes[len(s.processes)-1], listen: listen}
	if c.tls != "" {
		p.tls = anyCertificate()
	}
	for _, address := range listen {
		if err := p.process.AwaitListening(ctx, address); err != nil {
			log, _ := os.ReadFile(filepath.Join(s.dir, name+".log")) // may not be there
			return nil, fmt.Errorf("%w\n%s", err, log)
		}
	}
	return p, nil
}

// close ends all processes, proxies first, and removes their files.
func (s *stage) close() {
	slices.Reverse(s.processes)
	process.Stop(s.processes...)
	os.RemoveAll(s.dir)
}

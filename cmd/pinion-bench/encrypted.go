// Rows about TLS: what it costs the right contestant with clients and with servers, and what it costs to have it done by another
// program before the left one.

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
	"github.com/pinion-proxy/pinion/cmd/pinion-bench/process"
)

func encryptedRows() (rows []row) {
	for _, of := range []struct {
		id, title string
		spec      load.Spec
		most      float64
	}{
		{"50", "GET, 50 connections", loadOf(load.Get, 50), 1.10},
		{"p16", "GET, 50 connections, pipeline 16", loadOf(load.Get, 50, pipeline(16)), 1.25},
	} {
		rows = append(rows,
			tlsRow("tls-"+of.id, "plaintext → TLS of clients, "+of.title, of.spec, false, atMost(cpu, of.most)),
			tlsRow("server-tls-"+of.id, "plaintext → TLS of servers, "+of.title, of.spec, true, atMost(cpu, of.most)),
			frontRow("stunnel-"+of.id, "TLS of clients, stunnel before the left, "+of.title, stunnel, of.spec, atMost(cpu, 0.5)),
			frontRow("haproxy-"+of.id, "TLS of clients, haproxy before the left, "+of.title, haproxy, of.spec, atMost(cpu, 0.5)))
	}
	return append(rows, tlsIdleRow("tls-idle", 4000, alone(atMost(memoryPerConnection, 500))))
}

// toClients returns a contestant that speaks TLS to its clients.
func (s *stage) toClients(c contestant) contestant {
	c.tls = " tls"
	c.keys = append(c.keys[:len(c.keys):len(c.keys)], "tls_cert: "+s.file("crt"), "tls_key: "+s.file("key"))
	return c
}

// toServers returns one that speaks it to the servers.
func (s *stage) toServers(c contestant) contestant {
	c.keys = append(c.keys[:len(c.keys):len(c.keys)], "server_tls: true", "server_tls_ca: "+s.file("crt"))
	return c
}

// tlsRow compares the right contestant in plaintext with itself and TLS, with clients or with servers.
func tlsRow(id, title string, spec load.Spec, servers bool, goals ...goal) row {
	return row{id: id, title: title, run: func(ctx context.Context, b *bench) ([]outcome, error) {
		spec := spec
		spec.CPUs = b.cpus.rest
		var arms [2]arm
		for i, name := range []string{"plaintext", "TLS"} {
			encrypted := i == 1
			s, err := openStage(ctx, topology{protocol: spec.Protocol, servers: b.servers, pools: 1, tls: encrypted && servers}, b.cpus.rest)
			if err != nil {
				return nil, err
			}
			defer s.close()
			c := b.right
			switch {
			case encrypted && servers:
				c = s.toServers(c)
			case encrypted:
				c = s.toClients(c)
			}
			p, err := s.startProxy(ctx, c, b.cpus.proxy)
			if err != nil {
				return nil, err
			}
			if err := fill(ctx, spec, p, p); err != nil {
				return nil, err
			}
			arms[i] = b.loadArm(name, p, spec)
		}
		return b.duel(ctx, title+": "+b.right.name, b.rounds, arms, goals)
	}}
}

// front is a program that ends TLS.
type front struct {
	name      string
	arguments func(config string) []string
	config    func(s *stage, from, to string) string
}

var stunnel = front{"stunnel", func(config string) []string { return []string{config} },
	func(s *stage, from, to string) string {
		return fmt.Sprintf("foreground = yes\npid =\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n[tls]\naccept = %s\nconnect = %s\ncert = %s\nkey = %s\n",
			from, to, s.file("crt"), s.file("key"))
	}}

// haproxy wants the key beside the certificate, with a name of its own.
var haproxy = front{"haproxy", func(config string) []string { return []string{"-f", config} },
	func(s *stage, from, to string) string {
		return fmt.Sprintf("global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"+
			"frontend tls\n  bind %s ssl crt %s\n  default_backend proxy\nbackend proxy\n  server proxy %s\n", from, s.file("crt"), to)
	}}

// startBefore starts the program before a proxy, on its CPUs.
func (f *front) startBefore(ctx context.Context, s *stage, p *proxy, cpus []int) error {
	program, err := exec.LookPath(f.name)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotHere, err)
	}
	addresses, err := process.FreeAddresses(1)
	if err != nil {
		return err
	}
	// haproxy looks for the key in FILE.key.
	if err := os.Link(s.file("key"), s.file("crt")+".key"); err != nil {
		return err
	}
	config := filepath.Join(s.dir, f.name+".conf")
	if err := os.WriteFile(config, []byte(f.config(s, addresses[0], p.listen[0])), 0o600); err != nil {
		return err
	}
	if err := s.run(process.Command{Args: append([]string{program}, f.arguments(config)...), Dir: s.dir, Name: f.name, CPUs: cpus}); err != nil {
		return err
	}
	p.front, p.tls, p.listen = s.processes[len(s.processes)-1], anyCertificate(), addresses
	return p.front.AwaitListening(ctx, addresses[0])
}

// frontRow compares the left contestant behind a program that ends TLS, the CPU of both together, with the right one that does it itself.
func frontRow(id, title string, f front, spec load.Spec, goals ...goal) row {
	return row{id: id, title: title, run: func(ctx context.Context, b *bench) ([]outcome, error) {
		s, err := openStage(ctx, topology{protocol: spec.Protocol, servers: b.servers, pools: 1}, b.cpus.rest)
		if err != nil {
			return nil, err
		}
		defer s.close()
		left, err := s.startProxy(ctx, b.left, b.cpus.proxy)
		if err != nil {
			return nil, err
		}
		if err := f.startBefore(ctx, s, left, b.cpus.proxy); err != nil {
			return nil, err
		}
		right, err := s.startProxy(ctx, s.toClients(b.right), b.cpus.proxy)
		if err != nil {
			return nil, err
		}
		spec := spec
		spec.CPUs = b.cpus.rest
		if err := fill(ctx, spec, left, right); err != nil {
			return nil, err
		}
		return b.duel(ctx, title, b.rounds, [2]arm{b.loadArm(f.name+" + "+b.left.name, left, spec), b.loadArm(b.right.name, right, spec)}, goals)
	}}
}

// tlsIdleRow weighs idle connections of the right contestant, in plaintext and with TLS. It has had others before, so what its first
// ones leave for good does not count.
func tlsIdleRow(id string, connections int, goals ...goal) row {
	title := fmt.Sprintf("memory of %d more idle connections, plaintext → TLS", connections)
	return row{id: id, title: title, run: func(ctx context.Context, b *bench) ([]outcome, error) {
		var arms [2]arm
		for i, name := range []string{"plaintext", "TLS"} {
			arms[i] = arm{name: name, measure: func(ctx context.Context) (sample, error) {
				c := b.right
				if i == 1 {
					c.tls = " tls"
				}
				return b.weigh(ctx, c, loadOf(load.Get, connections), weighMore(sleepTime))
			}}
		}
		return b.duel(ctx, title+": "+b.right.name, min(b.rounds, memoryRounds), arms, goals)
	}}
}

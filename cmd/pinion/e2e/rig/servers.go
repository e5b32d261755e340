// What stands around the proxy under test: real servers, a real nutcracker, and servers that a test plays itself.

package rig

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Backend is a server that a pool can use.
type Backend struct {
	*Process
	Network string
	Address string // "host:port" or a path
	Read    func(*bufio.Reader) (string, error)
}

func (b *Backend) Dial() *Client { b.T.Helper(); return Dial(b.T, b.Network, b.Address, b.Read) }

// RedisServer starts a Redis without persistence on a unix socket.
func RedisServer(t testing.TB, options ...string) *Backend {
	t.Helper()
	path := filepath.Join(ShortDir(t), "redis.sock")
	return redisAt(t, "unix", path, append([]string{"--port", "0", "--unixsocket", path}, options...)...)
}

// RedisServerTCP starts one on a port of 127.0.0.1.
func RedisServerTCP(t testing.TB, address string, options ...string) *Backend {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return redisAt(t, "tcp", address, append([]string{"--bind", host, "--port", port}, options...)...)
}

// PersistentRedis is RedisServerTCP with a Redis that has all that it has acknowledged when it is killed and started again in dir.
func PersistentRedis(t testing.TB, address, dir string) *Backend {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	p := Start(t, Program(t, "redis-server"), "--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", "no", "--loglevel", "warning")
	b := &Backend{Process: p, Network: "tcp", Address: address, Read: ReadRESP}
	b.Answers("tcp", address)
	return b
}

func redisAt(t testing.TB, network, address string, options ...string) *Backend {
	t.Helper()
	options = append(options, "--save", "", "--appendonly", "no", "--loglevel", "warning", "--enable-debug-command", "yes",
		"--dir", ShortDir(t)) // where a replica keeps what it was sent
	p := Start(t, Program(t, "redis-server"), options...)
	b := &Backend{Process: p, Network: network, Address: address, Read: ReadRESP}
	b.Answers(network, address)
	return b
}

// MemcachedServer starts a memcached on a unix socket.
func MemcachedServer(t testing.TB) *Backend {
	t.Helper()
	path := filepath.Join(ShortDir(t), "memcached.sock")
	return MemcachedAt(t, "unix", path, "-s", path)
}

func MemcachedAt(t testing.TB, network, address string, options ...string) *Backend {
	t.Helper()
	options = append([]string{"-u", "root", "-m", "64", "-t", "1"}, options...)
	p := Start(t, Program(t, "memcached"), options...)
	b := &Backend{Process: p, Network: network, Address: address, Read: ReadMemcache}
	b.Answers(network, address)
	return b
}

// FakeServer is a server that the test plays: serve gets each connection.
func FakeServer(t testing.TB, network, address string, serve func(net.Conn)) *Backend {
	t.Helper()
	if address == "" {
		address = filepath.Join(ShortDir(t), "fake.sock")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu    sync.Mutex
		conns []net.Conn
		group sync.WaitGroup
	)
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			group.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		group.Wait()
	})
	return &Backend{Process: &Process{T: t, Name: "fake server"}, Network: network, Address: address, Read: ReadRESP}
}

// Answering makes a serve function of a function that replies to one request.
func Answering(reply func(args []string) string) func(net.Conn) {
	return func(c net.Conn) {
		in, out := bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 64<<10)
		for {
			args, err := ReadRequest(in)
			if err != nil {
				return
			}
			out.WriteString(reply(args))
			if in.Buffered() == 0 {
				if out.Flush() != nil {
					return
				}
			}
		}
	}
}

// ReadRequest reads one request, an array of bulk strings.
func ReadRequest(in *bufio.Reader) (args []string, err error) {
	header, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(header[1:]))
	if err != nil {
		return nil, err
	}
	for range n {
		element, err := ReadRESP(in)
		if err != nil {
			return nil, err
		}
		_, element, _ = strings.Cut(element, "\r\n")
		args = append(args, strings.TrimSuffix(element, "\r\n"))
	}
	return args, nil
}

// Pool is a pool of a configuration. The zero protocol is Redis.
type Pool struct {
	Name    string
	Listen  string
	Options []string // "key: value"
	Servers []string // lines of the list
}

// Yaml returns pools as a nutcracker.yml.
func Yaml(pools ...Pool) string {
	var b strings.Builder
	for _, p := range pools {
		fmt.Fprintf(&b, "%s:\n  listen: %s\n", p.Name, p.Listen)
		for _, option := range p.Options {
			fmt.Fprintf(&b, "  %s\n", option)
		}
		b.WriteString("  servers:\n")
		for _, line := range p.Servers {
			fmt.Fprintf(&b, "  - %q\n", line)
		}
	}
	return b.String()
}

// Lines returns the servers as lines of a pool, named s0, s1, …: wherever they are, keys live on the same ones.
func Lines(servers []*Backend) []string {
	all := make([]string, len(servers))
	for i, s := range servers {
		all[i] = fmt.Sprintf("%s:1 s%d", s.Address, i)
	}
	return all
}

// WriteConfig writes a configuration and returns its path.
func WriteConfig(t testing.TB, config string) string {
	t.Helper()
	path := filepath.Join(ShortDir(t), "nutcracker.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Several starts n servers of a kind.
func Several(n int, one func() *Backend) []*Backend {
	all := make([]*Backend, n)
	for i := range all {
		all[i] = one()
	}
	return all
}

// ThreeRedis starts three Redis servers.
func ThreeRedis(t *testing.T) []*Backend {
	return Several(3, func() *Backend { return RedisServer(t) })
}

// What stands around the proxy under test: real servers, a real nutcracker, and servers that a test plays itself.

package main_test

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

// backend is a server that a pool can use.
type backend struct {
	*process
	network string
	address string // "host:port" or a path
	read    func(*bufio.Reader) (string, error)
}

func (b *backend) dial() *client { b.t.Helper(); return dial(b.t, b.network, b.address, b.read) }

// redisServer starts a Redis without persistence on a unix socket.
func redisServer(t testing.TB, options ...string) *backend {
	t.Helper()
	path := filepath.Join(shortDir(t), "redis.sock")
	return redisAt(t, "unix", path, append([]string{"--port", "0", "--unixsocket", path}, options...)...)
}

// redisServerTCP starts one on a port of 127.0.0.1.
func redisServerTCP(t testing.TB, address string, options ...string) *backend {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return redisAt(t, "tcp", address, append([]string{"--bind", host, "--port", port}, options...)...)
}

func redisAt(t testing.TB, network, address string, options ...string) *backend {
	t.Helper()
	options = append(options, "--save", "", "--appendonly", "no", "--loglevel", "warning", "--enable-debug-command", "yes")
	p := start(t, program(t, "redis-server"), options...)
	b := &backend{process: p, network: network, address: address, read: readRESP}
	b.answers(network, address)
	return b
}

// memcachedServer starts a memcached on a unix socket.
func memcachedServer(t testing.TB) *backend {
	t.Helper()
	path := filepath.Join(shortDir(t), "memcached.sock")
	return memcachedAt(t, "unix", path, "-s", path)
}

func memcachedAt(t testing.TB, network, address string, options ...string) *backend {
	t.Helper()
	options = append(options, "-u", "root", "-m", "64", "-t", "1")
	p := start(t, program(t, "memcached"), options...)
	b := &backend{process: p, network: network, address: address, read: readMemcache}
	b.answers(network, address)
	return b
}

// fakeServer is a server that the test plays: serve gets each connection.
func fakeServer(t testing.TB, network, address string, serve func(net.Conn)) *backend {
	t.Helper()
	if address == "" {
		address = filepath.Join(shortDir(t), "fake.sock")
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
	return &backend{process: &process{t: t, name: "fake server"}, network: network, address: address, read: readRESP}
}

// answering makes a serve function of a function that replies to one request.
func answering(reply func(args []string) string) func(net.Conn) {
	return func(c net.Conn) {
		in, out := bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 64<<10)
		for {
			args, err := readRequest(in)
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

// readRequest reads one request, an array of bulk strings.
func readRequest(in *bufio.Reader) (args []string, err error) {
	header, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(header[1:]))
	if err != nil {
		return nil, err
	}
	for range n {
		element, err := readRESP(in)
		if err != nil {
			return nil, err
		}
		_, element, _ = strings.Cut(element, "\r\n")
		args = append(args, strings.TrimSuffix(element, "\r\n"))
	}
	return args, nil
}

// pool is a pool of a configuration. The zero protocol is Redis.
type pool struct {
	name    string
	listen  string
	options []string // "key: value"
	servers []string // lines of the list
}

// yaml returns pools as a nutcracker.yml.
func yaml(pools ...pool) string {
	var b strings.Builder
	for _, p := range pools {
		fmt.Fprintf(&b, "%s:\n  listen: %s\n", p.name, p.listen)
		for _, option := range p.options {
			fmt.Fprintf(&b, "  %s\n", option)
		}
		b.WriteString("  servers:\n")
		for _, line := range p.servers {
			fmt.Fprintf(&b, "  - %q\n", line)
		}
	}
	return b.String()
}

// lines returns the servers as lines of a pool, named s0, s1, …: wherever they are, keys live on the same ones.
func lines(servers []*backend) []string {
	all := make([]string, len(servers))
	for i, s := range servers {
		all[i] = fmt.Sprintf("%s:1 s%d", s.address, i)
	}
	return all
}

// writeConfig writes a configuration and returns its path.
func writeConfig(t testing.TB, config string) string {
	t.Helper()
	path := filepath.Join(shortDir(t), "nutcracker.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// several starts n servers of a kind.
func several(n int, one func() *backend) []*backend {
	all := make([]*backend, n)
	for i := range all {
		all[i] = one()
	}
	return all
}

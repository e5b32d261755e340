// The proxies: Pinion, and the nutcracker it is compared with.

package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// proxy is a running Pinion or nutcracker with one pool that tests talk to.
type proxy struct {
	*process
	network string
	address string // of the pool
	stats   string // address of the statistics
	pidFile string
	read    func(*bufio.Reader) (string, error)
	baseFDs int // descriptors of Pinion's workers that are no connections
}

func (p *proxy) dial() *client { p.t.Helper(); return dial(p.t, p.network, p.address, p.read) }

// redisPool starts Pinion with one pool of Redis servers.
func redisPool(t testing.TB, servers []*backend, options ...string) *proxy {
	t.Helper()
	return poolOf(t, lines(servers), readRESP, append([]string{"redis: true"}, options...)...)
}

// memcachePool starts Pinion with one pool of memcached servers.
func memcachePool(t testing.TB, servers []*backend, options ...string) *proxy {
	t.Helper()
	return poolOf(t, lines(servers), readMemcache, options...)
}

func poolOf(t testing.TB, servers []string, read func(*bufio.Reader) (string, error), options ...string) *proxy {
	t.Helper()
	address := freeAddress(t)
	p := pinion(t, yaml(pool{"pool", address, options, servers}), "tcp", address)
	p.read = read
	return p
}

// pinion starts the proxy under test with two workers. A test that ends well has ended the proxy: it must stop when
// told to, with status 0, and leave nothing behind.
func pinion(t testing.TB, config, network, address string, flags ...string) *proxy {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	stats := freeAddress(t)
	_, port, _ := net.SplitHostPort(stats)
	p := &proxy{network: network, address: address, stats: stats, pidFile: filepath.Join(dir, "pid"), read: readRESP}
	file := writeConfig(t, config)
	flags = append([]string{"-c", file, "-a", "127.0.0.1", "-s", port, "-p", p.pidFile, "--workers", "2"}, flags...)
	p.process = start(t, path, flags...)
	p.answers(network, address)
	eventually(t, "starting workers", func() error {
		if n := strings.Count(p.output.String(), "is served on"); n == 0 {
			return fmt.Errorf("no pool is served yet")
		}
		return nil
	})
	p.baseFDs = p.spareFDs(p.workers())
	t.Cleanup(p.checkedStop)
	return p
}

// runtimeFDs is how many descriptors the Go runtime of a worker opens when a name is first looked up: an epoll instance
// and an event descriptor.
const runtimeFDs = 2

// checkedStop ends Pinion if the test has not, and looks for what it leaked.
func (p *proxy) checkedStop() {
	if p.t.Failed() {
		p.t.Logf("the log of pinion (pid %d):\n%s", p.pid(), p.output.String())
		for _, pid := range p.workers() { // one may be suspended
			syscall.Kill(pid, syscall.SIGKILL)
		}
		return
	}
	if p.retired {
		return
	}
	workers := children(p.t, p.pid())
	eventually(p.t, "closing descriptors", func() error {
		if extra := p.spareFDs(workers) - p.baseFDs; extra > runtimeFDs*len(workers) {
			return fmt.Errorf("the workers have %d more than at the start, beyond those of connections", extra)
		}
		return nil
	})
	p.signal(syscall.SIGTERM)
	if err := p.wait(); err != nil {
		p.t.Errorf("pinion ended with %v, want status 0\n%s", err, p.output.String())
	}
	for _, pid := range workers {
		if exists(pid) {
			p.t.Errorf("worker %d is still there", pid)
		}
	}
}

// workers returns the pids of the workers.
func (p *proxy) workers() []int { return children(p.t, p.pid()) }

// spareFDs returns how many descriptors the workers have beyond those that they count as connections.
func (p *proxy) spareFDs(workers []int) int {
	n := 0
	for _, pid := range workers {
		n += descriptors(pid)
	}
	return n - int(p.counters()["curr_connections"].(float64))
}

// scrape returns what the statistics port says.
func (p *proxy) scrape() string {
	p.t.Helper()
	text, err := fetch(p.stats)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// fetch returns everything that is sent to whoever connects to address.
func fetch(address string) (string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	return string(text), err
}

// counters returns what the statistics port says, parsed.
func (p *proxy) counters() (all map[string]any) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.scrape()), &all); err != nil {
		p.t.Fatal(err)
	}
	return all
}

// poolCounter returns a counter of the pool called pool.
func (p *proxy) poolCounter(name string) int {
	p.t.Helper()
	return int(p.counters()["pool"].(map[string]any)[name].(float64))
}

// serverCounter returns a counter of a server of that pool.
func (p *proxy) serverCounter(server, name string) int {
	p.t.Helper()
	return int(p.counters()["pool"].(map[string]any)[server].(map[string]any)[name].(float64))
}

// nutcracker starts the original on the same kind of configuration.
func nutcracker(t testing.TB, config, network, address string) *proxy {
	t.Helper()
	dir := shortDir(t)
	stats := freeAddress(t)
	_, port, _ := net.SplitHostPort(stats)
	p := &proxy{network: network, address: address, stats: stats, read: readRESP}
	p.process = start(t, program(t, "nutcracker"), "-c", writeConfig(t, config), "-o", filepath.Join(dir, "log"),
		"-p", filepath.Join(dir, "pid"), "-a", "127.0.0.1", "-s", port, "-i", strconv.Itoa(statsIntervalMillis))
	p.answers(network, address)
	return p
}

// statsIntervalMillis is how old nutcracker's statistics may be.
const statsIntervalMillis = 50

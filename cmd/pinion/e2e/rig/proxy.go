// The proxies: Pinion, and the nutcracker it is compared with.

package rig

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

// Proxy is a running Pinion or nutcracker with one pool that tests talk to.
type Proxy struct {
	*Process
	Network string
	Address string // of the pool
	Stats   string // address of the statistics
	PidFile string
	Read    func(*bufio.Reader) (string, error)
	BaseFDs int // descriptors of Pinion's workers that are no connections
}

func (p *Proxy) Dial() *Client { p.T.Helper(); return Dial(p.T, p.Network, p.Address, p.Read) }

// RedisPool starts Pinion with one pool of Redis servers.
func RedisPool(t testing.TB, servers []*Backend, options ...string) *Proxy {
	t.Helper()
	return poolOf(t, Lines(servers), ReadRESP, append([]string{"redis: true"}, options...)...)
}

// MemcachePool starts Pinion with one pool of memcached servers.
func MemcachePool(t testing.TB, servers []*Backend, options ...string) *Proxy {
	t.Helper()
	return poolOf(t, Lines(servers), ReadMemcache, options...)
}

func poolOf(t testing.TB, servers []string, read func(*bufio.Reader) (string, error), options ...string) *Proxy {
	t.Helper()
	address := FreeAddress(t)
	p := Pinion(t, Yaml(Pool{"pool", address, options, servers}), "tcp", address)
	p.Read = read
	return p
}

// Pinion starts the proxy under test with two workers. A test that ends well has ended the proxy: it must stop when
// told to, with status 0, and leave nothing behind.
func Pinion(t testing.TB, config, network, address string, flags ...string) *Proxy {
	t.Helper()
	path, err := Binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := ShortDir(t)
	stats := FreeAddress(t)
	_, port, _ := net.SplitHostPort(stats)
	p := &Proxy{Network: network, Address: address, Stats: stats, PidFile: filepath.Join(dir, "pid"), Read: ReadRESP}
	file := WriteConfig(t, config)
	flags = append([]string{"-c", file, "-a", "127.0.0.1", "-s", port, "-p", p.PidFile, "--workers", "2"}, flags...)
	p.Process = Start(t, path, flags...)
	p.Answers(network, address)
	Eventually(t, "starting workers", func() error {
		if n := strings.Count(p.Output.String(), "is served on"); n == 0 {
			return fmt.Errorf("no pool is served yet")
		}
		return nil
	})
	p.BaseFDs = p.SpareFDs(p.Workers())
	t.Cleanup(p.CheckedStop)
	return p
}

// RuntimeFDs is how many descriptors the Go runtime of a worker opens when a name is first looked up: an epoll instance
// and an event descriptor.
const RuntimeFDs = 2

// CheckedStop ends Pinion if the test has not, and looks for what it leaked.
func (p *Proxy) CheckedStop() {
	if p.T.Failed() {
		p.T.Logf("the log of pinion (pid %d):\n%s", p.Pid(), p.Output.String())
		for _, pid := range p.Workers() { // one may be suspended
			syscall.Kill(pid, syscall.SIGKILL)
		}
		return
	}
	if p.Retired {
		return
	}
	workers := Children(p.T, p.Pid())
	Eventually(p.T, "closing descriptors", func() error {
		if extra := p.SpareFDs(workers) - p.BaseFDs; extra > RuntimeFDs*len(workers) {
			return fmt.Errorf("the workers have %d more than at the start, beyond those of connections", extra)
		}
		return nil
	})
	p.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		p.T.Errorf("pinion ended with %v, want status 0\n%s", err, p.Output.String())
	}
	for _, pid := range workers {
		if Exists(pid) {
			p.T.Errorf("worker %d is still there", pid)
		}
	}
}

// Workers returns the pids of the workers.
func (p *Proxy) Workers() []int { return Children(p.T, p.Pid()) }

// SpareFDs returns how many descriptors the workers have beyond those that they count as connections. Both are counted again while
// connections come and go.
func (p *Proxy) SpareFDs(workers []int) (n int) {
	connections := func() int { return int(p.Counters()["curr_connections"].(float64)) }
	after := connections()
	for range 100 {
		before := after
		n = 0
		for _, pid := range workers {
			n += Descriptors(pid)
		}
		if after = connections(); after == before {
			break
		}
	}
	return n - after
}

// Scrape returns what the statistics port says.
func (p *Proxy) Scrape() string {
	p.T.Helper()
	text, err := Fetch(p.Stats)
	if err != nil {
		p.T.Fatal(err)
	}
	return text
}

// Fetch returns everything that is sent to whoever connects to address.
func Fetch(address string) (string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	return string(text), err
}

// Counters returns what the statistics port says, parsed.
func (p *Proxy) Counters() (all map[string]any) {
	p.T.Helper()
	if err := json.Unmarshal([]byte(p.Scrape()), &all); err != nil {
		p.T.Fatal(err)
	}
	return all
}

// PoolCounter returns a counter of the pool called pool.
func (p *Proxy) PoolCounter(name string) int {
	p.T.Helper()
	return int(p.Counters()["pool"].(map[string]any)[name].(float64))
}

// ServerCounter returns a counter of a server of that pool.
func (p *Proxy) ServerCounter(server, name string) int {
	p.T.Helper()
	return int(p.Counters()["pool"].(map[string]any)[server].(map[string]any)[name].(float64))
}

// Nutcracker starts the original on the same kind of configuration.
func Nutcracker(t testing.TB, config, network, address string) *Proxy {
	t.Helper()
	dir := ShortDir(t)
	stats := FreeAddress(t)
	_, port, _ := net.SplitHostPort(stats)
	p := &Proxy{Network: network, Address: address, Stats: stats, Read: ReadRESP}
	p.Process = Start(t, Program(t, "nutcracker"), "-c", WriteConfig(t, config), "-o", filepath.Join(dir, "log"),
		"-p", filepath.Join(dir, "pid"), "-a", "127.0.0.1", "-s", port, "-i", strconv.Itoa(statsIntervalMillis))
	p.Answers(network, address)
	return p
}

// statsIntervalMillis is how old nutcracker's statistics may be.
const statsIntervalMillis = 50

// OnlyWorker returns the pid of the worker. The runtime has children, too, for a moment.
func (p *Proxy) OnlyWorker() (pid int) {
	p.T.Helper()
	Eventually(p.T, "finding the worker", func() error {
		pids := p.Workers()
		if len(pids) != 1 {
			return fmt.Errorf("the master has the children %v", pids)
		}
		pid = pids[0]
		return nil
	})
	return pid
}

func (p *Proxy) Port() string {
	_, port, _ := net.SplitHostPort(p.Address)
	return port
}

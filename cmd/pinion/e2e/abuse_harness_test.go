// What the abuse tests stand on: a proxy of one worker, somebody whom the abuse must not disturb, and what it may cost.

package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// Sizes of memory.
const (
	kilobyte = 1 << 10
	megabyte = 1 << 20
)

// shipped builds pinion as it is delivered, once for all tests: with the race detector in it, memory is no measure.
var shipped = sync.OnceValues(func() (string, error) {
	path, err := rig.Binary()
	if err != nil || !rig.Race() || path == os.Getenv("PINION_E2E_BINARY") {
		return path, err
	}
	return rig.Build("pinion", false)
})

// siege is what is attacked: a pool, by default of Redis servers, with the hash murmur. Of three servers s0, s1, s2 the
// key "a" then lives on s0, "k3", the bystander's, on s1, and "k7" on s2.
type siege struct {
	servers  []*rig.Backend
	memcache bool
	options  []string // of the pool
	global   []string // of the process
	alone    bool     // nobody looks on
}

// target is a proxy of one worker under attack.
type target struct {
	*rig.Proxy
	t       *testing.T
	watch   *bystander // nil: nobody looks on
	worker  int        // its pid
	fds     int        // that the worker may have after the attack
	pss     int64      // bytes, before the attack
	shared  int64      // bytes, that it has in common with others: the peak that the kernel knows has them, pss has its part
	abusers []*rig.Client
}

// attack starts the proxy and its bystander.
func attack(t *testing.T, s siege) *target {
	t.Helper()
	path, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	address, stats := rig.FreeAddress(t), rig.FreeAddress(t)
	_, port, _ := net.SplitHostPort(stats)
	options := append([]string{"hash: murmur", "preconnect: true"}, s.options...)
	p := &rig.Proxy{Network: "tcp", Address: address, Stats: stats, Read: rig.ReadMemcache}
	p.PidFile = filepath.Join(rig.ShortDir(t), "pid")
	if !s.memcache {
		p.Read = rig.ReadRESP
		options = append(options, "redis: true")
	}
	config := rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: options, Servers: rig.Lines(s.servers)})
	if len(s.global) > 0 {
		config = "global:\n  " + strings.Join(s.global, "\n  ") + "\n" + config
	}
	p.Process = rig.Start(t, path, "-c", rig.WriteConfig(t, config), "-a", "127.0.0.1", "-s", port, "-p", p.PidFile,
		"--workers", "1")
	p.Answers("tcp", address)
	t.Cleanup(p.CheckedStop)
	a := &target{Proxy: p, t: t, worker: p.OnlyWorker()}
	if s.alone { // whoever looks on waits for the worker's first reply
		rig.Eventually(t, "being served", func() error {
			if !strings.Contains(p.Output.String(), "is served on") {
				return errors.New("no pool is served yet")
			}
			return nil
		})
	} else {
		a.watch = lookOn(t, p, a.worker, s.memcache)
	}
	p.BaseFDs = p.SpareFDs([]int{a.worker})
	a.fds, a.pss = rig.Descriptors(a.worker)+len(s.servers), memory(t, a.worker)
	a.shared = kilobytes(t, rig.ProcessStatus(t, a.worker, "VmRSS")) - a.pss
	return a
}

// connect opens a connection that ends with the attack. Only the test itself may call it.
func (a *target) connect() *rig.Client {
	a.t.Helper()
	c := a.Dial()
	a.abusers = append(a.abusers, c)
	return c
}

// crowd opens n connections.
func (a *target) crowd(n int) []*rig.Client {
	a.t.Helper()
	clients := make([]*rig.Client, n)
	for i := range clients {
		clients[i] = a.connect()
	}
	return clients
}

// unharmed ends the attack and looks at what it has cost: the bystander no reply, the worker not its life, no
// descriptor, and never more than peak bytes of memory.
func (a *target) unharmed(peak int64) {
	a.t.Helper()
	for _, c := range a.abusers {
		c.Conn.Close()
	}
	if a.watch != nil {
		a.watch.leave()
	}
	if pid := a.OnlyWorker(); pid != a.worker {
		a.t.Fatalf("the worker is not %d any more, but %d", a.worker, pid)
	}
	rig.Eventually(a.t, "closing connections", func() error {
		if n := rig.Descriptors(a.worker); n > a.fds {
			return fmt.Errorf("%d descriptors, at first %d", n, a.fds)
		}
		return nil
	})
	most := kilobytes(a.t, rig.ProcessStatus(a.t, a.worker, "VmHWM")) - a.shared
	a.t.Logf("memory: %d MB before, at most %d MB, %d MB afterwards", a.pss/megabyte, most/megabyte,
		memory(a.t, a.worker)/megabyte)
	if most > peak {
		a.t.Errorf("the worker had %d MB of memory, may have %d MB", most/megabyte, peak/megabyte)
	}
}

// memory returns the bytes that a process has of memory, what it shares counted in part.
func memory(t testing.TB, pid int) int64 {
	t.Helper()
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rollup)) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			return kilobytes(t, strings.TrimSpace(value))
		}
	}
	t.Fatalf("no Pss of process %d", pid)
	return 0
}

// kilobytes reads a size as /proc writes it.
func kilobytes(t testing.TB, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n * kilobyte
}

// limit sets a soft resource limit of a running process, by the name that prlimit gives it.
func limit(t testing.TB, pid int, resource string, n int64) {
	t.Helper()
	out, err := exec.Command("prlimit", "--pid", strconv.Itoa(pid), fmt.Sprintf("--%s=%d:", resource, n)).CombinedOutput()
	if err != nil {
		t.Fatalf("prlimit: %v\n%s", err, out)
	}
}

// reset ends a connection with a RST instead of a FIN.
func reset(t testing.TB, c *rig.Client) {
	t.Helper()
	if err := c.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Conn.Close()
}

// logged waits for a line of the log that has all the texts.
func (a *target) logged(texts ...string) {
	a.t.Helper()
	rig.Eventually(a.t, fmt.Sprintf("logging %q", texts), func() error {
		if a.logLines(texts...) == 0 {
			return errors.New("no such line")
		}
		return nil
	})
}

// logLines counts the lines of the log that have all the texts.
func (a *target) logLines(texts ...string) (n int) {
lines:
	for line := range strings.Lines(a.Output.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		n++
	}
	return n
}

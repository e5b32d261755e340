// A master in the test's own process, with real workers.

package master

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/testkit"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

// running is a master in this process with real workers.
type running struct {
	opts    Options
	address string // of the TCP pool
	path    string // of the unix pool
	stats   string // address of the statistics port
	signals chan os.Signal
	started chan error
	result  chan error

	listeners []int // descriptors; written before started
}

// begin starts a master over a real world, except that signals come from the test and ports are free ones.
func begin(t *testing.T, o Options) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{
		address: freeAddress(t),
		path:    filepath.Join(dir, "pinion.sock"),
		signals: make(chan os.Signal, 8),
		started: make(chan error, 1),
		result:  make(chan error, 1),
	}
	o.PIDFile = filepath.Join(dir, "pinion.pid")
	o.Output = filepath.Join(dir, "pinion.log")
	o.Verbosity = int(logevent.Debug)
	o.Build = "1.2.3"
	o.StatsAddr = "127.0.0.1"
	o.Started = func(err error) { r.started <- err }
	r.opts = o

	events := make(chan event)
	w := newWorld(func(e event) { events <- e })
	w.signals = func() (<-chan os.Signal, func()) { return r.signals, func() {} }
	w.load = func(string) (*config.Config, error) {
		text := "pool tcp\nlisten " + r.address + "\nbackend a 127.0.0.1:1\n" +
			"pool unix\nlisten " + r.path + " 0600\nbackend b 127.0.0.1:1\n"
		return config.Parse("test.conf", []byte(text))
	}
	w.sockets.Bind = func(l config.Listen, own []uint64, patience time.Duration) (listen.Socket, error) {
		s, err := listen.Bind(l, own, patience)
		r.listeners = append(r.listeners, s.FD)
		return s, err
	}
	w.listenStats = func(string) (net.Listener, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			r.stats = l.Addr().String()
		}
		return l, err
	}
	go func() { r.result <- run(o, w, events) }()
	return r
}

// freeAddress returns one of a loopback address that this process has for itself: of 127.0.0.1, the connections of other
// tests that run meanwhile could be given the port before it is listened on.
func freeAddress(t *testing.T) string {
	t.Helper()
	pid := os.Getpid()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16, pid>>8&0xff, pid&0xff))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (r *running) waitStarted(t *testing.T) {
	t.Helper()
	if err := <-r.started; err != nil {
		t.Fatalf("start failed: %v", err)
	}
}

// end sends the signal and checks that the master leaves nothing behind.
func (r *running) end(t *testing.T, s os.Signal, workers ...int) {
	t.Helper()
	r.signals <- s
	if err := <-r.result; err != nil {
		t.Errorf("after %v Run returned: %v", s, err)
	}
	for _, pid := range workers {
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			t.Errorf("worker %d is still there: %v", pid, err)
		}
	}
	for _, path := range []string{r.path, r.opts.PIDFile} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if c, err := net.Dial("tcp", r.address); err == nil {
		c.Close()
		t.Errorf("%s still accepts connections", r.address)
	}
}

func (r *running) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(r.opts.Output)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// both asks until a worker of each of two slots has answered.
func (r *running) both(t *testing.T) [2]self {
	t.Helper()
	var found [2]self
	testkit.Eventually(t, "answers of both workers", func() bool {
		me, err := consult(r.address)
		if err != nil {
			t.Fatal(err)
		}
		found[me.Spec.Slot] = me
		return found[0].PID != 0 && found[1].PID != 0
	})
	return found
}

// What every end-to-end test stands on: the binary, processes that end with the test, and waiting without sleeping.

package rig

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// RunTests runs the tests of a package, as its TestMain. It forgets the service in which the tests may run: it is not that
// of what they start. That ends with no more than exitPause.
func RunTests(m *testing.M) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "SYSTEMD_EXEC_PID",
		"RUNTIME_DIRECTORY"} {
		os.Unsetenv(name)
	}
	if os.Getenv(raceOptions) == "" {
		os.Setenv(raceOptions, exitPause)
	}
	flag.Parse()
	manyAtOnce()
	os.Exit(m.Run())
}

// manyAtOnce has more tests run at the same time than there are processors, unless -parallel says how many: they wait for
// processes and deadlines more than they compute.
func manyAtOnce() {
	const parallel, perProcessor = "test.parallel", 2
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == parallel })
	if !given {
		flag.Set(parallel, strconv.Itoa(perProcessor*runtime.GOMAXPROCS(0)))
	}
}

// A process with the race detector waits before it ends, lest it miss a race of the last moment: by default a second, and
// the tests end thousands of processes.
const (
	raceOptions = "GORACE"
	exitPause   = "atexit_sleep_ms=10"
)

// Patience is how long anything may take on a machine that is busy with something else. Only a failing test waits so
// long.
const Patience = time.Minute

// Eventually tries until try succeeds.
func Eventually(t testing.TB, what string, try func() error) {
	t.Helper()
	EventuallyWithin(t, Patience, what, try)
}

// EventuallyWithin is Eventually for what others may take longer for than Patience.
func EventuallyWithin(t testing.TB, patience time.Duration, what string, try func() error) {
	t.Helper()
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v (gave up after %v)", what, err, patience)
		}
		<-pause.C
	}
}

// packages tells what to install for a program that is missing.
var packages = map[string]string{
	"redis-server": "redis-server", "redis-cli": "redis-tools", "redis-benchmark": "redis-tools", "memcached": "memcached",
	"memccapable": "libmemcached-tools", "nutcracker": "nutcracker", "/usr/bin/python3": "python3-redis",
	"prlimit": "util-linux",
	"unshare": "util-linux", "supervisord": "supervisor", "supervisorctl": "supervisor", "runsv": "runit", "sv": "runit", "haproxy": "haproxy",
}

// Program returns the path of an installed program. Nothing is skipped: one that is missing fails the test.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v; install it with: apt-get install %s", err, packages[name])
	}
	return path
}

// Source is the program under test.
const Source = "github.com/pinion-proxy/pinion/cmd/pinion"

// Binary builds pinion, once for all tests, or takes the one that $PINION_E2E_BINARY names.
var Binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("PINION_E2E_BINARY"); path != "" {
		return path, nil
	}
	return Build("pinion", Race())
})

// Build builds pinion as a file of this name, with or without the race detector, and returns its path. args are for go
// build. The file stays in the user's cache, where the next run replaces it: no test can know to be the last that needs it.
func Build(name string, race bool, args ...string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	kind := "plain" // a run of its own, perhaps at the same time
	if race {
		kind = "race"
	}
	path := filepath.Join(cache, "pinion-e2e", kind, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	args = append([]string{"build", fmt.Sprint("-race=", race), "-o", fresh}, args...)
	if out, err := exec.Command("go", append(args, Source)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return path, os.Rename(fresh, path)
}

// Race reports whether this test itself was built with the race detector: then the proxy under test is too.
func Race() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Process is a child that ends with the test.
type Process struct {
	T       testing.TB
	Name    string
	Cmd     *exec.Cmd
	Output  Output
	done    chan struct{} // closed when it has ended
	Err     error         // how it ended; valid once done is closed
	Retired bool          // the test has ended it, or expects its end
}

// Output collects what a process writes.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Start runs a program.
func Start(t testing.TB, path string, args ...string) *Process {
	t.Helper()
	return StartCommand(t, exec.Command(path, args...))
}

func StartCommand(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{T: t, Name: filepath.Base(cmd.Path), Cmd: cmd, done: make(chan struct{})}
	p.Cmd.Stdout, p.Cmd.Stderr = &p.Output, &p.Output
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.Cmd.WaitDelay = time.Second
	if err := Own.Start(p.Cmd); err != nil {
		t.Fatalf("starting %s: %v", p.Name, err)
	}
	go func() {
		p.Err = Own.Wait(p.Cmd)
		close(p.done)
	}()
	t.Cleanup(func() {
		if p.Ended() && !p.Retired {
			t.Errorf("%s (pid %d) ended by itself: %v\n%s", p.Name, p.Pid(), p.Err, p.Output.String())
			return
		}
		p.Kill()
	})
	return p
}

func (p *Process) Pid() int { return p.Cmd.Process.Pid }

func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal sends a signal to the process alone.
func (p *Process) Signal(s syscall.Signal) {
	p.T.Helper()
	if err := p.Cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.T.Fatalf("sending %v to %s: %v", s, p.Name, err)
	}
}

// Kill ends the process and waits until it is gone.
func (p *Process) Kill() {
	p.Retired = true
	p.Cmd.Process.Kill()
	p.Wait()
}

// Wait returns how the process ended.
func (p *Process) Wait() error {
	p.T.Helper()
	p.Retired = true
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.T.Fatalf("%s (pid %d) does not end", p.Name, p.Pid())
	}
	return p.Err
}

// Answers waits until something listens at address, which the process is to do.
func (p *Process) Answers(network, address string) {
	p.T.Helper()
	Eventually(p.T, fmt.Sprintf("connecting to %s at %s", p.Name, address), func() error {
		if p.Ended() {
			p.Retired = true
			p.T.Fatalf("%s ended before it listened: %v\n%s", p.Name, p.Err, p.Output.String())
		}
		c, err := net.Dial(network, address)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// Ports are taken below those that the kernel gives to connections, from blocks of which a process has each for itself: two
// that run tests at the same time would otherwise find the same port free, each before the other's program listens on it.
const (
	lowestPort = 12000
	portBlocks = 180
	blockPorts = 100
)

// ports is what this process has of them.
var ports struct {
	sync.Mutex
	claims []net.Listener // on the first port of each block that this process has; they end with it
	next   int            // in the last of the blocks
}

// FreePort returns a port of 127.0.0.1 that nobody listens on, and no other test is given.
func FreePort(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for {
		if len(ports.claims) == 0 || ports.next == blockPorts {
			claimPorts(t)
		}
		port := ports.claims[len(ports.claims)-1].Addr().(*net.TCPAddr).Port + ports.next
		ports.next++
		if l, err := listenOn(port); err == nil {
			l.Close()
			return port
		}
	}
}

// claimPorts takes a block that no process has. Where the search begins differs between processes, and for the sake of
// sockets that are still closing, between runs.
func claimPorts(t testing.TB) {
	t.Helper()
	for i := range portBlocks {
		block := (os.Getpid() + i) % portBlocks
		if l, err := listenOn(lowestPort + block*blockPorts); err == nil {
			ports.claims, ports.next = append(ports.claims, l), 1
			return
		}
	}
	t.Fatal("no block of ports is free")
}

func listenOn(port int) (net.Listener, error) {
	return net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
}

func FreeAddress(t testing.TB) string { return fmt.Sprintf("127.0.0.1:%d", FreePort(t)) }

// ShortDir returns a directory whose path leaves room for the name of a unix socket.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

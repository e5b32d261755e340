// What every end-to-end test stands on: the binary, processes that end with the test, and waiting without sleeping.

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestMain forgets the service in which the tests may run: it is not that of what they start.
func TestMain(m *testing.M) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "SYSTEMD_EXEC_PID",
		"RUNTIME_DIRECTORY"} {
		os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

// patience is how long anything may take on a machine that is busy with something else. Only a failing test waits so
// long.
const patience = 20 * time.Second

// eventually tries until try succeeds.
func eventually(t testing.TB, what string, try func() error) {
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
	"unshare": "util-linux", "supervisord": "supervisor", "supervisorctl": "supervisor", "runsv": "runit", "sv": "runit",
}

// program returns the path of an installed program. Nothing is skipped: one that is missing fails the test.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v; install it with: apt-get install %s", err, packages[name])
	}
	return path
}

// binary builds pinion, once for all tests, or takes the one that $PINION_E2E_BINARY names. The file stays in the
// user's cache, where the next run replaces it: no test can know to be the last that needs it.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("PINION_E2E_BINARY"); path != "" {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "pinion-e2e")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "pinion")
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	out, err := exec.Command("go", "build", "-race="+setting("-race", "false"), "-o", fresh, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building pinion: %w\n%s", err, out)
	}
	return path, os.Rename(fresh, path)
})

// setting returns how this test itself was built: with the race detector, the proxy under test is too.
func setting(key, otherwise string) string {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return otherwise
}

// process is a child that ends with the test.
type process struct {
	t       testing.TB
	name    string
	cmd     *exec.Cmd
	output  output
	done    chan struct{} // closed when it has ended
	err     error         // how it ended; valid once done is closed
	retired bool          // the test has ended it, or expects its end
}

// output collects what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs a program.
func start(t testing.TB, path string, args ...string) *process {
	t.Helper()
	return startCommand(t, exec.Command(path, args...))
}

func startCommand(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: filepath.Base(cmd.Path), cmd: cmd, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.WaitDelay = time.Second
	if err := own.start(p.cmd); err != nil {
		t.Fatalf("starting %s: %v", p.name, err)
	}
	go func() {
		p.err = own.wait(p.cmd)
		close(p.done)
	}()
	t.Cleanup(func() {
		if p.ended() && !p.retired {
			t.Errorf("%s (pid %d) ended by itself: %v\n%s", p.name, p.pid(), p.err, p.output.String())
			return
		}
		p.kill()
	})
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends a signal to the process alone.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("sending %v to %s: %v", s, p.name, err)
	}
}

// kill ends the process and waits until it is gone.
func (p *process) kill() {
	p.retired = true
	p.cmd.Process.Kill()
	p.wait()
}

// wait returns how the process ended.
func (p *process) wait() error {
	p.t.Helper()
	p.retired = true
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s (pid %d) does not end", p.name, p.pid())
	}
	return p.err
}

// answers waits until something listens at address, which the process is to do.
func (p *process) answers(network, address string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("connecting to %s at %s", p.name, address), func() error {
		if p.ended() {
			p.retired = true
			p.t.Fatalf("%s ended before it listened: %v\n%s", p.name, p.err, p.output.String())
		}
		c, err := net.Dial(network, address)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// nextPort counts through the ports below those that the kernel gives to connections, beginning where this process is
// unlikely to meet another one.
var nextPort atomic.Int32

func init() { nextPort.Store(int32(12000 + os.Getpid()%180*100)) }

// freePort returns a port of 127.0.0.1 that nobody listens on.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 12000 + int(nextPort.Add(1)-12000)%18000
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func freeAddress(t testing.TB) string { return fmt.Sprintf("127.0.0.1:%d", freePort(t)) }

// shortDir returns a directory whose path leaves room for the name of a unix socket.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// children returns the pids of the processes whose parent is pid.
func children(t testing.TB, pid int) (pids []int) {
	t.Helper()
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread may end meanwhile
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, child)
		}
	}
	return pids
}

// exists tells whether a process runs. What is left of one whose parent has died is up to whoever inherited it.
func exists(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// descriptors returns how many descriptors a process has open.
func descriptors(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries)
}

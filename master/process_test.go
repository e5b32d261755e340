// Real processes: what a worker inherits, and that nothing of it stays behind.

package master

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/master/testkit"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

func TestWorkerInheritance(t *testing.T) {
	notifyNobody(t)
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("SECRET", "x")
	t.Setenv("TZ", "UTC")
	allowed, err := sock.Affinity()
	if err != nil {
		t.Fatal(err)
	}
	freeAddress(t)   // the runtime's own descriptors are open from here on
	var stray [2]int // as a shell leaves them
	if err := syscall.Pipe(stray[:]); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(stray[0])
	defer syscall.Close(stray[1])
	before := settledDescriptors(t)
	r := begin(t, Options{Workers: 2, ReadBufferBytes: 4096})
	r.waitStarted(t)
	workers := r.both(t)
	meant := append([]string{"GODEBUG", "GOTRACEBACK", "LOCALDOMAIN", "RES_OPTIONS", "TZ", "GORACE", "GOCOVERDIR"}, fault.Variables()...) // for a worker

	for slot, me := range workers {
		cpu := allowed[slot%len(allowed)]
		if !slices.Equal(me.CPUs, []int{cpu}) || me.Spec.CPU != cpu || me.Procs != 1 {
			t.Errorf("worker %d may run on %v with GOMAXPROCS %d and is told %d; want cpu %d",
				slot, me.CPUs, me.Procs, me.Spec.CPU, cpu)
		}
		if want := []string{os.Args[0], "worker", fmt.Sprint(slot), me.Spec.ConfigFile}; !slices.Equal(me.Args, want) {
			t.Errorf("worker %d has arguments %q, want %q", slot, me.Args, want)
		}
		for _, e := range me.Env {
			if name, _, _ := strings.Cut(e, "="); !slices.Contains(meant, name) {
				t.Errorf("worker %d has %s in its environment", slot, e)
			}
		}
		if !slices.Contains(me.Env, "TZ=UTC") {
			t.Errorf("worker %d has no TZ in its environment: %v", slot, me.Env)
		}
		if me.Group != me.PID {
			t.Errorf("worker %d (pid %d) is in process group %d", slot, me.PID, me.Group)
		}
		if me.Spec.Slots != 2 || me.Spec.Build != "1.2.3" || me.Spec.ReadBufferBytes != 4096 ||
			me.Spec.Generation != 1 || len(me.Spec.Pools) != 2 || me.Spec.Pools[0].Name != "tcp" {
			t.Errorf("worker %d has the spec %+v", slot, me.Spec)
		}
		wantListeners := []link.Listener{
			{Pool: 0, Network: "tcp", Address: r.address},
			{Pool: 1, Network: "unix", Address: r.path, Shared: true},
		}
		if !slices.Equal(me.Spec.Listeners, wantListeners) {
			t.Errorf("worker %d has listeners %+v, want %+v", slot, me.Spec.Listeners, wantListeners)
		}
		checkDescriptors(t, me)
	}
	checkListeners(t, r.listeners)
	checkThreads(t, len(allowed))
	if info, err := os.Stat(r.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("unix socket: %v, %v", info, err)
	}
	if text, err := os.ReadFile(r.opts.PIDFile); err != nil || string(text) != fmt.Sprintf("%d\n", os.Getpid()) {
		t.Errorf("pid file holds %q, %v", text, err)
	}

	r.end(t, syscall.SIGTERM, workers[0].PID, workers[1].PID)
	if got := r.log(t); !strings.Contains(got, ` worker/0 hello\x0afrom a worker`+"\n") {
		t.Errorf("the worker's greeting is not in the log:\n%s", got)
	}
	shape := regexp.MustCompile(`^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] (master|worker/[01]) .+\n$`)
	for line := range strings.Lines(r.log(t)) {
		if !shape.MatchString(line) {
			t.Errorf("log line has another shape: %q", line)
		}
	}
	checkUnchanged(t, before)
}

// checkUnchanged wants the same descriptors as before.
func checkUnchanged(t *testing.T, before map[string]string) {
	t.Helper()
	if after := testkit.Descriptors(t); !maps.Equal(before, after) {
		t.Errorf("descriptors before: %v\nafter: %v", before, after)
	}
}

// settledDescriptors returns the descriptors once the garbage collector has closed what earlier tests have let go.
func settledDescriptors(t *testing.T) map[string]string {
	t.Helper()
	for {
		before := testkit.Descriptors(t)
		for range 2 {
			runtime.GC()
		}
		if after := testkit.Descriptors(t); maps.Equal(before, after) {
			return after
		}
	}
}

// checkDescriptors wants exactly the descriptors of the contract.
func checkDescriptors(t *testing.T, me self) {
	t.Helper()
	want := []string{
		"/dev/null", "/dev/null", "pipe:", "socket:", "/memfd:pinion-spec", "/memfd:pinion-shared", "socket:", "socket:",
	}
	for fd, kind := range want {
		if !strings.HasPrefix(me.Descriptors[fd], kind) {
			t.Errorf("worker %d: descriptor %d is %q, want %s", me.Spec.Slot, fd, me.Descriptors[fd], kind)
		}
	}
	for fd, what := range me.Descriptors {
		// What exec has passed on is not close-on-exec; what the worker's runtime has opened since is.
		if inherited := !me.CloseOnExec[fd]; inherited != (fd < len(want)) {
			t.Errorf("worker %d: descriptor %d (%s): inherited is %v", me.Spec.Slot, fd, what, inherited)
		}
	}
	if slices.Contains(me.NonBlocking, false) {
		t.Errorf("worker %d: listeners are non-blocking: %v", me.Spec.Slot, me.NonBlocking)
	}
}

// checkListeners wants the master's copies as they were made: two of the TCP address and one of the unix path.
func checkListeners(t *testing.T, fds []int) {
	t.Helper()
	if len(fds) != 3 {
		t.Errorf("the master has opened %d listeners", len(fds))
	}
	for _, fd := range fds {
		if flags(fd, syscall.F_GETFL)&syscall.O_NONBLOCK == 0 {
			t.Errorf("spawning has made listener %d blocking", fd)
		}
		if flags(fd, syscall.F_GETFD)&syscall.FD_CLOEXEC == 0 {
			t.Errorf("listener %d is inherited by any child", fd)
		}
	}
}

// checkThreads wants every thread of the master unpinned, once those that have started workers have ended.
func checkThreads(t *testing.T, cpus int) {
	t.Helper()
	var seen map[string]bool
	for deadline := time.Now().Add(5 * time.Second); len(seen) != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after spawning, threads of the master have these affinities: %v (%d cpus)", seen, cpus)
		}
		seen = affinities(t)
	}
}

// affinities returns those of all threads of this process.
func affinities(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		_, rest, _ := strings.Cut(string(text), "Cpus_allowed:\t")
		mask, _, _ := strings.Cut(rest, "\n")
		seen[mask] = true
	}
	return seen
}

func TestSuccessorServesTheQueue(t *testing.T) {
	r := begin(t, Options{Workers: 1})
	r.waitStarted(t)
	first, err := consult(r.address)
	if err != nil {
		t.Fatal(err)
	}
	counted := r.connections(t)
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	// Whoever connects now finds the queue that the master keeps open. A client whom the dead worker had already
	// accepted would get nothing, so wait until it is dead.
	testkit.Eventually(t, "the death of the worker", func() bool { return syscall.Kill(first.PID, 0) == syscall.ESRCH })
	second, err := consult(r.address)
	if err != nil {
		t.Fatalf("no answer after kill -9: %v", err)
	}
	t.Logf("the successor answered %s after the kill", time.Since(killed))
	if second.PID == first.PID || second.Spec.Slot != 0 || !slices.Equal(second.CPUs, first.CPUs) {
		t.Errorf("successor: %+v", second)
	}
	if now := r.connections(t); now != counted+1 {
		t.Errorf("total_connections was %d and is %d after one more connection", counted, now)
	}

	c, err := net.Dial("unix", r.path) // this makes it panic
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, c)
	c.Close()
	var third self
	testkit.Eventually(t, "a successor", func() bool {
		third, err = consult(r.address)
		return err == nil && third.PID != second.PID
	})
	r.end(t, syscall.SIGINT, first.PID, second.PID, third.PID)
	log := r.log(t)
	died := `master worker 0 \(pid %d, cpu \d+\) died: `
	for _, want := range []string{
		fmt.Sprintf(died+`signal: killed after \S+; starting the next one\n`, first.PID),
		`worker/0 panic: as told\n`,
		fmt.Sprintf(died+`exit status 2 after \S+; last words: panic: as told; starting`, second.PID),
	} {
		if !regexp.MustCompile(want).MatchString(log) {
			t.Errorf("the log has no line like %s:\n%s", want, log)
		}
	}
	words, _, _ := strings.Cut(log, "last words: panic: as told")
	if n := strings.Count(words, "worker/0 \tand more\n"); n != panicLines {
		t.Errorf("%d of %d lines of the panic stand before the obituary", n, panicLines)
	}
}

// connections asks the statistics port.
func (r *running) connections(t *testing.T) int {
	t.Helper()
	c, err := net.Dial("tcp", r.stats)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	var stats struct {
		Total int `json:"total_connections"`
	}
	if err := json.Unmarshal(text, &stats); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return stats.Total
}

// Two masters on one address would share its clients without a word if the kernel were asked for SO_REUSEPORT only.
func TestSecondMasterIsRefused(t *testing.T) {
	r := begin(t, Options{Workers: 1})
	r.waitStarted(t)
	me, err := consult(r.address)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan event)
	w := newWorld(func(e event) { events <- e })
	w.pid = 1 // not this process's, so that the pid file is somebody else's
	w.load = func(string) (*config.Config, error) {
		return config.Parse("second.conf", []byte("pool second\nlisten "+r.address+"\nbackend a 127.0.0.1:1\n"))
	}
	var started error
	second := run(Options{
		Workers: 1,
		PIDFile: r.opts.PIDFile,
		Output:  r.opts.Output,
		Started: func(err error) { started = err },
	}, w, events)
	want := fmt.Sprintf("listening on %q (pool \"second\"): address already in use", r.address)
	if second == nil || !strings.HasPrefix(second.Error(), want) || started != second {
		t.Errorf("the second master ended with %v and reported %v; want %s", second, started, want)
	}
	if _, err := consult(r.address); err != nil {
		t.Errorf("the first master does not serve any more: %v", err)
	}
	if _, err := os.Stat(r.opts.PIDFile); err != nil {
		t.Errorf("the first master's pid file: %v", err)
	}
	r.end(t, syscall.SIGTERM, me.PID)
}

func TestStartFailureLeavesNothing(t *testing.T) {
	freeAddress(t)
	before := settledDescriptors(t)
	o := Options{Output: filepath.Join(t.TempDir(), "log"), Workers: 2}
	var started error
	o.Started = func(err error) { started = err }
	events := make(chan event)
	w := newWorld(func(e event) { events <- e })
	address := freeAddress(t)
	w.load = func(string) (*config.Config, error) {
		return config.Parse("test.conf", []byte("pool a\nlisten "+address+"\nbackend a 127.0.0.1:1\n"))
	}
	w.listenStats = func(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
	var pids []int
	w.spawn = func(l process.Launch, report func(process.Event)) (*process.Worker, error) {
		if l.Spec.Slot == 1 {
			l.Listeners[0] = 1 << 20 // no such descriptor: the second worker cannot be made
		}
		p, err := process.Start(l, report)
		if err == nil {
			pids = append(pids, p.PID)
		}
		return p, err
	}
	err := run(o, w, events)
	want := "starting worker 1: executing /proc/self/exe: "
	if err == nil || !strings.HasPrefix(err.Error(), want) || started != err {
		t.Errorf("Run returned %v and reported %v", err, started)
	}
	if len(pids) != 1 || syscall.Kill(pids[0], 0) != syscall.ESRCH {
		t.Errorf("workers %v: one should have been started and be gone", pids)
	}
	checkUnchanged(t, before)
}

// notifyNobody plays a service manager that takes everything, which would be said to whoever plays one next otherwise.
func notifyNobody(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv(systemd.EnvNotifySocket, path)
	go io.Copy(io.Discard, conn)
}

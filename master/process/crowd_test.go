package process

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// TestMain plays a worker that is pinned to the CPU it was started on.
func TestMain(m *testing.M) {
	if len(os.Args) > argWorker && os.Args[argWorker] == workerCommand {
		sock.SetName(sock.ProxyName)
		os.Stdout.WriteString("ready\n")
		io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// Workers of another file count where they are pinned; own ones do not, and neither do those that are not pinned or do not say whose
// they are.
func TestCrowd(t *testing.T) {
	allowed, err := sock.Affinity()
	if err != nil {
		t.Fatal(err)
	}
	cpu := allowed[len(allowed)-1]
	before := Crowd("/own.yml")[cpu]
	worker(t, cpu, "0", "/other.yml")
	worker(t, cpu, "1", "/other.yml")
	worker(t, cpu, "0", "/own.yml")
	worker(t, cpu, "2")
	if len(allowed) > 1 {
		worker(t, -1, "3", "/other.yml")
	}
	if got := Crowd("/own.yml")[cpu] - before; got != 2 {
		t.Errorf("%d workers of others, want 2", got)
	}
	if got := Crowd("/third.yml")[cpu] - before; got != 3 {
		t.Errorf("%d workers of others for a third one, want 3", got)
	}
}

// worker starts this test as a worker on a CPU; -1: on any.
func worker(t *testing.T, cpu int, args ...string) {
	t.Helper()
	c := exec.Command(os.Args[0], append([]string{workerCommand}, args...)...)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := onCPU(cpu, func(error) error { return c.Start() }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		c.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
}

// A thread that starts a worker does not leave its CPU to others.
func TestOnCPU(t *testing.T) {
	before, err := sock.Affinity()
	if err != nil {
		t.Fatal(err)
	}
	err = onCPU(before[0], func(unpinned error) error {
		if got, _ := sock.Affinity(); unpinned != nil || len(got) != 1 {
			t.Errorf("started on %v, %v", got, unpinned)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	onCPU(1<<12, func(unpinned error) error {
		if unpinned == nil {
			t.Error("pinned to a CPU that there is not")
		}
		return nil
	})
	for range 200 { // also on the main thread, which goes on
		onCPU(before[0], func(error) error { return nil })
	}
	for deadline := time.Now().Add(5 * time.Second); pinnedThreads() > 0 && len(before) > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d threads are still pinned", pinnedThreads())
		}
	}
	if after, err := sock.Affinity(); err != nil || len(after) != len(before) {
		t.Errorf("%v, then %v, %v", before, after, err)
	}
}

// pinnedThreads returns how many threads of this process may run on one CPU alone.
func pinnedThreads() (n int) {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if cpus, errOf := sock.AffinityOf(tid); err == nil && errOf == nil && len(cpus) == 1 {
			n++
		}
	}
	return n
}

// All cores are used, and the death of a worker is nobody's business but its own clients'.

package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// cpuTicks returns the CPU time of a process so far, in ticks of 10 ms.
func cpuTicks(t *testing.T, pid int) (ticks int) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, fields, _ := strings.Cut(string(stat), ") ")
	for _, field := range strings.Fields(fields)[11:13] { // utime, stime
		ticks += rig.Atoi(field)
	}
	return ticks
}

// slotOf returns which of two workers serves a client.
func slotOf(c *rig.Client) int { return rig.Atoi(strings.TrimSpace(c.Do("CLIENT", "ID")[1:])) % 2 }

// Each worker has a CPU of its own, and a part of the clients.
func TestE2EWorkersShareTheLoad(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t))
	workers := p.Workers()
	if len(workers) != 2 {
		t.Fatalf("%d workers, want 2", len(workers))
	}
	cpus := map[string]bool{}
	for _, pid := range workers {
		cpus[rig.ProcessStatus(t, pid, "Cpus_allowed_list")] = true
	}
	if want := min(2, runtime.NumCPU()); len(cpus) != want {
		t.Errorf("the workers run on CPUs %v, want %d", cpus, want)
	}
	for cpu := range cpus {
		if strings.ContainsAny(cpu, ",-") {
			t.Errorf("a worker may run on CPUs %s, want one", cpu)
		}
	}

	var clients [2]int
	var group sync.WaitGroup
	for range 64 {
		c := p.Dial()
		clients[slotOf(c)]++
		group.Go(func() {
			for range 20 {
				c.Conn.Write([]byte(strings.Repeat(rig.Request("GET", "a"), 50)))
				for range 50 {
					if _, err := c.Read(c.In); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	if clients[0] == 0 || clients[1] == 0 {
		t.Errorf("%v clients per worker", clients)
	}
	t.Logf("clients per worker: %v", clients)
	for _, pid := range workers {
		t.Logf("worker %d: %d ms of CPU time", pid, 10*cpuTicks(t, pid))
	}
}

// load keeps a client busy until done; failed tells that its connection has broken.
func load(c *rig.Client, done <-chan struct{}, failed *atomic.Bool) {
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
		}
		text := fmt.Sprint(i)
		c.Conn.Write([]byte(rig.Request("ECHO", text) + rig.Request("GET", "key:"+text)))
		for _, want := range []string{rig.Bulk(text), "$-1\r\n"} {
			if got, err := c.Read(c.In); err != nil || got != want {
				failed.Store(true)
				return
			}
		}
	}
}

// kill -9 of a worker: the clients of the others notice nothing, those that wait to be accepted by it are served by its
// successor or by the other worker, whichever comes first, and the statistics go on.
func TestE2EDeathOfAWorker(t *testing.T) {
	t.Parallel()
	p := talkative(t, rig.ThreeRedis(t))
	done := make(chan struct{})
	var group sync.WaitGroup
	var broken [2]atomic.Bool // by slot
	for range 16 {
		c := p.Dial()
		slot := slotOf(c)
		group.Go(func() { load(c, done, &broken[slot]) })
	}
	group.Go(func() { neverBackwards(t, p, done) })

	victim := p.Workers()[0]
	slot := 0
	if slotOfWorker(t, victim) == "1" {
		slot = 1
	}
	rig.Suspend(t, victim)
	var waiting []*rig.Client
	for range 100 { // about half of them come to the suspended worker's queue
		c := p.Dial()
		c.Send(rig.Request("CLIENT", "ID"))
		waiting = append(waiting, c)
	}
	killed := time.Now()
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	served, gap := [2]int{}, time.Duration(0)
	for i, c := range waiting {
		reply := c.Reply()
		if reply == rig.Closed {
			t.Fatalf("connection %d, which waited to be accepted, was lost", i)
		}
		mine := rig.Atoi(strings.TrimSpace(reply[1:])) % 2
		if mine == slot && gap == 0 {
			gap = time.Since(killed)
		}
		served[mine]++
	}
	if served[slot] == 0 { // the successor was slower than the master's next look around
		covered := fmt.Sprintf("worker %d accepts for worker %d", 1-slot, slot)
		rig.Eventually(t, fmt.Sprintf("the other worker serving the victim's queue: %v", served), func() error {
			if !strings.Contains(p.Output.String(), covered) {
				return errors.New("it does not")
			}
			return nil
		})
	}
	close(done)
	group.Wait()
	if !broken[slot].Load() {
		t.Error("the victim had no client")
	}
	if broken[1-slot].Load() {
		t.Error("a client of the other worker has noticed")
	}
	t.Logf("%v connections per slot waited; the successor answered %v after the kill", served, gap.Round(time.Millisecond))
	if !strings.Contains(p.Output.String(), fmt.Sprintf("(pid %d", victim)) {
		t.Errorf("no obituary in the log:\n%s", p.Output.String())
	}
}

// A worker bears the brand by which the admin socket refuses what comes of it, and has one filter of system calls more than the process
// that has started Pinion.
func TestE2EWorkersBearABrand(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t))
	own, told := filtersOf(t, os.Getpid())
	for _, pid := range p.Workers() {
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
		if _, queues, _ := strings.Cut(string(limits), "Max msgqueue size"); err != nil || strings.Fields(queues)[1] != "0" {
			t.Errorf("worker %d: %v\n%s", pid, err, limits)
		}
		if n, _ := filtersOf(t, pid); told && n != own+1 {
			t.Errorf("worker %d has %d filters of system calls, want %d", pid, n, own+1)
		}
	}
}

// filtersOf returns how many filters of system calls a process has, where the kernel has such, and tells.
func filtersOf(t *testing.T, pid int) (n int, told bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, told := strings.Cut(string(status), "Seccomp_filters:")
	if told {
		n, err = strconv.Atoi(strings.Fields(rest)[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	return n, told
}

// slotOfWorker returns the slot of a worker, which stands behind "worker" in its command line.
func slotOfWorker(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	args := strings.Split(string(text), "\x00")
	if err != nil || len(args) < 3 || args[1] != "worker" {
		t.Fatalf("%d is no worker: %q, %v", pid, text, err)
	}
	return args[2]
}

// neverBackwards polls the statistics until done.
func neverBackwards(t *testing.T, p *rig.Proxy, done <-chan struct{}) {
	before := map[string]any{}
	for n := 0; ; n++ {
		select {
		case <-done:
			t.Logf("%d scrapes", n)
			return
		default:
		}
		text, err := rig.Fetch(p.Stats)
		now := map[string]any{}
		if err == nil {
			err = json.Unmarshal([]byte(text), &now)
		}
		if err != nil {
			t.Error(err)
			return
		}
		rig.CheckForward(t, "", before, now)
		before = now
	}
}

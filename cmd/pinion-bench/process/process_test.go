// Real programs, from the start to the end, and what /proc says of them.

package process

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

func shell(t *testing.T, script string, cpus []int) *Process {
	t.Helper()
	p, err := Start(Command{Args: []string{"/bin/sh", "-c", script}, Dir: t.TempDir(), Name: "shell", CPUs: cpus})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Stop(p) })
	return p
}

// eventually waits until done says so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for deadline := time.Now().Add(20 * time.Second); !done(); <-pause.C {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestStopEndsTheWholeGroup(t *testing.T) {
	stubborn := shell(t, "trap '' TERM; sleep 1000 & sleep 1000 & echo ready; while :; do wait; done", nil)
	gentle := shell(t, "echo ready; exec sleep 1000", nil)
	var all []int
	eventually(t, "two children", func() bool {
		all, _ = Tree(stubborn.PID())
		return len(all) == 3 && stubborn.Output() == "ready" && gentle.Output() == "ready"
	})
	begin := time.Now()
	Stop(gentle, stubborn)
	if took := time.Since(begin); took < gracePeriod {
		t.Errorf("one who ignores SIGTERM was killed after %v", took)
	}
	for _, pid := range append(all, gentle.PID()) {
		eventually(t, "the end of a process", func() bool { return gone(pid) }) // init reaps those of the shell
	}
}

func TestStopAfterTheEnd(t *testing.T) {
	p := shell(t, "exit 3", nil)
	<-p.done
	Stop(p)
}

func TestOutputAndStatusOfAnEarlyEnd(t *testing.T) {
	p := shell(t, "echo no such option >&2; exit 3", nil)
	address, err := FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	err = p.AwaitListening(t.Context(), address[0])
	if err == nil || !strings.Contains(err.Error(), "exit status 3\nno such option") {
		t.Errorf("error %v, want the status and the output", err)
	}
}

func TestAwaitListening(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := shell(t, "exec sleep 1000", nil).AwaitListening(t.Context(), l.Addr().String()); err != nil {
		t.Error(err)
	}
}

func TestCPUsAreInheritedAndGivenBack(t *testing.T) {
	before, err := sock.Affinity()
	if err != nil {
		t.Fatal(err)
	}
	last := before[len(before)-1:]
	p := shell(t, "grep Cpus_allowed_list /proc/self/status", last)
	<-p.done
	if want := fmt.Sprintf("Cpus_allowed_list:\t%d", last[0]); p.Output() != want {
		t.Errorf("%q, want %q", p.Output(), want)
	}
	after, err := sock.Affinity()
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("afterwards %v, %v; before %v", after, err, before)
	}
}

func TestUsageCountsDescendants(t *testing.T) {
	idle := shell(t, "exec sleep 1000", nil)
	busy := shell(t, "(while :; do :; done) & wait", nil)
	eventually(t, "CPU time of a child", func() bool {
		used, err := CPU(busy.PID())
		return err == nil && used > 100*time.Millisecond
	})
	used, err := CPU(idle.PID())
	if err != nil || used > 80*time.Millisecond {
		t.Errorf("a process that sleeps used %v, %v", used, err)
	}
	one, err := Memory(idle.PID())
	if err != nil || one < 50<<10 || one > 50<<20 {
		t.Errorf("memory of sleep: %d bytes, %v", one, err)
	}
	two, err := Memory(busy.PID())
	if err != nil || two <= 0 {
		t.Errorf("memory of two shells: %d bytes, %v", two, err)
	}
}

func TestNoSuchProcess(t *testing.T) {
	const pid = 1 << 29 // above the highest that Linux gives
	if _, err := CPU(pid); err == nil {
		t.Error("CPU time of nobody")
	}
	if _, err := Memory(pid); err == nil {
		t.Error("memory of nobody")
	}
}

func TestParseSchedstat(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"123456789012 4242 17\n": 123456789012, "0 0 0": 0,
		"": -1, "1": -1, "1 2": -1, "1 2 3 4": -1, "x 2 3": -1, "99999999999999999999 1 1": -1,
	} {
		got, err := parseSchedstat([]byte(text))
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestParseRollup(t *testing.T) {
	const head = "55c619029000-7ffd9f484000 ---p 00000000 00:00 0    [rollup]\nRss:                1784 kB\n"
	for text, want := range map[string]int64{
		head + "Pss:                 234 kB\nPss_Dirty:           112 kB\n": 234 << 10,
		head: -1, "": -1, "Pss: 12\n": -1, "Pss: x kB\n": -1,
	} {
		got, err := parseRollup([]byte(text))
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestFreeAddressesDiffer(t *testing.T) {
	all, err := FreeAddresses(100)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != 100 {
		t.Error("an address came twice")
	}
	l, err := net.Listen("tcp", all[0])
	if err != nil {
		t.Fatalf("a free address is taken: %v", err)
	}
	l.Close()
}

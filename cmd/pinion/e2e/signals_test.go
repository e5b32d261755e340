// Signals that reach a worker: what is meant for the service does it no harm, SIGTERM drains it, and nobody waits.

package e2e_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// forMaster are the signals that mean the service.
var forMaster = []syscall.Signal{
	syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGTSTP, syscall.SIGINT,
	syscall.SIGQUIT,
}

// throng keeps clients busy, and others that come and go, until it is told to leave.
type throng struct {
	t      *testing.T
	done   chan struct{}
	group  sync.WaitGroup
	broken atomic.Bool // one that stays has lost its connection
	came   atomic.Int64
}

// talkative starts Pinion, which tells of each worker that is ready.
func talkative(t *testing.T, servers []*rig.Backend) *rig.Proxy {
	t.Helper()
	address := rig.FreeAddress(t)
	return rig.Pinion(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines(servers)}), "tcp", address, "-v", "6")
}

// throngOf has that many clients stay.
func throngOf(p *rig.Proxy, staying int) *throng {
	c := &throng{t: p.T.(*testing.T), done: make(chan struct{})}
	for range staying {
		one := p.Dial()
		c.group.Go(func() { load(one, c.done, &c.broken) })
	}
	c.group.Go(func() { c.comeAndGo(p) })
	return c
}

func (c *throng) comeAndGo(p *rig.Proxy) {
	for {
		select {
		case <-c.done:
			return
		default:
		}
		err := ping(p)
		if err != nil {
			c.t.Errorf("newcomer %d: %v", c.came.Load(), err)
			return
		}
		c.came.Add(1)
	}
}

// ping is one who connects, asks and leaves.
func ping(p *rig.Proxy) error {
	conn, err := net.Dial(p.Network, p.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(rig.Patience))
	if _, err := io.WriteString(conn, rig.Request("PING")); err != nil {
		return err
	}
	if got, err := p.Read(bufio.NewReader(conn)); err != nil || got != "+PONG\r\n" {
		return fmt.Errorf("it got %q, %w", got, err)
	}
	return nil
}

// goOn waits until so many more have come.
func (c *throng) goOn(more int64) {
	want := c.came.Load() + more
	rig.Eventually(c.t, "serving newcomers", func() error {
		if n := c.came.Load(); n < want {
			return fmt.Errorf("%d of %d", n, want)
		}
		return nil
	})
}

func (c *throng) leave() {
	close(c.done)
	c.group.Wait()
}

// settled waits until as many workers serve as are configured, and returns them.
func settled(p *rig.Proxy, ready int) (workers []int) {
	rig.Eventually(p.T, "waiting for workers", func() error {
		workers = p.Workers()
		if n := strings.Count(p.Output.String(), ") is ready"); len(workers) != 2 || n < ready {
			return fmt.Errorf("there are %d, and %d have become ready", len(workers), n)
		}
		return nil
	})
	return workers
}

// Signals for the service reach the workers, too: killall, kill $(pidof pinion), systemctl kill.
func TestE2ESignalsDoWorkersNoHarm(t *testing.T) {
	t.Parallel()
	p := talkative(t, rig.ThreeRedis(t))
	workers := settled(p, 0)
	c := throngOf(p, 16)
	for range 3 {
		for _, s := range forMaster {
			for _, pid := range workers {
				syscall.Kill(pid, s)
			}
			c.goOn(3)
		}
	}
	// Those that do not end the master come to all. SIGHUP is a reload, and the new workers get it as they come to life.
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGHUP} {
		for _, pid := range append(p.Workers(), p.Pid()) {
			syscall.Kill(pid, s)
		}
		c.goOn(3)
	}
	met := map[int]bool{}
	rig.Eventually(t, "reloading", func() error {
		for _, pid := range p.Workers() {
			if !met[pid] && len(met) < 2*2 { // the old ones and the first of the new ones
				syscall.Kill(pid, syscall.SIGHUP)
				met[pid] = true
			}
		}
		if !strings.Contains(p.Output.String(), "reload to generation 2") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	c.goOn(3)
	c.leave()
	if c.broken.Load() {
		t.Error("a client has lost its connection")
	}
	log := p.Output.String()
	if strings.Contains(log, "died") || strings.Count(log, "SIGHUP received") != 1 || !strings.Contains(log, "reload to generation 2 (pinion") {
		t.Errorf("the log:\n%s", log)
	}
}

// From the moment when there is a process, no such signal ends it.
func TestE2ESignalsToNewWorkers(t *testing.T) {
	t.Parallel()
	p := talkative(t, rig.ThreeRedis(t))
	for n := range 8 {
		before := settled(p, 2+n)
		victim := before[n%2]
		syscall.Kill(victim, syscall.SIGKILL)
		next := 0
		rig.Eventually(t, "seeing the next worker", func() error {
			i := slices.IndexFunc(p.Workers(), func(pid int) bool { return !slices.Contains(before, pid) })
			if i < 0 {
				return errors.New("not yet")
			}
			next = p.Workers()[i]
			return nil
		})
		time.Sleep(time.Duration(n) * time.Millisecond) // at another moment of its life each time
		for _, s := range forMaster[n%len(forMaster):] {
			syscall.Kill(next, s)
		}
		settled(p, 3+n)
	}
	log := p.Output.String()
	if n := strings.Count(log, "died"); n != 8 {
		t.Errorf("%d workers died, 8 were killed:\n%s", n, log)
	}
	t.Logf("%d of 8 were met before they ignored signals", strings.Count(log, "before it could ignore it"))
}

// SIGTERM to a worker drains it: what it owes arrives, newcomers are served by others, and the slot is filled again.
func TestE2ETermDrainsAWorker(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	p := talkative(t, []*rig.Backend{slow.Backend})
	workers := settled(p, 2)
	owed := [2]*rig.Client{}
	for owed[0] == nil || owed[1] == nil {
		c := p.Dial()
		owed[slotOf(c)] = c
	}
	owed[0].Send(rig.Request("GET", "a"))
	question := <-slow.asked
	victim := workers[0]
	if slotOfWorker(t, victim) != "0" {
		victim = workers[1]
	}
	syscall.Kill(victim, syscall.SIGTERM)
	rig.Eventually(t, "draining", func() error {
		if !strings.Contains(p.Output.String(), "worker 1 accepts for worker 0") {
			return fmt.Errorf("nobody accepts for it")
		}
		return nil
	})
	for range 40 {
		c := p.Dial()
		c.WantDo("+PONG\r\n", "PING")
		c.Conn.Close()
	}
	question.reply(t, rig.Bulk("arrives"))
	owed[0].Want(rig.Bulk("arrives"))
	owed[0].Want(rig.Closed)
	settled(p, 3)
	owed[1].WantDo("+PONG\r\n", "PING")
	if log := p.Output.String(); strings.Contains(log, "died") {
		t.Errorf("the log:\n%s", log)
	}
}

// Where all workers drain, newcomers wait for none of them.
func TestE2ETermToAllWorkers(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	p := talkative(t, []*rig.Backend{slow.Backend})
	owed := [2]*rig.Client{}
	for owed[0] == nil || owed[1] == nil {
		c := p.Dial()
		owed[slotOf(c)] = c
	}
	for _, c := range owed {
		c.Send(rig.Request("GET", "a"))
	}
	questions := []ask{<-slow.asked, <-slow.asked}
	for _, pid := range settled(p, 2) {
		syscall.Kill(pid, syscall.SIGTERM)
	}
	rig.Eventually(t, "draining", func() error {
		if !strings.Contains(p.Output.String(), "no worker is left that accepts") {
			return errors.New("not all of them")
		}
		return nil
	})
	for range 20 {
		if err := ping(p); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range questions {
		q.reply(t, rig.Bulk("arrives"))
	}
	for _, c := range owed {
		c.Want(rig.Bulk("arrives"))
		c.Want(rig.Closed)
	}
	settled(p, 4)
}

// SIGTERM to all processes at once ends the service as SIGTERM to the master does.
func TestE2ETermToAll(t *testing.T) {
	t.Parallel()
	for workersFirst := range 2 {
		slow := newPuppet(t, "unix", "")
		p := talkative(t, []*rig.Backend{slow.Backend})
		c := p.Dial()
		c.Send(rig.Request("GET", "a"))
		question := <-slow.asked
		all := append(settled(p, 2), p.Pid())
		if workersFirst == 0 {
			slices.Reverse(all)
		}
		for _, pid := range all {
			syscall.Kill(pid, syscall.SIGTERM)
		}
		question.reply(t, rig.Bulk("arrives"))
		c.Want(rig.Bulk("arrives"))
		c.Want(rig.Closed)
		checkGone(t, p)
	}
}

// A worker that hangs: soon another one serves its newcomers, then it is replaced.
func TestE2EHungWorker(t *testing.T) {
	t.Parallel()
	p := talkative(t, rig.ThreeRedis(t))
	workers := settled(p, 2)
	var stays *rig.Client
	for stays == nil || slotOf(stays) == 0 {
		stays = p.Dial()
	}
	lost := p.Dial()
	for slotOf(lost) == 1 {
		lost = p.Dial()
	}
	victim := workers[0]
	if slotOfWorker(t, victim) != "0" {
		victim = workers[1]
	}
	rig.Suspend(t, victim)
	var waiting []*rig.Client
	for range 40 {
		c := p.Dial()
		c.Send(rig.Request("PING"))
		waiting = append(waiting, c)
	}
	for _, c := range waiting {
		c.Want("+PONG\r\n")
	}
	if rig.ProcessStatus(t, victim, "State")[0] != 'T' {
		t.Error("the worker turned meanwhile")
	}
	lost.Want(rig.Closed)
	settled(p, 3)
	stays.WantDo("+PONG\r\n", "PING")
	log := p.Output.String()
	for _, want := range []string{
		fmt.Sprintf("worker 0 (pid %d) hangs", victim), "worker 1 accepts for worker 0", "(it hangs: no turn for 15s)", " lost; starting the next one",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}

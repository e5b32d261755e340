// Descriptors are short: whatever the limit, a proxy that is full of clients is reloaded, resized and upgraded without
// losing one of them, or refuses and changes nothing.
//
//	PINION_SHORTAGE="40 400 7" go test -run TestE2EShortage -v -timeout 1h ./cmd/pinion/storm	every limit from 40 to 400 in steps of 7

package storm_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// usualLimits are what everybody tries: hardly enough to start, and several that leave more and more room.
var usualLimits = []int{44, 64, 100, 256}

func TestE2EShortage(t *testing.T) {
	t.Parallel()
	limits := usualLimits
	if text := os.Getenv("PINION_SHORTAGE"); text != "" {
		var from, to, step int
		if _, err := fmt.Sscan(text, &from, &to, &step); err != nil || step < 1 {
			t.Fatalf("PINION_SHORTAGE is %q, want three numbers: from, to, step", text)
		}
		limits = nil
		for limit := from; limit <= to; limit += step {
			limits = append(limits, limit)
		}
	}
	servers := startStormServers(t)
	var done, refused atomic.Int32
	t.Run("limits", func(t *testing.T) {
		for _, limit := range limits {
			t.Run(fmt.Sprint(limit), func(t *testing.T) {
				t.Parallel()
				s := &shortage{t: t, done: &done, refused: &refused}
				s.scene = newScene(t, servers, oldRelease, 2, rig.Program(t, "prlimit"), fmt.Sprintf("--nofile=%d:%d", limit, limit))
				s.run()
			})
		}
	})
	t.Logf("%d handoffs were done, %d were refused", done.Load(), refused.Load())
	if done.Load() == 0 {
		t.Error("none was done: the limits are too low to prove anything")
	}
}

// shortage is a proxy that has few descriptors, and the clients that fill it.
type shortage struct {
	*scene
	t             *testing.T
	clients       []*bufio.ReadWriter
	done, refused *atomic.Int32
}

func (s *shortage) run() {
	size := 2
	s.fill()
	for _, workers := range []int{2, 3, 1, 2} {
		s.configure(workers)
		if s.attempt("reload", workers) {
			size = workers
		}
	}
	s.configure(size)
	s.install(newRelease)
	s.attempt("upgrade", size)
	s.stop()
}

// fill connects clients until new ones are not served any more. Those that only wait are none: they hang up.
func (s *shortage) fill() {
	const vain = 5 // in a row: the kernel gives them to workers at random
	for waiting := 0; waiting < vain; {
		conn, err := net.Dial(s.in["redis"].network, s.in["redis"].at)
		if err != nil {
			s.t.Fatal(err)
		}
		c := bufio.NewReadWriter(bufio.NewReaderSize(conn, 16), bufio.NewWriterSize(conn, 16))
		conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
		if askedPing(c) != nil {
			conn.Close()
			waiting++
			continue
		}
		conn.SetDeadline(time.Time{})
		s.t.Cleanup(func() { conn.Close() })
		waiting = 0
		s.clients = append(s.clients, c)
	}
	s.t.Logf("%d clients", len(s.clients))
}

func askedPing(c *bufio.ReadWriter) error {
	c.WriteString(rig.Request("PING"))
	if err := c.Flush(); err != nil {
		return err
	}
	reply, err := c.ReadString('\n')
	if err == nil && reply != "+PONG\r\n" {
		err = fmt.Errorf("the reply is %q", reply)
	}
	return err
}

// attempt carries out a command. Afterwards either the new generation serves everybody or the old one does.
func (s *shortage) attempt(command string, workers int) (done bool) {
	s.t.Helper()
	before := s.now()
	size := len(s.workers())
	out, err := s.order(command)
	after := s.now()
	status := 0
	if end := (*exec.ExitError)(nil); errors.As(err, &end) {
		status = end.ExitCode()
	} else if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("%s to %d workers: exit status %d: %s", command, workers, status, strings.TrimSpace(out))
	switch {
	case status == 0 && after.Generation > before.Generation && after.Last != nil && after.Last.Lost == 0:
		s.done.Add(1)
		size, done = workers, true
	case status == 1 && after.Generation == before.Generation && after.PID == before.PID:
		s.refused.Add(1)
	default:
		s.t.Errorf("generation %d of master %d serves after %d of %d, and %+v", after.Generation, after.PID, before.Generation,
			before.PID, after.Last)
	}
	for i, c := range s.clients {
		if err := askedPing(c); err != nil {
			s.t.Errorf("client %d of %d: %v", i, len(s.clients), err)
			break
		}
	}
	s.masterLeads(size)
	return done
}

// Connections wait for a place when the proxy is full: they take none of those that clients leave for a moment. Whether an
// attempt is done or refused, nobody is lost by it or by the next one.
func TestE2EShortageWithWaiting(t *testing.T) {
	t.Parallel()
	const limit, waiting, rounds = 64, 8, 2
	servers := startStormServers(t)
	for _, commands := range [][]string{{"reload", "reload", "upgrade", "reload"}, {"upgrade", "reload", "reload"}} {
		for round := range rounds {
			t.Run(fmt.Sprint(commands[0], round), func(t *testing.T) {
				t.Parallel()
				s := &shortage{t: t, done: new(atomic.Int32), refused: new(atomic.Int32)}
				s.scene = newScene(t, servers, oldRelease, 2, rig.Program(t, "prlimit"), fmt.Sprintf("--nofile=%d:%d", limit, limit))
				s.fill()
				for range waiting {
					conn, err := net.Dial(s.in["redis"].network, s.in["redis"].at)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { conn.Close() })
					fmt.Fprint(conn, rig.Request("PING"))
				}
				for _, command := range commands {
					if command == "upgrade" {
						s.install(newRelease)
					}
					s.attempt(command, 2)
				}
				s.stop()
			})
		}
	}
}

// A change of the number of workers spreads the clients evenly.
func TestE2EResizeSpreads(t *testing.T) {
	t.Parallel()
	const clients = 120
	s := newScene(t, startStormServers(t), oldRelease, 1)
	sh := &shortage{t: t, scene: s, done: new(atomic.Int32), refused: new(atomic.Int32)}
	for range clients {
		conn, err := net.Dial(s.in["redis"].network, s.in["redis"].at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		c := bufio.NewReadWriter(bufio.NewReaderSize(conn, 16), bufio.NewWriterSize(conn, 16))
		if err := askedPing(c); err != nil {
			t.Fatal(err)
		}
		sh.clients = append(sh.clients, c)
	}
	for _, workers := range []int{2, 3, 5, 1} {
		s.configure(workers)
		if !sh.attempt("reload", workers) {
			t.FailNow()
		}
		for _, w := range s.serving() {
			if want := clients / workers; w < want-2 || w > want+2 {
				t.Errorf("of %d workers one has %d clients, want %d", workers, w, want)
			}
		}
	}
	s.stop()
}

// serving returns how many clients each worker of the generation that serves has.
func (s *scene) serving() (clients []int) {
	s.t.Helper()
	now := s.now()
	for _, g := range now.Generations {
		if g.State == "serving" {
			for _, w := range g.Workers {
				clients = append(clients, w.Connections)
			}
		}
	}
	return clients
}

// A worker that hangs while its clients are to move costs them, and whoever asked for it learns how many that were, by
// exit status, answer, status and log.
func TestE2ELossIsTold(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 1)
	c := rig.Dial(t, s.in["redis"].network, s.in["redis"].at, rig.ReadRESP)
	c.WantDo("+PONG\r\n", "PING")
	worker := s.workers()[0]
	rig.Suspend(t, worker)
	s.doom(worker)
	out, err := s.order("reload")
	var end *exec.ExitError
	if !errors.As(err, &end) || end.ExitCode() != 3 || !strings.Contains(out, "1 client lost: worker 0: ") {
		t.Errorf("reload says %q, %v", out, err)
	}
	if last := s.now().Last; last == nil || last.Outcome != "done" || last.Lost != 1 || last.LostReason == "" {
		t.Errorf("the status says %+v", last)
	}
	if out, err := s.order("status"); err != nil || !strings.Contains(out, ", 1 lost") {
		t.Errorf("the status says %q, %v", out, err)
	}
	syscall.Kill(worker, syscall.SIGCONT)
	c.Want(rig.Closed)
	rig.Dial(t, s.in["redis"].network, s.in["redis"].at, rig.ReadRESP).WantDo("+PONG\r\n", "PING")
	s.masterLeads(1)
	s.stop()
}

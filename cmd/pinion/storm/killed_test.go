// The master is killed in the middle of a reload or an upgrade, while a client is owed a reply: whoever has a client keeps
// it, until the next master has them all.

package storm_test

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// moments are how far a handoff is when the master is killed. Should one be missed, the next is as good.
var moments = []struct {
	name string
	come func(now condition) bool
}{
	{"the next generation is being made", func(now condition) bool { return now.Busy != "" || now.has("retired", "") }},
	{"clients move, and one cannot", func(now condition) bool { return now.has("", "giving") || now.has("retired", "") }},
	{"only that one is left", func(now condition) bool { return now.has("retired", "draining") }},
}

// has reports whether a generation in some state has a worker in some state; an empty one is any.
func (c condition) has(generation, worker string) bool {
	for _, g := range c.Generations {
		for _, w := range g.Workers {
			if (generation == "" || g.State == generation) && (worker == "" || w.State == worker) {
				return true
			}
		}
	}
	return false
}

func TestMasterKilledInHandoff(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"reload", "upgrade"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			killedInHandoff(t, command)
		})
	}
}

func killedInHandoff(t *testing.T, command string) {
	servers, slow := tardyServers(t)
	by := &script{t: t}
	current := oldRelease
	s := newSupervisedScene(t, servers, current, by)
	s.straggling(500, "")
	s.again("reload")
	c := newCrowd(t, s.in, "killed:")
	c.gather(12)
	c.newcome(1, 20*time.Millisecond)
	for _, moment := range moments {
		current = current.other() // what is started next is another binary in any case
		s.install(current)
		owed := s.owed("later " + moment.name)
		var before int
		var asked sync.WaitGroup
		asked.Go(func() { s.order(command) }) // which hardly succeeds
		rig.Eventually(t, moment.name, func() error {
			now, err := s.status()
			if err == nil && !moment.come(now) {
				err = fmt.Errorf("it has not come: %+v", now.Generations)
			}
			before = now.PID
			return err
		})
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		asked.Wait()
		s.resurrected(before)
		c.callRoll()
		s.serves(func(now condition) error {
			if !now.has("retired", "draining") {
				return errors.New("it does not know of the straggler's worker")
			}
			return nil
		})
		close(slow.gate("later " + moment.name))
		owed.Want("+later " + moment.name + "\r\n")
		owed.WantDo("+again\r\n", "GET", "again")
		s.masterLeads(1)
		owed.WantDo("+moved\r\n", "GET", "moved")
		owed.Conn.Close()
	}
	c.callRoll()
	c.leave()
	if failures := c.check(servers.values); len(failures) > 0 {
		t.Errorf("%s", describe(failures))
	}
	by.stop()
	rig.Eventually(t, "the end of all processes", func() error {
		if left := s.look(); len(left) > 0 {
			return fmt.Errorf("left are %v", left)
		}
		return nil
	})
}

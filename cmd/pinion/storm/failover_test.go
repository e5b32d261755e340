// Masters that sentinels know, while generations and Pinion's own masters follow each other: where they are is never forgotten.

package storm_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// The failover comes while no master of Pinion is there: the next one asks at once. Then the sentinels are gone. Whoever comes then - the workers of a reload, of an upgrade, of a master that follows
// one that was killed, and the one in place of a dead worker - has it from those before where the master is.
func TestE2EMasterIsKnownForGood(t *testing.T) {
	t.Parallel()
	shard := rig.SentinelShard(t, 1)
	s := newScene(t, startStormServers(t), oldRelease, 2)
	options := []string{"redis: true", "timeout: 2000", "sentinels: " + shard.Addresses()}
	s.write(rig.Yaml(rig.Pool{Name: "followed", Listen: s.in["redis"].at, Options: options, Servers: []string{rig.Master + ":1 s0"}}))
	succeeds := func(command string) {
		t.Helper()
		if out, err := s.order(command); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	served := func() error {
		c := rig.Dial(t, s.in["redis"].network, s.in["redis"].at, rig.ReadRESP)
		defer c.Conn.Close()
		if got := c.Do("SET", "k", "v"); got != "+OK\r\n" {
			return fmt.Errorf("the reply is %q", got)
		}
		return nil
	}
	wantServed := func() {
		t.Helper()
		for range 8 {
			if err := served(); err != nil {
				t.Fatal(err)
			}
		}
	}
	killMaster := func() (pid int) {
		pid = s.master()
		s.doom(pid)
		s.kill(pid, syscall.SIGKILL)
		return pid
	}
	wantNextMaster := func(dead int) {
		t.Helper()
		s.start()
		rig.Eventually(t, "the next master", func() error {
			now, err := s.status()
			switch {
			case err != nil:
				return err
			case now.PID == dead || now.Last == nil || now.Last.Outcome != "done":
				return fmt.Errorf("it has not replaced its orphans: %+v", now.Last)
			}
			return nil
		})
	}
	succeeds("reload")
	wantServed()
	before := shard.Current()
	dead := killMaster()
	before.Kill()
	rig.EventuallyWithin(t, 3*rig.Patience, "failing over", func() error {
		if shard.Current() == before {
			return errors.New("the sentinels still name the master that is dead")
		}
		return nil
	})
	wantNextMaster(dead)
	rig.Eventually(t, "being served by the next master", served)
	for _, sentinel := range shard.Sentinels {
		sentinel.Kill()
	}
	succeeds("reload")
	wantServed()
	s.install(newRelease)
	succeeds("upgrade")
	wantServed()
	succeeds("reload")
	wantServed()
	s.masterLeads(2)

	worker := s.workers()[0]
	s.kill(worker, syscall.SIGKILL)
	s.doom(worker)
	rig.Eventually(t, "being served by another worker", func() error {
		if pids := s.workers(); len(pids) != 2 || pids[0] == worker || pids[1] == worker {
			return fmt.Errorf("the workers are %v", pids)
		}
		for range 8 {
			if err := served(); err != nil {
				return err
			}
		}
		return nil
	})

	wantNextMaster(killMaster())
	wantServed()
	s.stop()
}

//go:build failover

// Masters that sentinels know, on trial.

package storm_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// otherMaster is the name of a master that nothing befalls.
const otherMaster = "other"

// shards are a master with a replica that fails over, and one that does not.
type shards struct {
	*rig.Shard
	other *rig.Backend
}

func startShards(t *testing.T) *shards {
	t.Helper()
	s := &shards{rig.SentinelShard(t, 1), rig.RedisServerTCP(t, rig.FreeAddress(t))}
	host, port, _ := net.SplitHostPort(s.other.Address)
	for _, sentinel := range s.Sentinels {
		sentinel.Dial().WantDo("+OK\r\n", "SENTINEL", "SET", rig.Master, "down-after-milliseconds", "1000")
		sentinel.Dial().WantDo("+OK\r\n", "SENTINEL", "MONITOR", otherMaster, host, port, "2")
	}
	return s
}

// keys returns keys of both shards.
func (s *shards) keys(tr *trial) (own, other []string) {
	c := rig.Dial(tr.t, "tcp", tr.q.address, rig.ReadRESP)
	there := s.other.Dial()
	for i := 0; len(own) < counters || len(other) < 3; i++ {
		key := fmt.Sprintf("{%d}", i)
		c.WantDo("+OK\r\n", "SET", key, "v")
		if there.Do("EXISTS", key) == ":1\r\n" {
			other = append(other, key)
		} else {
			own = append(own, key)
		}
	}
	return own, other
}

// published has the times at which sentinels say +switch-master.
func (s *shards) published() <-chan time.Time {
	heard := make(chan time.Time, 64)
	for _, sentinel := range s.Sentinels {
		c := sentinel.Dial()
		c.Do("SUBSCRIBE", "+switch-master")
		go func() {
			for {
				if reply, err := c.Read(c.In); err != nil {
					return
				} else if strings.Contains(reply, "+switch-master") {
					heard <- time.Now()
				}
			}
		}()
	}
	return heard
}

// stopLeader kills the sentinel that leads the failover, when it has made a replica the master and not told the others.
func (s *shards) stopLeader(next *rig.Backend) {
	rig.Eventually(s.T, "a new master", func() error {
		if role := next.Dial().Do("ROLE"); !strings.Contains(role, "master") {
			return errors.New(role)
		}
		return nil
	})
	for _, sentinel := range s.Sentinels {
		if strings.Contains(sentinel.Dial().Do("SENTINEL", "MASTER", rig.Master), "failover_in_progress") {
			sentinel.Kill()
			return
		}
	}
	s.T.Error("no sentinel leads the failover")
}

func TestMeasureSentinels(t *testing.T) {
	order := func(s *shards, _, _ *rig.Backend) { s.Sentinels[0].Dial().Do("SENTINEL", "FAILOVER", rig.Master) }
	kill := func(_ *shards, old, _ *rig.Backend) { old.Kill() }
	lateAtOld := func(tr *trial, old *rig.Backend) { // by now it is there again
		tr.late = fmt.Sprint(writesAsMaster(old, tr.switched.Add(lateAfter)))
	}
	for _, scenario := range []struct {
		name string
		fail func(s *shards, old, next *rig.Backend)
		then func(tr *trial, old *rig.Backend) // after the switch
	}{
		{"SENTINEL FAILOVER", order, lateAtOld},
		{"kill -9", kill, nil},
		{"SIGSTOP and SIGCONT", func(_ *shards, old, _ *rig.Backend) { old.Stop() }, func(tr *trial, old *rig.Backend) {
			time.Sleep(time.Second)
			old.Continue()
			lateAtOld(tr, old) // beyond what lay in its sockets, which it executes at once
		}},
		{"kill -9, and it is started again as a master", kill, func(tr *trial, old *rig.Backend) {
			time.Sleep(time.Second)
			lateAtOld(tr, rig.RedisServerTCP(tr.t, old.Address))
		}},
		{"kill -9, one sentinel dead", func(s *shards, old, _ *rig.Backend) { s.Sentinels[1].Kill(); old.Kill() }, nil},
		{"kill -9, one sentinel hangs", func(s *shards, old, _ *rig.Backend) { s.Sentinels[1].Signal(syscall.SIGSTOP); old.Kill() }, nil},
		{"kill -9, the leader of the failover dies", func(s *shards, old, next *rig.Backend) { old.Kill(); s.stopLeader(next) }, nil},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			s := startShards(t)
			tr := newTrial(t, []string{"sentinels: " + s.Addresses(), `hash_tag: "{}"`}, rig.Master+":1 s0", otherMaster+":1 s1")
			tr.loses = true
			own, other := s.keys(tr)
			tr.witness(own, other, append(own[:3:3], other[:2]...))
			old, next := s.Servers[0], s.Servers[1]
			heard := s.published()
			tr.run(func() {
				scenario.fail(s, old, next)
				select {
				case tr.switched = <-heard:
				case <-time.After(rig.Patience):
					t.Error("no sentinel says that the master is another one")
					tr.switched = time.Now()
				}
				if scenario.then != nil {
					scenario.then(tr, old)
				}
			})
		})
	}
}

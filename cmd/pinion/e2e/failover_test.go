// Failover: masters die, hang or are replaced, and clients of the pool go on with the next one.

package e2e_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// sentinelPool starts Pinion with a pool of one server that fails over.
func sentinelPool(t *testing.T, s *rig.Shard, options ...string) *operated {
	t.Helper()
	address := rig.FreeAddress(t)
	options = append([]string{"redis: true", "timeout: 1000", "sentinels: " + s.Addresses()}, options...)
	return operate(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: options, Servers: []string{rig.Master + ":1 s0"}}), address)
}

// failoverPatience is long enough for sentinels to fail at their first attempt, and to try again.
const failoverPatience = 60 * time.Second

// wantFailover waits until what clients of both workers write is at another server than before, which it returns, and nothing
// connects the proxy with the one that was the master.
func wantFailover(t *testing.T, s *rig.Shard, clients [2]*rig.Client, before *rig.Backend) (after *rig.Backend) {
	t.Helper()
	rig.EventuallyWithin(t, failoverPatience, "failing over", func() error {
		for slot, c := range clients {
			value := fmt.Sprint(slot, " writes")
			if got := c.Do("SET", "where", value); got != "+OK\r\n" {
				return fmt.Errorf("worker %d: %q", slot, got)
			}
			if after = s.Current(); after == before {
				return fmt.Errorf("the sentinels still name %s", before.Address)
			}
			there := after.Dial()
			got := there.Do("GET", "where")
			there.Conn.Close()
			if got != rig.Bulk(value) {
				return fmt.Errorf("what worker %d writes is not at %s, which has %q", slot, after.Address, got)
			}
		}
		return nil
	})
	return after
}

// connectionsTo returns how many connections a server has that are neither a sentinel's, a replica's nor the test's own.
func connectionsTo(server *rig.Backend) (n int) {
	c := server.Dial()
	defer c.Conn.Close()
	for line := range strings.Lines(c.Do("CLIENT", "LIST", "TYPE", "normal")) {
		if strings.Contains(line, " name= ") && !strings.Contains(line, "cmd=client|list") {
			n++
		}
	}
	return n
}

// Each scenario has servers and sentinels of its own.
func TestE2ESentinels(t *testing.T) {
	t.Parallel()
	for _, scenario := range []struct {
		name string
		fail func(p *operated, s *rig.Shard, master *rig.Backend)
	}{
		{"failover", func(p *operated, s *rig.Shard, master *rig.Backend) { // the old master lives, and takes writes for a while
			s.Sentinels[0].Kill() // another one has to do it
			text, err := p.command("failover", "pool", "s0")
			other := s.Servers[1-slices.Index(s.Servers, master)]
			if want := fmt.Sprintf("s0 (%s): %s -> %s, epoch ", rig.Master, master.Address, other.Address); err != nil || !strings.HasPrefix(text, want) {
				t.Errorf("%v; it says\n%swant\n%s", err, text, want)
			}
		}},
		{"dies", func(_ *operated, _ *rig.Shard, master *rig.Backend) { master.Kill() }},
		{"hangs", func(_ *operated, _ *rig.Shard, master *rig.Backend) { master.Stop() }},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			t.Parallel()
			s := rig.SentinelShard(t, 1)
			p := sentinelPool(t, s, "read_from: prefer_replica")
			clients := oneClientPerWorker(t, p.Proxy)
			before := s.Current()
			for _, c := range clients {
				c.WantDo("+OK\r\n", "SET", "k", "v")
			}
			rig.WantReplica(t, clients[0], s.Servers[1-slices.Index(s.Servers, before)], "fit")
			scenario.fail(p, s, before)
			after := wantFailover(t, s, clients, before)
			if before.Ended() {
				return
			}
			before.Continue()
			for _, c := range clients {
				c.WantDo("+OK\r\n", "SET", "later", "value")
			}
			after.Dial().WantDo(rig.Bulk("value"), "GET", "later")
			rig.Eventually(t, "the end of connections to the old master", func() error { // which may have yet to read it
				if n := connectionsTo(before); n != 0 {
					return fmt.Errorf("%d are left", n)
				}
				return nil
			})
		})
	}
}

// A master that is told itself to let its replica be the master says so to Pinion, once it refuses what it is asked. Sentinels do not
// notice for as long as they wait for a master that is down, and longer.
func TestE2EMasterPassesOn(t *testing.T) {
	t.Parallel()
	s := rig.SentinelShard(t, 1)
	for _, sentinel := range s.Sentinels {
		sentinel.Dial().WantDo("+OK\r\n", "SENTINEL", "SET", rig.Master, "down-after-milliseconds", "600000")
	}
	p := sentinelPool(t, s, "failover_wait: 60000")
	clients := oneClientPerWorker(t, p.Proxy)
	for _, c := range clients {
		c.WantDo("+OK\r\n", "SET", "k", "v")
	}
	s.Servers[0].Dial().WantDo("+OK\r\n", "FAILOVER")
	rig.Eventually(t, "the end of its time as a master", func() error {
		if role := s.Servers[0].Dial().Do("ROLE"); !strings.Contains(role, "slave") {
			return errors.New(role)
		}
		return nil
	})
	for i, c := range clients {
		c.WantDo("+OK\r\n", "SET", "k", fmt.Sprint(i))
		s.Servers[1].Dial().WantDo(rig.Bulk(fmt.Sprint(i)), "GET", "k")
	}
	if text, err := p.command("status"); err != nil || !strings.Contains(text, "moved from "+s.Servers[0].Address) || !strings.Contains(text, "disagrees") {
		t.Errorf("%v; the status says\n%s", err, text)
	}
	if text, err := p.command("route", "-c", p.file, "k"); err != nil || !strings.Contains(text, " "+s.Servers[1].Address+", master "+rig.Master+" ") {
		t.Errorf("%v; the key goes to\n%s", err, text)
	}
	text, err := p.command("failover", "pool", "s0")
	if err == nil || !strings.Contains(text, "agrees where the master is") {
		t.Errorf("a failover from there: %v, %s", err, text)
	}
}

// Without sentinels the last address stays, also for new workers.
func TestE2ESentinelsAreGone(t *testing.T) {
	t.Parallel()
	s := rig.SentinelShard(t, 0)
	p := sentinelPool(t, s)
	c := p.Dial()
	c.WantDo("+OK\r\n", "SET", "k", "v")
	agree := func(want int) func() error {
		return func() error {
			if n := p.ServerCounter("s0", "sentinels_agree"); n != want {
				return fmt.Errorf("%d sentinels of %d agree", n, p.ServerCounter("s0", "sentinels"))
			}
			return nil
		}
	}
	rig.Eventually(t, "hearing of all sentinels", agree(3))
	for _, sentinel := range s.Sentinels {
		sentinel.Kill()
	}
	rig.Eventually(t, "missing them", agree(0))
	rig.Eventually(t, "noticing that sentinels are gone", func() error {
		if p.ServerCounter("s0", "stale") != 1 {
			return errors.New("the address is not stale")
		}
		return nil
	})
	c.WantDo(rig.Bulk("v"), "GET", "k")
	p.Signal(syscall.SIGHUP)
	rig.Eventually(t, "reloading", func() error {
		if !strings.Contains(p.Output.String(), "reload to generation 2") {
			return errors.New("not done")
		}
		return nil
	})
	c.WantDo(rig.Bulk("v"), "GET", "k")
	p.Dial().WantDo(rig.Bulk("v"), "GET", "k")
	if info := c.Do("INFO", "pinion"); !strings.Contains(info, ",address="+s.Servers[0].Address+",") || !strings.Contains(info, ",stale=1") {
		t.Errorf("INFO says %q", info)
	}
}

// Replicas: what Pinion finds of real ones, whatever befalls them.

package e2e_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// replicated is servers that Pinion is put in front of.
type replicated struct{ *rig.Replicated }

func startReplicated(t *testing.T) *replicated {
	t.Helper()
	return &replicated{rig.StartReplicated(t)}
}

// pool starts Pinion in front of them.
func (r *replicated) pool(t *testing.T, readFrom string, options ...string) *operated {
	t.Helper()
	address := rig.FreeAddress(t)
	config := fmt.Sprintf("pool:\n  listen: %s\n  redis: true\n  timeout: 5000\n  read_from: %s\n", address, readFrom)
	for _, option := range options {
		config += "  " + option + "\n"
	}
	config += fmt.Sprintf("  servers:\n    - {server: \"%s:1 s0\", replicas: [\"%s\", \"%s\"]}\n", r.Primary.Address, r.Tapped.Address, r.Direct.Address)
	return operate(t, config, address)
}

// What servers say of their replicas is not believed: each is judged by what it says itself, and by how far it is.
func TestE2EReplicasAreJudged(t *testing.T) {
	t.Parallel()
	r := startReplicated(t)
	p := r.pool(t, "prefer_replica", "max_replica_lag: 500")
	c, primary, tapped, direct := p.Dial(), r.Primary.Dial(), r.Tapped.Dial(), r.Direct.Dial()
	rig.WantReplica(t, c, r.Tapped, "fit")
	rig.WantReplica(t, c, r.Direct, "fit")

	r.Tap.Gate.Lock()
	primary.WantDo("+OK\r\n", "SET", "k", "v")
	rig.WantReplica(t, c, r.Tapped, "behind") // its link is up, as it says and the primary
	if info := tapped.Do("INFO", "replication"); !strings.Contains(info, "master_link_status:up") {
		t.Errorf("the link of the replica is down:\n%s", info)
	}
	r.Direct.Stop()
	rig.WantReplica(t, c, r.Direct, "silent")
	r.Direct.Continue()
	rig.WantReplica(t, c, r.Direct, "fit")
	r.Tap.Gate.Unlock()
	rig.WantReplica(t, c, r.Tapped, "fit")

	nobody := strings.Fields(strings.Replace(rig.FreeAddress(t), ":", " ", 1))
	direct.WantDo("+OK\r\n", "REPLICAOF", nobody[0], nobody[1])
	rig.WantReplica(t, c, r.Direct, "link_down")
	direct.WantDo("+OK\r\n", "REPLICAOF", "NO", "ONE")
	rig.WantReplica(t, c, r.Direct, "no_replica")
	host, port, _ := net.SplitHostPort(r.Primary.Address)
	direct.WantDo("+OK\r\n", "REPLICAOF", host, port)
	rig.WantReplica(t, c, r.Direct, "fit")
	r.Tapped.Kill()
	rig.WantReplica(t, c, r.Tapped, "silent")

	p.reloads(t, "")
	rig.WantReplica(t, c, r.Tapped, "silent")
	rig.WantReplica(t, c, r.Direct, "fit")
	rig.Eventually(t, "counting replicas", func() error {
		if all, fit := p.ServerCounter("s0", "replicas"), p.ServerCounter("s0", "replicas_fit"); all != 2 || fit != 1 {
			return fmt.Errorf("the statistics have %d, of which %d are fit", all, fit)
		}
		return nil
	})
}

// Both replicas answer reads, and none that is behind does, or hangs: then the others do, or the primary, and nobody gets an error.
func TestE2EReplicasAreRead(t *testing.T) {
	t.Parallel()
	r := startReplicated(t)
	p := r.pool(t, "prefer_replica", "max_replica_lag: 500")
	c, primary, tapped, direct := p.Dial(), r.Primary.Dial(), r.Tapped.Dial(), r.Direct.Dial()
	c.WantDo("+OK\r\n", "SET", "k", "old")
	for _, replica := range []*rig.Client{tapped, direct} {
		rig.Eventually(t, "reading from a replica", func() error {
			c.Do("GET", "k")
			if stats := replica.Do("INFO", "commandstats"); !strings.Contains(stats, "cmdstat_get:") {
				return fmt.Errorf("it has got no read:\n%s", stats)
			}
			return nil
		})
	}
	r.Tap.Gate.Lock()
	defer r.Tap.Gate.Unlock()
	primary.WantDo("+OK\r\n", "SET", "k", "new")
	rig.WantReplica(t, c, r.Tapped, "behind")
	rig.Eventually(t, "replicating", func() error {
		if got := direct.Do("GET", "k"); got != "$3\r\nnew\r\n" {
			return fmt.Errorf("the replica says %q", got)
		}
		return nil
	})
	for range 50 {
		c.WantDo("$3\r\nnew\r\n", "GET", "k")
	}
	r.Direct.Stop()
	for range 50 {
		c.WantDo("$3\r\nnew\r\n", "GET", "k")
	}
	r.Direct.Continue()
}

// Replicas: what Pinion finds of real ones, whatever befalls them.

package e2e_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// tap stands between a replica and its primary: while it is held, nothing comes to the replica, whose link is up all the same.
type tap struct {
	address string
	gate    sync.Mutex // held: nothing passes
}

func newTap(t *testing.T, to string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", rig.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &tap{address: l.Addr().String()}
	go func() {
		for {
			replica, err := l.Accept()
			if err != nil {
				return
			}
			primary, err := net.Dial("tcp", to)
			if err != nil {
				replica.Close()
				continue
			}
			go func() { io.Copy(primary, replica); primary.Close() }()
			go p.pass(replica, primary)
		}
	}()
	return p
}

func (p *tap) pass(replica, primary net.Conn) {
	defer replica.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := primary.Read(b)
		p.gate.Lock()
		_, failed := replica.Write(b[:n])
		p.gate.Unlock()
		if err != nil || failed != nil {
			return
		}
	}
}

// replicated is a primary, a replica that hears it through a tap, and one that hears it directly.
type replicated struct {
	primary, tapped, direct *rig.Backend
	tap                     *tap
}

func startReplicated(t *testing.T) *replicated {
	t.Helper()
	r := &replicated{primary: rig.RedisServerTCP(t, rig.FreeAddress(t), "--repl-diskless-sync-delay", "0")}
	r.tap = newTap(t, r.primary.Address)
	replicaOf := func(address string) *rig.Backend {
		return rig.RedisServerTCP(t, rig.FreeAddress(t), "--replicaof", strings.Replace(address, ":", " ", 1))
	}
	r.tapped, r.direct = replicaOf(r.tap.address), replicaOf(r.primary.Address)
	return r
}

// pool starts Pinion in front of them.
func (r *replicated) pool(t *testing.T, readFrom string, options ...string) *operated {
	t.Helper()
	address := rig.FreeAddress(t)
	config := fmt.Sprintf("pool:\n  listen: %s\n  redis: true\n  timeout: 5000\n  read_from: %s\n", address, readFrom)
	for _, option := range options {
		config += "  " + option + "\n"
	}
	config += fmt.Sprintf("  servers:\n    - {server: \"%s:1 s0\", replicas: [\"%s\", \"%s\"]}\n", r.primary.Address, r.tapped.Address, r.direct.Address)
	return operate(t, config, address)
}

// wantReplica waits until Pinion says that a replica is in a state.
func wantReplica(t *testing.T, c *rig.Client, replica *rig.Backend, state string) {
	t.Helper()
	rig.Eventually(t, "judging "+replica.Address, func() error {
		for line := range strings.Lines(c.Do("INFO", "pinion")) {
			if strings.Contains(line, "_replica") && strings.Contains(line, "address="+replica.Address+",") {
				if strings.Contains(line, "state="+state+",") {
					return nil
				}
				return fmt.Errorf("want %s: %s", state, line)
			}
		}
		return fmt.Errorf("nothing is said of it")
	})
}

// What servers say of their replicas is not believed: each is judged by what it says itself, and by how far it is.
func TestE2EReplicasAreJudged(t *testing.T) {
	t.Parallel()
	r := startReplicated(t)
	p := r.pool(t, "prefer_replica", "max_replica_lag: 500")
	c, primary, tapped, direct := p.Dial(), r.primary.Dial(), r.tapped.Dial(), r.direct.Dial()
	wantReplica(t, c, r.tapped, "fit")
	wantReplica(t, c, r.direct, "fit")

	r.tap.gate.Lock()
	primary.WantDo("+OK\r\n", "SET", "k", "v")
	wantReplica(t, c, r.tapped, "behind") // its link is up, as it says and the primary
	if info := tapped.Do("INFO", "replication"); !strings.Contains(info, "master_link_status:up") {
		t.Errorf("the link of the replica is down:\n%s", info)
	}
	r.direct.Stop()
	wantReplica(t, c, r.direct, "silent")
	r.direct.Continue()
	wantReplica(t, c, r.direct, "fit")
	r.tap.gate.Unlock()
	wantReplica(t, c, r.tapped, "fit")

	nobody := strings.Fields(strings.Replace(rig.FreeAddress(t), ":", " ", 1))
	direct.WantDo("+OK\r\n", "REPLICAOF", nobody[0], nobody[1])
	wantReplica(t, c, r.direct, "link_down")
	direct.WantDo("+OK\r\n", "REPLICAOF", "NO", "ONE")
	wantReplica(t, c, r.direct, "no_replica")
	host, port, _ := net.SplitHostPort(r.primary.Address)
	direct.WantDo("+OK\r\n", "REPLICAOF", host, port)
	wantReplica(t, c, r.direct, "fit")
	r.tapped.Kill()
	wantReplica(t, c, r.tapped, "silent")

	p.reloads(t, "")
	wantReplica(t, c, r.tapped, "silent")
	wantReplica(t, c, r.direct, "fit")
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
	c, primary, tapped, direct := p.Dial(), r.primary.Dial(), r.tapped.Dial(), r.direct.Dial()
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
	r.tap.gate.Lock()
	defer r.tap.gate.Unlock()
	primary.WantDo("+OK\r\n", "SET", "k", "new")
	wantReplica(t, c, r.tapped, "behind")
	rig.Eventually(t, "replicating", func() error {
		if got := direct.Do("GET", "k"); got != "$3\r\nnew\r\n" {
			return fmt.Errorf("the replica says %q", got)
		}
		return nil
	})
	for range 50 {
		c.WantDo("$3\r\nnew\r\n", "GET", "k")
	}
	r.direct.Stop()
	for range 50 {
		c.WantDo("$3\r\nnew\r\n", "GET", "k")
	}
	r.direct.Continue()
}

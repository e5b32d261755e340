// Reads from replicas: who is asked, and that nobody reads what is older than may be, whatever befalls the replicas.

package e2e_test

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// readsOf returns how many GETs a server has executed.
func readsOf(t *testing.T, server *rig.Backend) (n int) {
	t.Helper()
	c := server.Dial()
	defer c.Conn.Close()
	for line := range strings.Lines(c.Do("INFO", "commandstats")) {
		fmt.Sscanf(line, "cmdstat_get:calls=%d,", &n)
	}
	return n
}

// chronicle is what was written to one key, and when it was acknowledged: the values are numbers in order.
type chronicle struct {
	mutex        sync.Mutex
	acknowledged []time.Time // by value
}

// write writes the next value, by a connection to the primary itself.
func (w *chronicle) write(c *rig.Client) {
	c.WantDo("+OK\r\n", "SET", "k", strconv.Itoa(len(w.acknowledged)))
	w.mutex.Lock()
	w.acknowledged = append(w.acknowledged, time.Now())
	w.mutex.Unlock()
}

// age returns for how long a value had been replaced at a time, as the writer knows; 0: it was not. -1 is that there is none.
func (w *chronicle) age(value int, at time.Time) time.Duration {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if value+1 >= len(w.acknowledged) {
		return 0
	}
	return max(at.Sub(w.acknowledged[value+1]), 0)
}

// TestE2EReplicaReadsAreNotOld has clients read from replicas that are held back, stop, lose their link, get all data anew and die. How old what
// they read may be does not depend on how fast the machine is: it counts from when they asked.
func TestE2EReplicaReadsAreNotOld(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond
	r := startReplicated(t)
	p := r.pool(t, "prefer_replica", "max_replica_lag: 500")
	w, primary, done := &chronicle{}, r.primary.Dial(), make(chan struct{})
	w.write(primary)
	clients := oneClientPerWorker(t, p.Proxy)
	wantReplica(t, clients[0], r.tapped, "fit")
	wantReplica(t, clients[0], r.direct, "fit")
	var group sync.WaitGroup
	stop := sync.OnceFunc(func() { close(done); group.Wait() })
	defer stop()
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				w.write(primary)
			}
		}
	})
	oldest := make([]time.Duration, len(clients))
	for slot, c := range clients {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(3 * time.Millisecond):
				}
				asked := time.Now()
				reply := c.Do("GET", "k")
				value := -1 // as before the first was written
				if reply != "$-1\r\n" {
					_, text, _ := strings.Cut(strings.TrimSuffix(reply, "\r\n"), "\r\n")
					var err error
					if value, err = strconv.Atoi(text); err != nil {
						t.Errorf("worker %d: %q", slot, reply)
						return
					}
				}
				oldest[slot] = max(oldest[slot], w.age(value, asked))
			}
		})
	}
	befallReplicas(t, p, r)
	stop()
	t.Logf("at most %v old; the master was read %d times, the replica that is left %d times", oldest, readsOf(t, r.primary), readsOf(t, r.direct))
	for slot := range clients {
		if oldest[slot] > limit+100*time.Millisecond {
			t.Errorf("worker %d was given what was replaced %v before", slot, oldest[slot])
		}
	}
	if n := readsOf(t, r.direct); n == 0 {
		t.Error("nothing was read from the replica")
	}
}

// befallReplicas has everything happen to replicas, and wants it seen.
func befallReplicas(t *testing.T, p *operated, r *replicated) {
	t.Helper()
	c, primary, direct := p.Dial(), r.primary.Dial(), r.direct.Dial()
	host, port, _ := net.SplitHostPort(r.primary.Address)
	nobody, noPort, _ := net.SplitHostPort(rig.FreeAddress(t))

	r.tap.gate.Lock() // it is behind, and its link is up
	wantReplica(t, c, r.tapped, "behind")
	r.direct.Stop() // nobody is left but the primary
	time.Sleep(1500 * time.Millisecond)
	r.direct.Continue()
	r.tap.gate.Unlock()
	wantReplica(t, c, r.tapped, "fit")
	wantReplica(t, c, r.direct, "fit")

	primary.WantDo("+OK\r\n", "DEBUG", "CHANGE-REPL-ID") // both have to get all data anew
	primary.Do("CLIENT", "KILL", "TYPE", "replica")
	wantReplica(t, c, r.direct, "fit")
	wantReplica(t, c, r.tapped, "fit")

	direct.WantDo("+OK\r\n", "REPLICAOF", nobody, noPort) // its link is down, and the primary lives
	wantReplica(t, c, r.direct, "link_down")
	direct.WantDo("+OK\r\n", "REPLICAOF", host, port)
	wantReplica(t, c, r.direct, "fit")
	r.tapped.Kill()
	wantReplica(t, c, r.tapped, "silent")
}

// Replicas that are fit share the reads; where all is read from the master they get none.
func TestE2EReplicasShareReads(t *testing.T) {
	t.Parallel()
	r := startReplicated(t)
	p := r.pool(t, "master")
	clients := oneClientPerWorker(t, p.Proxy)
	rounds := func() (primary, tapped, direct int) {
		primary, tapped, direct = -readsOf(t, r.primary), -readsOf(t, r.tapped), -readsOf(t, r.direct)
		for range 20 {
			for _, c := range clients {
				c.Send(strings.Repeat(rig.Request("GET", "k"), 25))
			}
			for _, c := range clients {
				for range 25 {
					c.Want("$-1\r\n")
				}
			}
		}
		return primary + readsOf(t, r.primary), tapped + readsOf(t, r.tapped), direct + readsOf(t, r.direct)
	}
	if primary, tapped, direct := rounds(); primary != 1000 || tapped != 0 || direct != 0 {
		t.Errorf("the master was read %d times, and replicas %d and %d times", primary, tapped, direct)
	}
	config, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	p.configure(t, strings.Replace(string(config), "read_from: master", "read_from: prefer_replica", 1))
	p.reloads(t, "")
	wantReplica(t, clients[0], r.tapped, "fit")
	wantReplica(t, clients[0], r.direct, "fit")
	rig.Eventually(t, "sharing reads", func() error { // on a busy machine one may be taken for silent meanwhile
		primary, tapped, direct := rounds()
		if primary > 0 || tapped < 450 || tapped > 550 {
			return fmt.Errorf("the master was read %d times, and replicas %d and %d times", primary, tapped, direct)
		}
		return nil
	})
}

// Reads from replicas: who is asked, and that nobody reads what is older than may be, whatever befalls the replicas.

package e2e_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// TestE2EReplicaReadsAreNotOld has clients read from replicas that are held back, stop, lose their link, get all data anew and die. How old what
// they read may be does not depend on how fast the machine is: it counts from when they asked.
func TestE2EReplicaReadsAreNotOld(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond
	r := startReplicated(t)
	p := r.pool(t, "prefer_replica", "max_replica_lag: 500")
	w, primary, done := &rig.Chronicle{}, r.Primary.Dial(), make(chan struct{})
	w.Write(primary)
	clients := oneClientPerWorker(t, p.Proxy)
	rig.WantReplica(t, clients[0], r.Tapped, "fit")
	rig.WantReplica(t, clients[0], r.Direct, "fit")
	var group sync.WaitGroup
	stop := sync.OnceFunc(func() { close(done); group.Wait() })
	defer stop()
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				w.Write(primary)
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
				oldest[slot] = max(oldest[slot], w.Age(value, asked))
			}
		})
	}
	c := p.Dial()
	r.Hinder(t, c)
	r.Tapped.Kill()
	rig.WantReplica(t, c, r.Tapped, "silent")
	stop()
	t.Logf("at most %v old; the master was read %d times, the replica that is left %d times", oldest, rig.ReadsOf(t, r.Primary), rig.ReadsOf(t, r.Direct))
	for slot := range clients {
		if oldest[slot] > limit+100*time.Millisecond {
			t.Errorf("worker %d was given what was replaced %v before", slot, oldest[slot])
		}
	}
	if n := rig.ReadsOf(t, r.Direct); n == 0 {
		t.Error("nothing was read from the replica")
	}
}

// Replicas that are fit share the reads; where all is read from the master they get none.
func TestE2EReplicasShareReads(t *testing.T) {
	t.Parallel()
	r := startReplicated(t)
	p := r.pool(t, "master")
	clients := oneClientPerWorker(t, p.Proxy)
	rounds := func() (primary, tapped, direct int) {
		primary, tapped, direct = -rig.ReadsOf(t, r.Primary), -rig.ReadsOf(t, r.Tapped), -rig.ReadsOf(t, r.Direct)
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
		return primary + rig.ReadsOf(t, r.Primary), tapped + rig.ReadsOf(t, r.Tapped), direct + rig.ReadsOf(t, r.Direct)
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
	rig.WantReplica(t, clients[0], r.Tapped, "fit")
	rig.WantReplica(t, clients[0], r.Direct, "fit")
	rig.Eventually(t, "sharing reads", func() error { // on a busy machine one may be taken for silent meanwhile
		primary, tapped, direct := rounds()
		if primary > 0 || tapped < 450 || tapped > 550 {
			return fmt.Errorf("the master was read %d times, and replicas %d and %d times", primary, tapped, direct)
		}
		return nil
	})
}

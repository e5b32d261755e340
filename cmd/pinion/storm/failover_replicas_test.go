//go:build failover

// Replicas that are read from, on trial: they are held back, stop, wake, lose their link, get all data anew and die.

package storm_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// age reads a key, and notes how long what it gets had been replaced when it asked.
func (w *witness) age(c *rig.Chronicle, oldest *atomic.Int64) {
	for w.pause() {
		asked := time.Now()
		reply := w.ask(false, rig.Request("GET", "k"))[0]
		value, ok := integer(reply)
		switch {
		case reply == "$-1\r\n":
			value = -1
		case !ok:
			w.executed(reply)
			continue
		}
		age := int64(c.Age(value, asked))
		for was := oldest.Load(); age > was && !oldest.CompareAndSwap(was, age); was = oldest.Load() {
		}
	}
}

func TestMeasureReplicas(t *testing.T) {
	const limit = 500 * time.Millisecond
	r := rig.StartReplicated(t)
	tr := newTrial(t, []string{"read_from: prefer_replica", fmt.Sprint("max_replica_lag: ", limit.Milliseconds())},
		fmt.Sprintf("{server: \"%s:1 s0\", replicas: [\"%s\", \"%s\"]}", r.Primary.Address, r.Tapped.Address, r.Direct.Address))
	tr.pause = time.Second // a new master does not know at once by how much a replica is behind, and only then that it is
	chronicle, primary := &rig.Chronicle{}, r.Primary.Dial()
	chronicle.Write(primary)
	c := rig.Dial(t, "tcp", tr.q.address, rig.ReadRESP)
	rig.WantReplica(t, c, r.Tapped, "fit")
	rig.WantReplica(t, c, r.Direct, "fit")
	var oldest atomic.Int64
	tr.q.group.Go(func() {
		for (&witness{inquest: tr.q}).pause() {
			chronicle.Write(primary)
		}
	})
	for range counters {
		tr.q.admit("reader", false, func(w *witness) { w.age(chronicle, &oldest) })
	}
	tr.run(func() {
		began := []int{rig.ReadsOf(t, r.Primary), rig.ReadsOf(t, r.Tapped), rig.ReadsOf(t, r.Direct)}
		time.Sleep(4 * time.Second)
		t.Logf("in peace the master is read %d times, and its replicas are %d and %d times", rig.ReadsOf(t, r.Primary)-began[0],
			rig.ReadsOf(t, r.Tapped)-began[1], rig.ReadsOf(t, r.Direct)-began[2])
		tr.fault = time.Now()
		rounds := 0
		for ; rounds == 0 || !tr.hasChanged(); rounds++ {
			r.Hinder(t, c)
		}
		t.Logf("all has befallen the replicas %d times in %v", rounds, time.Since(tr.fault).Round(time.Millisecond))
		r.Tapped.Kill()
		rig.WantReplica(t, c, r.Tapped, "silent")
	})
	t.Logf("what was read had been replaced for %v at most", time.Duration(oldest.Load()))
	if oldest.Load() > int64(limit+100*time.Millisecond) {
		t.Errorf("more than %v", limit+100*time.Millisecond)
	}
}

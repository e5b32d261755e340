//go:build failover

// Failovers while generations and masters follow each other, measured. It takes a minute, and a machine that does nothing else:
// go test -tags failover -run MeasureFailover -v ./cmd/pinion/storm

package storm_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

func TestMeasureFailoverInStorm(t *testing.T) {
	shard := rig.SentinelShard(t, 1)
	s := newScene(t, startStormServers(t), oldRelease, 2)
	options := []string{"redis: true", "timeout: 2000", "sentinels: " + shard.Addresses()}
	s.write(rig.Yaml(rig.Pool{Name: "followed", Listen: s.in["redis"].at, Options: options, Servers: []string{rig.Master + ":1 s0"}}))
	if _, err := s.order("reload"); err != nil {
		t.Fatal(err)
	}
	var requests, errors, closed, repeated atomic.Int64
	var mu sync.Mutex
	texts := map[string]int{}
	stop := make(chan struct{})
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			c := rig.Dial(t, s.in["redis"].network, s.in["redis"].at, rig.ReadRESP)
			most := 0 // that the counter may be
			for {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				most++
				requests.Add(1)
				reply, n := c.Do("INCR", fmt.Sprint("counter", i)), 0
				if _, err := fmt.Sscanf(reply, ":%d", &n); err == nil {
					if n > most {
						repeated.Add(int64(n - most))
					}
					most = n
					continue
				}
				errors.Add(1)
				mu.Lock()
				texts[strings.TrimSpace(reply)]++
				mu.Unlock()
				if reply == rig.Closed {
					closed.Add(1)
					c = rig.Dial(t, s.in["redis"].network, s.in["redis"].at, rig.ReadRESP)
				}
			}
		})
	}
	var failovers atomic.Int64
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Millisecond):
			}
			if !follows(shard) { // what the other one has beyond the master would come back with it
				continue
			}
			if reply := shard.Sentinels[0].Dial().Do("SENTINEL", "FAILOVER", rig.Master); strings.HasPrefix(reply, "+OK") {
				failovers.Add(1)
				time.Sleep(3 * time.Second)
			}
		}
	})
	began := time.Now()
	done := map[string]int{}
	current := oldRelease
	for i := 0; i < 20 || failovers.Load() < 4; i++ {
		for _, command := range []string{"reload", "upgrade"} {
			if command == "upgrade" {
				current = current.other()
				s.install(current)
			}
			if out, err := s.order(command); err != nil {
				t.Logf("%v: %s", err, out)
			} else {
				done[command]++
			}
		}
	}
	took := time.Since(began)
	close(stop)
	group.Wait()
	t.Logf("%v in %v, %d failovers: %d requests, %d errors, %d closed, %d repeated", done, took.Round(time.Second), failovers.Load(), requests.Load(),
		errors.Load(), closed.Load(), repeated.Load())
	for text, n := range texts {
		t.Logf("   %6d × %s", n, text)
	}
	s.masterLeads(2)
	s.stop()
}

// follows tells whether the server that is not the master has all that the master has.
func follows(shard *rig.Shard) bool {
	current := shard.Current()
	for _, server := range shard.Servers {
		c := server.Dial()
		info := c.Do("INFO", "replication")
		c.Conn.Close()
		if server != current && !strings.Contains(info, "master_link_status:up") {
			return false
		}
	}
	return true
}

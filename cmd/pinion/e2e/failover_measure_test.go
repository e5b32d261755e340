//go:build failover

// Failover, measured: how long clients cannot write, and what they lose, It takes minutes,
// and a machine that does nothing else: go test -tags failover -run MeasureFailover -v ./cmd/pinion/e2e

package e2e_test

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

const (
	measureWriters = 8
	measureReaders = 4
	measurePause   = 4 * time.Millisecond // between two requests of a client
)

// outcome is one reply to a request.
type outcome struct {
	asked, at time.Time
	reply     string
	write     bool
}

// measured is what clients saw.
type measured struct {
	mu      sync.Mutex
	all     []outcome
	closed  atomic.Int64
	repeats atomic.Int64 // an INCR that has counted twice
	lost    atomic.Int64 // acknowledged INCRs that later ones do not show
}

func (m *measured) add(o outcome) {
	m.mu.Lock()
	m.all = append(m.all, o)
	m.mu.Unlock()
}

// write counts up a key of its own until stop, and compares what the server says with what may be.
func (m *measured) write(p *rig.Proxy, i int, stop <-chan struct{}) {
	c := p.Dial()
	key := fmt.Sprint("counter", i)
	sure, unknown := 0, 0 // requests that were executed, and that may have been, since the last reply
	for {
		select {
		case <-stop:
			return
		case <-time.After(measurePause):
		}
		asked := time.Now()
		reply := c.Do("INCR", key)
		m.add(outcome{asked, time.Now(), reply, true})
		n := 0
		if reply == rig.Closed {
			m.closed.Add(1)
			c = p.Dial()
			unknown++
			continue
		}
		if _, err := fmt.Sscanf(reply, ":%d", &n); err != nil {
			if !strings.Contains(reply, "not executed") {
				unknown++
			}
			continue
		}
		if n > sure+unknown+1 {
			m.repeats.Add(int64(n - sure - unknown - 1))
		}
		if n <= sure {
			m.lost.Add(int64(sure + 1 - n))
		}
		sure, unknown = n, 0
	}
}

func (m *measured) read(p *rig.Proxy, stop <-chan struct{}) {
	c := p.Dial()
	for {
		select {
		case <-stop:
			return
		case <-time.After(measurePause):
		}
		asked := time.Now()
		reply := c.Do("GET", "counter0")
		m.add(outcome{asked, time.Now(), reply, false})
		if reply == rig.Closed {
			m.closed.Add(1)
			c = p.Dial()
		}
	}
}

// published has the times at which sentinels say +switch-master.
func published(s *rig.Shard) <-chan time.Time {
	heard := make(chan time.Time, 16)
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

func incrs(b *rig.Backend) (n int) {
	for line := range strings.Lines(b.Dial().Do("INFO", "commandstats")) {
		fmt.Sscanf(line, "cmdstat_incr:calls=%d", &n)
	}
	return n
}

func TestMeasureFailover(t *testing.T) {
	for _, scenario := range []struct {
		name string
		fail func(s *rig.Shard, master *rig.Backend)
		live bool
	}{
		{"SENTINEL FAILOVER", func(s *rig.Shard, _ *rig.Backend) { s.Sentinels[0].Dial().Do("SENTINEL", "FAILOVER", rig.Master) }, true},
		{"kill -9", func(_ *rig.Shard, m *rig.Backend) { m.Kill() }, false},
		{"SIGSTOP", func(_ *rig.Shard, m *rig.Backend) { m.Stop() }, false},
		{"kill -9, one sentinel dead", func(s *rig.Shard, m *rig.Backend) { s.Sentinels[1].Kill(); m.Kill() }, false},
		{"kill -9, one sentinel hung", func(s *rig.Shard, m *rig.Backend) { s.Sentinels[1].Signal(syscall.SIGSTOP); m.Kill() }, false},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			for _, wait := range []string{"0", "10000"} {
				measureFailover(t, scenario.name, wait, scenario.live, scenario.fail)
			}
		})
	}
}

func measureFailover(t *testing.T, name, wait string, live bool, fail func(*rig.Shard, *rig.Backend)) {
	s := rig.SentinelShard(t, 1)
	for _, sentinel := range s.Sentinels {
		sentinel.Dial().WantDo("+OK\r\n", "SENTINEL", "SET", rig.Master, "down-after-milliseconds", "1000")
	}
	p := sentinelPool(t, s, "failover_wait: "+wait).Proxy
	m := &measured{}
	stop := make(chan struct{})
	var group sync.WaitGroup
	for i := range measureWriters {
		group.Go(func() { m.write(p, i, stop) })
	}
	for range measureReaders {
		group.Go(func() { m.read(p, stop) })
	}
	heard := published(s)
	old := s.Current()
	time.Sleep(time.Second)
	fault := time.Now()
	fail(s, old)
	first := <-heard
	late := 0
	if live {
		time.Sleep(200*time.Millisecond - time.Since(first))
		late = -incrs(old)
	}
	time.Sleep(3 * time.Second)
	if live {
		late += incrs(old)
	}
	close(stop)
	group.Wait()
	report(t, name, wait, m, fault, first, late)
}

func report(t *testing.T, name, wait string, m *measured, fault, first time.Time, late int) {
	sort.Slice(m.all, func(i, k int) bool { return m.all[i].at.Before(m.all[k].at) })
	errors := map[string]int{}
	var gap time.Duration
	last, write := time.Time{}, time.Time{}
	readErrors, writeErrors := 0, 0
	for _, o := range m.all {
		if strings.HasPrefix(o.reply, "-") || o.reply == rig.Closed {
			errors[strings.TrimSpace(o.reply)]++
			if o.write {
				writeErrors++
			} else {
				readErrors++
			}
			continue
		}
		if !o.write {
			continue
		}
		if !last.IsZero() && o.at.Sub(last) > gap {
			gap = o.at.Sub(last)
		}
		last = o.at
		if write.IsZero() && o.at.After(first) {
			write = o.at
		}
	}
	t.Logf("%s, failover_wait %s: +switch-master after %d ms, first write %d ms later, longest gap %d ms; %d requests, %d write errors, %d read errors, %d closed, %d repeated, %d lost, %d late at the old master",
		name, wait, first.Sub(fault).Milliseconds(), write.Sub(first).Milliseconds(), gap.Milliseconds(), len(m.all), writeErrors, readErrors,
		m.closed.Load(), m.repeats.Load(), m.lost.Load(), late)
	for text, n := range errors {
		t.Logf("   %6d × %s", n, text)
	}
}

package master

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

// statsGeneration returns a generation of the configuration that nutcracker ran with when it wrote the golden text.
func statsGeneration(t *testing.T, slots int) *generation {
	t.Helper()
	cfg, err := config.Load("testdata/nutcracker-0.5.0-stats.yml")
	if err != nil {
		t.Fatal(err)
	}
	g := newGeneration(1, cfg, Options{}, make([]int, slots), 0)
	if err := g.share(newMachine().world()); err != nil {
		t.Fatal(err)
	}
	return g
}

var nutcrackerHead = totals.Head{Source: "vm", Version: "0.5.0", Uptime: 1, Timestamp: 1795353332}

func TestStatsAreNutcrackers(t *testing.T) {
	want, err := os.ReadFile("testdata/nutcracker-0.5.0-stats.json")
	if err != nil {
		t.Fatal(err)
	}
	g := statsGeneration(t, 2)
	for slot := range 2 {
		*g.counters.Worker(slot)[link.TotalConnections] = 1
		*g.counters.Worker(slot)[link.CurrConnections] = 1
	}
	got := g.counters.AppendJSON(nil, nutcrackerHead)
	for _, info := range slices.Concat(link.PoolStatistics[link.Fragments+1:], link.ServerCounters[link.OutQueueBytes+1:]) { // those behind its own
		got = bytes.ReplaceAll(got, fmt.Appendf(nil, ", %q:0", info.Name), nil)
	}
	if string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every counter of every slot gets a value of its own; the text must hold the sums, and the latest of the timestamps.
func TestStatsSumSlots(t *testing.T) {
	const slots = 3
	g := statsGeneration(t, slots)
	value := func(slot, pool, server, counter int) uint64 {
		return uint64(1_000_000*(slot+1) + 10_000*(pool+1) + 1000*(server+1) + counter)
	}
	for slot := range slots {
		for pool := range g.pools {
			for c := range g.counters.Pool(slot, pool) {
				*g.counters.Pool(slot, pool)[c] = value(slot, pool, -1, c)
			}
			for server := range g.pools[pool].Servers {
				for c := range g.counters.Server(slot, pool, server) {
					*g.counters.Server(slot, pool, server)[c] = value(slot, pool, server, c)
				}
			}
		}
	}
	var got map[string]any
	if err := json.Unmarshal(g.counters.AppendJSON(nil, nutcrackerHead), &got); err != nil {
		t.Fatal(err)
	}
	check := func(where map[string]any, info link.CounterInfo, pool, server, counter int) {
		var want uint64
		for slot := range slots {
			v := value(slot, pool, server, counter)
			if info.Kind == link.Timestamp {
				want = max(want, v)
			} else {
				want += v
			}
		}
		if where[info.Name] != float64(want) {
			t.Errorf("pool %d, server %d: %s is %v, want %d", pool, server, info.Name, where[info.Name], want)
		}
	}
	for pool := range g.pools {
		in := got[g.pools[pool].Name].(map[string]any)
		for c, info := range link.PoolStatistics {
			check(in, info, pool, -1, c)
		}
		for server, s := range g.pools[pool].Servers {
			for c, info := range link.ServerCounters {
				check(in[s.Name].(map[string]any), info, pool, server, c)
			}
		}
	}
}

// A name that JSON cannot hold as it is must not break the text.
func TestStatsQuoteNames(t *testing.T) {
	g := statsGeneration(t, 1)
	name := "a\"b\\c\n\x01é<&>"
	g.counters.Pools = slices.Clone(g.counters.Pools)
	g.counters.Pools[0].Name = name
	var got map[string]any
	if err := json.Unmarshal(g.counters.AppendJSON(nil, totals.Head{Source: name}), &got); err != nil {
		t.Fatal(err)
	}
	if got["source"] != name || got[name] == nil {
		t.Errorf("got %v", got)
	}
}

// A reader that takes nothing delays nobody: answer returns, and the next one gets everything.
func TestStatsSlowReader(t *testing.T) {
	f := newMachine()
	f.start(t, nil)
	readers := &pipes{conns: make(chan net.Conn)}
	defer close(readers.conns)
	go f.master.statistics.clients.Accept(readers)
	stuck, stuckEnd := net.Pipe() // unbuffered, so that a write waits for its reader
	closed := &noticed{Conn: stuck, closed: make(chan struct{})}
	readers.conns <- closed
	f.master.answerScrape(<-f.master.statistics.clients.Scrapes)
	c, end := net.Pipe()
	readers.conns <- c
	f.master.answerScrape(<-f.master.statistics.clients.Scrapes)
	text, err := io.ReadAll(end)
	if err != nil || !json.Valid(text) || text[len(text)-1] != '\n' {
		t.Errorf("%v in %q", err, text)
	}
	stuckEnd.Close()
	<-closed.closed
}

// pipes is a listener to which the test connects.
type pipes struct {
	net.Listener
	conns chan net.Conn
}

func (p *pipes) Accept() (net.Conn, error) {
	if c, more := <-p.conns; more {
		return c, nil
	}
	return nil, net.ErrClosed
}

// noticed is a connection whose end is noticed.
type noticed struct {
	net.Conn
	closed chan struct{}
}

func (n *noticed) Close() error {
	close(n.closed)
	return n.Conn.Close()
}

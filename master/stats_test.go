package master

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
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

var nutcrackerHead = statsHead{source: "vm", version: "0.5.0", uptime: 1, timestamp: 1795353332}

func TestStatsAreNutcrackers(t *testing.T) {
	want, err := os.ReadFile("testdata/nutcracker-0.5.0-stats.json")
	if err != nil {
		t.Fatal(err)
	}
	g := statsGeneration(t, 2)
	for slot := range 2 {
		g.shared.Worker(slot)[link.TotalConnections] = 1
		g.shared.Worker(slot)[link.CurrConnections] = 1
	}
	if got := g.appendStats(nil, nutcrackerHead); string(got) != string(want) {
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
			for c := range g.shared.Pool(slot, pool) {
				g.shared.Pool(slot, pool)[c] = value(slot, pool, -1, c)
			}
			for server := range g.pools[pool].Servers {
				for c := range g.shared.Server(slot, pool, server) {
					g.shared.Server(slot, pool, server)[c] = value(slot, pool, server, c)
				}
			}
		}
	}
	var got map[string]any
	if err := json.Unmarshal(g.appendStats(nil, nutcrackerHead), &got); err != nil {
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
		for c, info := range link.PoolCounters {
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
	g.pools = slices.Clone(g.pools)
	g.pools[0].Name = name
	var got map[string]any
	if err := json.Unmarshal(g.appendStats(nil, statsHead{source: name}), &got); err != nil {
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
	room := make(chan struct{}, 2)
	room <- struct{}{}
	room <- struct{}{}
	stuck, stuckEnd := net.Pipe() // unbuffered, so that a write waits for its reader
	f.master.answer(&scrape{conn: stuck, room: room})
	c, end := net.Pipe()
	f.master.answer(&scrape{conn: c, room: room})
	text, err := io.ReadAll(end)
	if err != nil || !json.Valid(text) || text[len(text)-1] != '\n' {
		t.Errorf("%v in %q", err, text)
	}
	stuckEnd.Close()
	eventually(t, "room for other scrapes", func() bool { return len(room) == 0 })
}

// Only so many readers are answered at a time, and room is made when one leaves.
func TestScrapeLimit(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	scrapes, done, ended := make(chan *scrape), make(chan struct{}), make(chan struct{})
	go func() { acceptScrapes(l, scrapes, done); close(ended) }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(20 * time.Second))
		return c
	}
	var open []*scrape
	for range maxScrapes {
		dial()
		open = append(open, <-scrapes)
	}
	if n, err := dial().Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("reader %d was sent %d bytes, %v; want a closed connection", maxScrapes+1, n, err)
	}
	open[0].close()
	dial()
	open[0] = <-scrapes

	dial() // one that the loop never takes: room is full again, so it is closed
	open[1].close()
	dial() // one that waits for the loop when the loop is done
	close(done)
	l.Close()
	<-ended
	for _, s := range slices.Concat(open[:1], open[2:]) {
		s.close()
	}
}

// The text waits for one that has sent something, and gives up on one that never closes.
func TestScrapeWithRequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := fmt.Fprint(client, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	room := make(chan struct{}, 1)
	room <- struct{}{}
	sent := strings.Repeat("x", 100_000)
	go (&scrape{conn: conn, room: room}).send([]byte(sent))
	got, err := io.ReadAll(client)
	if err != nil || string(got) != sent {
		t.Errorf("read %d of %d bytes, %v", len(got), len(sent), err)
	}
	client.Close()
	eventually(t, "room for other scrapes", func() bool { return len(room) == 0 })
}

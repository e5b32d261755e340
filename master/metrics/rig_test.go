package metrics

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

// counted makes counters of pools with so many servers each, for so many slots.
func counted(t testing.TB, slots int, pools ...link.Pool) *totals.Counters {
	t.Helper()
	servers := link.ServerCounts(pools)
	shared, err := link.OpenShared(make([]byte, link.SharedBytes(servers, slots)), servers, slots)
	if err != nil {
		t.Fatal(err)
	}
	return &totals.Counters{Shared: shared, Pools: pools, Listens: make([]string, len(pools))}
}

// poolOf makes a pool of servers with these names.
func poolOf(name string, servers ...string) link.Pool {
	p := link.Pool{Name: name}
	for _, s := range servers {
		p.Servers = append(p.Servers, link.Server{Name: s, Network: "tcp", Address: s, Weight: 1})
	}
	return p
}

// viewOf is a view of a service of which one generation is there.
func viewOf(c *totals.Counters) *View {
	var t totals.Totals
	v := &View{
		Build: "1.2.3", PID: os.Getpid(), StartedAt: time.UnixMilli(1_800_000_000_500), Ready: true, Generation: 7, ConfigHash: "0123456789ab", MemoryLimit: 1 << 30, Descriptors: 1000,
		Counts: t.Whole(c, totals.Generations{All: []*totals.Counters{c}}), Topology: link.StaticTopology(c.Pools), Release: func() {},
		Certificates: []Certificate{{"alpha", "server_tls_cert", "/etc/pinion/client.crt", time.Unix(1_900_000_000, 0)}},
		Tally:        map[string]uint64{ReloadsDone: 2, Moved: 11}, Last: &Handoff{At: time.Unix(1_800_000_000, 0), Took: time.Second / 2, LongestPause: time.Millisecond, Done: true},
	}
	for slot := range c.Slots() {
		v.Workers = append(v.Workers, Worker{Slot: slot, PID: os.Getpid(), BornAt: time.Unix(1_800_000_000, 0), Serves: true})
	}
	return v
}

// manyPools makes pools of servers.
func manyPools(pools, servers int) (all []link.Pool) {
	for i := range pools {
		p := link.Pool{Name: fmt.Sprintf("pool-%02d", i)}
		for k := range servers {
			address := fmt.Sprintf("10.0.%d.%d:6379", i, k)
			p.Servers = append(p.Servers, link.Server{Name: address, Network: "tcp", Address: address, Weight: 1})
		}
		all = append(all, p)
	}
	return all
}

// sink is a client that takes everything.
type sink struct {
	header http.Header
	n      int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { s.n = len(b); return len(b), nil }

func BenchmarkScrape(b *testing.B) {
	c := counted(b, 8, manyPools(20, 50)...)
	for pool := range 20 {
		for server := range 50 {
			for slot := range 8 {
				for i := range link.LatencyBuckets {
					c.Latency(slot, pool, server)[i] = uint64(i * 1000)
				}
				for i, word := range c.Server(slot, pool, server) {
					*word = uint64(1_000_000 * (i + 1))
				}
			}
		}
	}
	b.Run("whole", func(b *testing.B) {
		size := 0
		b.ReportAllocs()
		for b.Loop() {
			w := &sink{header: http.Header{}}
			Answer(w, viewOf(c))
			size = w.n
		}
		b.ReportMetric(float64(size), "text-bytes")
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			read(viewOf(c))
		}
	})
	b.Run("write", func(b *testing.B) {
		s, page := read(viewOf(c)), new(text)
		for b.Loop() {
			page.b = page.b[:0]
			s.write(page)
		}
	})
}

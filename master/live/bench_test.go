package live

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/history"
	"github.com/pinion-proxy/pinion/master/metrics"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

// BenchmarkRead is what happens every two seconds, of 20 pools with 50 servers and 8 workers.
func BenchmarkRead(b *testing.B) {
	var pools []link.Pool
	for i := range 20 {
		p := link.Pool{Name: fmt.Sprintf("pool-%02d", i), Hash: "fnv1a_64", Distribution: "ketama"}
		for k := range 50 {
			address := fmt.Sprintf("10.0.%d.%d:6379", i, 10+k)
			p.Servers = append(p.Servers, link.Server{Name: address, Network: "tcp", Address: address, Weight: 1})
		}
		pools = append(pools, p)
	}
	servers := link.ServerCounts(pools)
	shared, err := link.OpenShared(make([]byte, link.SharedBytes(servers, 8)), servers, 8)
	if err != nil {
		b.Fatal(err)
	}
	c := &totals.Counters{Shared: shared, Pools: pools, Listens: make([]string, len(pools))}
	r, h, now, size := NewReader(), history.New(), epoch, 0
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(history.ShortStep)
		var sums totals.Totals
		v := &metrics.View{PID: os.Getpid(), Counts: sums.Whole(c, totals.Generations{All: []*totals.Counters{c}}), Topology: link.StaticTopology(pools), Release: func() {}}
		s, happened := r.Read(&Source{View: v}, now)
		if happened != nil {
			h.Record(happened)
		}
		text, err := json.Marshal(s.Brief(""))
		if err != nil {
			b.Fatal(err)
		}
		size = len(text)
	}
	b.ReportMetric(float64(size), "bytes-to-a-page")
	b.ReportMetric(float64(time.Duration(b.Elapsed())/time.Duration(b.N))/float64(history.ShortStep), "of-a-CPU")
}

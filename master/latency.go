// How long servers take to reply: what one generation leaves to the next of it, and what the status tells.

package master

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

// latencies is a histogram as it travels to another version, whose buckets may be others: counts by the bound of their
// bucket in µs. Empty buckets are left out.
type latencies map[string]uint64

func latenciesOf(counts *[link.LatencyBuckets]uint64) latencies {
	l := latencies{}
	for bucket, n := range counts {
		if n > 0 {
			l[strconv.FormatInt(link.LatencyBound(bucket).Microseconds(), 10)] = n
		}
	}
	return l
}

// counts puts each count into the bucket in which the greatest latency below its bound belongs. What is no bound is left
// out.
func (l latencies) counts() (counts [link.LatencyBuckets]uint64) {
	for bound, n := range l {
		us, err := strconv.ParseInt(bound, 10, 64)
		if err == nil && us > 0 && us <= int64(maxLatencyBound/time.Microsecond) {
			counts[link.LatencyBucket(int64(time.Duration(us)*time.Microsecond)-1)] += n
		}
	}
	return counts
}

// maxLatencyBound is a bound beyond which there is no histogram.
const maxLatencyBound = 24 * time.Hour

// latencyCounts adds up the histogram of a server over slots, from the first to the one before end.
func (g *generation) latencyCounts(pool, server, first, end int) (sum [link.LatencyBuckets]uint64) {
	for slot := first; slot < end; slot++ {
		words := g.shared.Latency(slot, pool, server)
		for bucket := range words {
			sum[bucket] += atomic.LoadUint64(&words[bucket])
		}
	}
	return sum
}

// inheritLatencies puts a histogram into the slot of what earlier generations have counted.
func (g *generation) inheritLatencies(pool, server int, counts *[link.LatencyBuckets]uint64) {
	words := g.shared.Latency(g.shared.Legacy(), pool, server)
	for bucket := range words {
		atomic.StoreUint64(&words[bucket], counts[bucket])
	}
}

// poolStatus tells how the pools and their servers are.
func (g *generation) poolStatus() []PoolStatus {
	pools := make([]PoolStatus, len(g.pools))
	for i := range g.pools {
		p := &pools[i]
		p.Name, p.Listen = g.pools[i].Name, g.config.Pools[i].Listen.Text
		p.Clients = g.shared.Clients(i)
		for k, s := range g.pools[i].Servers {
			counts := g.shared.SumLatency(i, k)
			percentile := func(q float64) int64 { return link.Quantile(&counts, q).Microseconds() }
			p.Servers = append(p.Servers, ServerStatus{
				Name: s.Name, Address: s.Address,
				State:       shard.Liveness(atomic.LoadUint64(g.shared.Liveness(i, k))).State().String(),
				Connections: g.shared.SumServer(i, k, link.ServerConnections),
				Requests:    g.shared.SumServer(i, k, link.Requests),
				EOF:         g.shared.SumServer(i, k, link.ServerEOF),
				Errors:      g.shared.SumServer(i, k, link.ServerErr),
				Timeouts:    g.shared.SumServer(i, k, link.ServerTimedout),
				P50US:       percentile(0.5), P99US: percentile(0.99), P999US: percentile(0.999),
			})
		}
	}
	return pools
}

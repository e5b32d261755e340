// Differences: what happened since the last read, and percentiles of the moment.

package live

import (
	"github.com/pinion-proxy/pinion/master/history"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

// seen is what the last read has found of a server.
type seen struct {
	totals.Server
	recent history.Histogram // replies, those of a read ago counting three quarters of those since
	read   uint64            // number of the read that has found it
}

// recentUnit is how much a reply counts in recent when it is new: enough that what is left of it after some reads is a whole number.
const recentUnit = 64

// since returns what grew. A counter that is less than it was begins anew: then nothing is known of what happened.
func since(now, before uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

// age makes room for what is new.
func age(h *history.Histogram) {
	for bucket, n := range h {
		h[bucket] = n - (n+3)/4
	}
}

// grow counts what is new, and returns it.
func (s *seen) grow(now *totals.Server) (latencies history.Histogram) {
	age(&s.recent)
	for bucket := range latencies {
		latencies[bucket] = since(now.Latencies[bucket], s.Latencies[bucket])
		s.recent[bucket] += latencies[bucket] * recentUnit
	}
	return latencies
}

func addHistogram(to, from *history.Histogram) {
	for bucket, n := range from {
		to[bucket] += n
	}
}

// percentiles puts those of a histogram into a flow.
func (f *Flow) percentiles(h *history.Histogram) {
	f.P50, f.P99, f.P999 = link.Quantile(h, 0.5).Microseconds(), link.Quantile(h, 0.99).Microseconds(), link.Quantile(h, 0.999).Microseconds()
}

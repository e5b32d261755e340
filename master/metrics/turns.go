// How long turns of workers take.

package metrics

import (
	"math"
	"sync/atomic"

	dto "github.com/prometheus/client_model/go"

	"github.com/pinion-proxy/pinion/worker/link"
)

// turns is the histogram of a worker: how many turns took no longer than each bound, all of them at last, and their time together.
type turns struct {
	below   [link.TurnBuckets]uint64
	seconds float64
}

func turnsOf(words *link.WorkerWords) (t turns) {
	all := uint64(0)
	for bucket := range t.below {
		all += atomic.LoadUint64(words[link.FirstTurnBucket+bucket])
		t.below[bucket] = all
	}
	t.seconds = float64(atomic.LoadUint64(words[link.TurnMicros])) / 1e6
	return t
}

// turnTimes are the histograms of all workers.
func (s *scrape) turnTimes() *dto.MetricFamily {
	name, help, kind := turnsName, turnsHelp, dto.MetricType_HISTOGRAM
	f := &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
	for i := range s.turns {
		t := &s.turns[i]
		h := &dto.Histogram{SampleCount: &t.below[link.TurnBuckets-1], SampleSum: &t.seconds}
		for bucket := range t.below {
			bound := math.Inf(1)
			if bucket < link.TurnBuckets-1 {
				bound = link.TurnBound(bucket).Seconds()
			}
			h.Bucket = append(h.Bucket, &dto.Bucket{CumulativeCount: &t.below[bucket], UpperBound: &bound})
		}
		f.Metric = append(f.Metric, &dto.Metric{Label: labels(turnsLabels, s.slot(i)), Histogram: h})
	}
	return f
}

package totals

import (
	"maps"
	"strconv"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Another version may have other buckets; what it cannot have meant is left out.
func TestForeignLatencies(t *testing.T) {
	counts := Latencies{"100": 1, "150": 2, "1": 4, "0": 8, "-5": 16, "x": 32, "99999999999999999": 64}.counts()
	if got, want := latenciesOf(&counts), (Latencies{"104": 1, "160": 2, "1": 4}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// latenciesOf returns the histogram of counts by bucket, see link.LatencyBucket.
func latenciesOf(counts *[link.LatencyBuckets]uint64) Latencies {
	l := Latencies{}
	for bucket, n := range counts {
		if n > 0 {
			l[strconv.FormatInt(link.LatencyBound(bucket).Microseconds(), 10)] = n
		}
	}
	return l
}

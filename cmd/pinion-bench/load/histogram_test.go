// The histogram against a sorted list of all that was added.

package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAgainstSortedList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{1, 2, 3, 10, 1000, 20_000} {
		var whole, half Histogram
		var exact []time.Duration
		for i := range size {
			d := time.Duration(math.Exp(random.Float64() * 24)) // from 1 ns to 26 s, evenly over magnitudes
			exact = append(exact, d)
			if i%2 == 0 {
				whole.Add(d, 1)
			} else {
				half.Add(d, 1)
			}
		}
		whole.Merge(&half)
		slices.Sort(exact)
		if whole.Count() != uint64(size) || whole.Max() != exact[size-1] {
			t.Errorf("of %d: count %d, longest %v, want %v", size, whole.Count(), whole.Max(), exact[size-1])
		}
		for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
			want := exact[max(int(q*float64(size)+0.5), 1)-1]
			got := whole.Quantile(q)
			if got < want || float64(got-want) > float64(want)/128 {
				t.Errorf("of %d: quantile %v is %v, want %v to 1/128 more", size, q, got, want)
			}
		}
	}
}

func TestAddCountsAsOften(t *testing.T) {
	var h Histogram
	h.Add(10, 99)
	h.Add(1000, 1)
	if h.Quantile(0.99) != 10 || h.Quantile(1) != 1000 || h.Count() != 100 {
		t.Errorf("p99 %v, p100 %v of %d", h.Quantile(0.99), h.Quantile(1), h.Count())
	}
}

func TestEmptyHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Max() != 0 {
		t.Errorf("an empty histogram has %v and %v", h.Quantile(0.5), h.Max())
	}
}

// Every duration lies in a bucket that ends with it or later, and the one before ends earlier.
func TestBucketEdges(t *testing.T) {
	for shift := range 40 {
		for _, d := range []time.Duration{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			i := bucketOf(d)
			if i < 0 || i >= bucketCount || longestOf(i) < d || i > 0 && longestOf(i-1) >= d {
				t.Errorf("%d ns: bucket %d of %d", d, i, bucketCount)
			}
		}
	}
	var h Histogram
	h.Add(-time.Second, 1)
	h.Add(time.Hour, 1)
	if h.Quantile(0.5) != 0 || h.Max() != maxLatency {
		t.Errorf("beyond the range: %v and %v", h.Quantile(0.5), h.Max())
	}
}

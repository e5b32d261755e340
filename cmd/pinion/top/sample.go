// Samples: what the proxy says of itself at one moment.

package top

import (
	"fmt"
	"io"
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	names "github.com/prometheus/common/model"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Sample is what the proxy says of itself at one moment.
type Sample struct {
	At      time.Time
	Status  admin.Status
	Metrics Metrics
	Clients []link.ClientState // nil: they were not asked for
}

// Metrics are those that Prometheus gets, by name.
type Metrics map[string][]point

// point is one sample of a metric.
type point struct {
	labels  map[string]string
	value   float64
	buckets []bucket // of a histogram, the bounds ascending; value is their number then
}

// bucket counts what is at most its bound.
type bucket struct {
	bound float64 // seconds
	count float64
}

// ParseMetrics reads the text that Prometheus gets.
func ParseMetrics(text io.Reader) (Metrics, error) {
	parser := expfmt.NewTextParser(names.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	all := Metrics{}
	for name, f := range families {
		for _, m := range f.Metric {
			all[name] = append(all[name], pointOf(m))
		}
	}
	return all, nil
}

func pointOf(m *dto.Metric) point {
	p := point{labels: map[string]string{}}
	for _, l := range m.Label {
		p.labels[l.GetName()] = l.GetValue()
	}
	switch {
	case m.Histogram != nil:
		p.value = float64(m.Histogram.GetSampleCount())
		for _, b := range m.Histogram.Bucket {
			p.buckets = append(p.buckets, bucket{b.GetUpperBound(), float64(b.GetCumulativeCount())})
		}
	case m.Counter != nil:
		p.value = m.Counter.GetValue()
	case m.Gauge != nil:
		p.value = m.Gauge.GetValue()
	default:
		p.value = m.Untyped.GetValue()
	}
	return p
}

// where are labels that a point has to have. Those without a value may have any.
type where map[string]string

func (p *point) fits(w where) bool {
	for name, value := range w {
		if value != "" && p.labels[name] != value {
			return false
		}
	}
	return true
}

// sum adds up the points of a metric.
func (m Metrics) sum(name string, w where) (total float64) {
	for i := range m[name] {
		if m[name][i].fits(w) {
			total += m[name][i].value
		}
	}
	return total
}

// span is the time between two samples.
type span struct{ now, before *Sample }

// seconds returns how long it is; 0: nothing is known of rates.
func (s span) seconds() float64 {
	if s.before == nil {
		return 0
	}
	return max(0, s.now.At.Sub(s.before.At).Seconds())
}

// rate returns by how much counters grew in a second. Of one that has gone back, has come or has gone meanwhile nothing is known.
func (s span) rate(name string, w where) float64 {
	if s.seconds() == 0 {
		return 0
	}
	before := map[string]float64{}
	for i := range s.before.Metrics[name] {
		p := &s.before.Metrics[name][i]
		before[p.key()] = p.value
	}
	grown := 0.0
	for i := range s.now.Metrics[name] {
		p := &s.now.Metrics[name][i]
		if was, known := before[p.key()]; known && p.fits(w) {
			grown += max(0, p.value-was)
		}
	}
	return grown / s.seconds()
}

// key is the same for the points of one series.
func (p *point) key() string { return fmt.Sprint(p.labels) }

// quantile returns below which time the share q of the replies of the span was, in seconds; NaN: there were none.
func (s span) quantile(q float64, name string, w where) float64 {
	grown := map[float64]float64{}
	var bounds []float64
	both := s.inBoth(name)
	add := func(from *Sample, sign float64) {
		if from == nil {
			return
		}
		for i := range from.Metrics[name] {
			p := &from.Metrics[name][i]
			if !p.fits(w) || s.before != nil && !both[p.key()] {
				continue
			}
			for _, b := range p.buckets {
				if _, met := grown[b.bound]; !met {
					bounds = append(bounds, b.bound)
				}
				grown[b.bound] += sign * b.count
			}
		}
	}
	add(s.now, 1)
	add(s.before, -1)
	return quantileOf(q, sorted(bounds), grown)
}

// inBoth has the series of a histogram that both samples have, and that have not begun anew between them.
func (s span) inBoth(name string) map[string]bool {
	both := map[string]bool{}
	if s.before == nil {
		return both
	}
	before := map[string]float64{}
	for i := range s.before.Metrics[name] {
		p := &s.before.Metrics[name][i]
		before[p.key()] = p.value
	}
	for i := range s.now.Metrics[name] {
		p := &s.now.Metrics[name][i]
		if was, known := before[p.key()]; known && p.value >= was {
			both[p.key()] = true
		}
	}
	return both
}

// quantileOf interpolates in the bucket that has the q-th share.
func quantileOf(q float64, bounds []float64, cumulated map[float64]float64) float64 {
	if len(bounds) == 0 || cumulated[bounds[len(bounds)-1]] <= 0 {
		return math.NaN()
	}
	rank := q * cumulated[bounds[len(bounds)-1]]
	lower, below := 0.0, 0.0
	for _, bound := range bounds {
		count := cumulated[bound]
		if count >= rank {
			if math.IsInf(bound, 1) {
				return lower
			}
			return lower + (bound-lower)*(rank-below)/max(count-below, 1)
		}
		lower, below = bound, count
	}
	return lower
}

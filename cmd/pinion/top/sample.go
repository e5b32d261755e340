// Samples: what the proxy says of itself at one moment.

package top

import (
	"fmt"
	"io"
	"iter"
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
	Unheard []string           // workers whose clients are not among them, and why
}

// Metrics are those that Prometheus gets, by name.
type Metrics map[string]*family

// family has the samples of a metric.
type family struct {
	points   []point
	bySeries map[string]int      // where the point of a series is
	byServer map[[2]string][]int // where those of a server of a pool are
}

// point is one sample of a metric.
type point struct {
	labels  map[string]string
	series  string // the labels in a row: the same in all samples
	value   float64
	buckets []bucket // of a histogram, the bounds ascending; value is their number then
}

func (f *family) add(p point) {
	if f.bySeries == nil {
		f.bySeries, f.byServer = map[string]int{}, map[[2]string][]int{}
	}
	f.bySeries[p.series] = len(f.points)
	if server := p.labels["server"]; server != "" {
		of := [2]string{p.labels["pool"], server}
		f.byServer[of] = append(f.byServer[of], len(f.points))
	}
	f.points = append(f.points, p)
}

// earlier returns the point of the same series; nil: it was not there. f may be nil.
func (f *family) earlier(p *point) *point {
	if f == nil {
		return nil
	}
	if i, has := f.bySeries[p.series]; has {
		return &f.points[i]
	}
	return nil
}

// fitting calls do with the points that fit. Those of one server are found without a look at the others.
func (m Metrics) fitting(name string, w where) iter.Seq[*point] {
	return func(yield func(*point) bool) {
		f := m[name]
		if f == nil {
			return
		}
		if w["pool"] != "" && w["server"] != "" {
			for _, i := range f.byServer[[2]string{w["pool"], w["server"]}] {
				if f.points[i].fits(w) && !yield(&f.points[i]) {
					return
				}
			}
			return
		}
		for i := range f.points {
			if f.points[i].fits(w) && !yield(&f.points[i]) {
				return
			}
		}
	}
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
		all[name] = &family{}
		for _, m := range f.Metric {
			all[name].add(pointOf(m))
		}
	}
	return all, nil
}

func pointOf(m *dto.Metric) point {
	p := point{labels: map[string]string{}}
	for _, l := range m.Label {
		p.labels[l.GetName()] = l.GetValue()
		p.series += l.GetName() + "=" + l.GetValue() + "\x00"
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
	for p := range m.fitting(name, w) {
		total += p.value
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
	grown := 0.0
	for p := range s.now.Metrics.fitting(name, w) {
		if was := s.before.Metrics[name].earlier(p); was != nil {
			grown += max(0, p.value-was.value)
		}
	}
	return grown / s.seconds()
}

// quantile returns below which time the share q of the replies of the span was, or of all if there is one sample only, in seconds; NaN: there
// were none.
func (s span) quantile(q float64, name string, w where) float64 {
	grown := map[float64]float64{}
	var bounds []float64
	add := func(p *point, sign float64) {
		for _, b := range p.buckets {
			if _, met := grown[b.bound]; !met {
				bounds = append(bounds, b.bound)
			}
			grown[b.bound] += sign * b.count
		}
	}
	for p := range s.now.Metrics.fitting(name, w) {
		if s.before == nil {
			add(p, 1)
		} else if was := s.before.Metrics[name].earlier(p); was != nil && was.value <= p.value {
			add(p, 1)
			add(was, -1)
		}
	}
	return quantileOf(q, sorted(bounds), grown)
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

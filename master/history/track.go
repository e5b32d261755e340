// Tracks: what is kept of one pool, or of all together.

package history

import (
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	ShortStep  = 2 * time.Second
	ShortSteps = 300 // ten minutes
	LongStep   = 5 * time.Minute
	LongSteps  = 288 // a day
)

// Values of a pool, in the order of Names.
const (
	rate    = iota // requests per second
	errs           // errors per second
	p50            // µs
	p99            // µs
	p999           // µs
	clients        // connected, at the end of the step
	waiting        // bytes of requests that wait, at the end of the step
	numValues
)

// Names are the names of the values of a pool.
var Names = [numValues]string{"rate", "errors", "p50", "p99", "p999", "clients", "bytes"}

// Histogram counts replies by link.LatencyBucket.
type Histogram = [link.LatencyBuckets]uint64

// Counted is what happened between two moments.
type Counted struct {
	Requests, Errors uint64
	Latencies        Histogram
	Clients, Bytes   uint64 // at the end
}

// add adds what happened later.
func (c *Counted) add(later *Counted) {
	c.Requests += later.Requests
	c.Errors += later.Errors
	for bucket, n := range &later.Latencies {
		c.Latencies[bucket] += n
	}
	c.Clients, c.Bytes = later.Clients, later.Bytes
}

// values are what is kept of it, if it took so long.
func (c *Counted) values(took time.Duration) (v [numValues]float32) {
	v[rate], v[errs] = float32(float64(c.Requests)/took.Seconds()), float32(float64(c.Errors)/took.Seconds())
	for i, q := range map[int]float64{p50: 0.5, p99: 0.99, p999: 0.999} {
		v[i] = None
		if d := link.Quantile(&c.Latencies, q); d > 0 {
			v[i] = float32(d.Microseconds())
		}
	}
	v[clients], v[waiting] = float32(c.Clients), float32(c.Bytes)
	return v
}

// Track is the history of a pool, or of all together.
type Track struct {
	Seen        int64 // when it was last recorded, in s since the epoch
	Short, Long [numValues]Ring
	Step        int64         // the long step that is under way
	Took        time.Duration // of it, what is in Sum
	Sum         Counted
}

func newTrack() *Track {
	t := new(Track)
	for i := range numValues {
		t.Short[i], t.Long[i] = newRing(ShortSteps), newRing(LongSteps)
	}
	return t
}

// record takes what happened in an interval. Every short step after the one of shown gets its average.
func (t *Track) record(in *Interval, shown time.Time, c *Counted) {
	t.Seen = in.To.Unix()
	took := in.To.Sub(in.From)
	for i, value := range c.values(took) {
		t.Short[i].fill(shown, in.To, value)
	}
	if step := stepOf(in.To, LongStep); step != t.Step {
		t.Step, t.Took, t.Sum = step, 0, Counted{}
	}
	t.Took += took
	t.Sum.add(c)
	for i, value := range t.Sum.values(t.Took) {
		t.Long[i].set(t.Step, value)
	}
}

// Rate is the history of a server: requests per second.
type Rate struct {
	Seen        int64
	Short, Long Ring
	Step        int64
	Took        time.Duration
	Requests    uint64
}

func newRate() *Rate { return &Rate{Short: newRing(ShortSteps), Long: newRing(LongSteps)} }

func (r *Rate) record(in *Interval, shown time.Time, requests uint64) {
	r.Seen = in.To.Unix()
	took := in.To.Sub(in.From)
	r.Short.fill(shown, in.To, float32(float64(requests)/took.Seconds()))
	if step := stepOf(in.To, LongStep); step != r.Step {
		r.Step, r.Took, r.Requests = step, 0, 0
	}
	r.Took += took
	r.Requests += requests
	r.Long.set(r.Step, float32(float64(r.Requests)/r.Took.Seconds()))
}

func stepOf(at time.Time, step time.Duration) int64 { return at.UnixNano() / int64(step) }

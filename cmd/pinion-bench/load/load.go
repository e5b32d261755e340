// The load as its user sees it: connect, drive, close; and what was measured.

package load

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// connectWave is how many connections are made at a time; the next wave begins when all of these have had a reply, so
// that no accept queue overflows.
const connectWave = 100

// Limit bounds a Drive: no request begins after Time, nor beyond Requests; what comes first ends it. Zero is no bound,
// but one of the two must be there.
type Limit struct {
	Requests uint64
	Time     time.Duration
}

// Result is what a Drive has measured.
type Result struct {
	Elapsed time.Duration // until the last reply
	Latency Histogram     // from the send of a batch to each of its replies; counts the right replies
	Errors  int           // connections that broke or got a wrong reply; each is closed
	Err     error         // the first of them
}

// Requests returns how many requests were answered as they must be.
func (r *Result) Requests() uint64 { return r.Latency.Count() }

// PerSecond returns the throughput, in requests.
func (r *Result) PerSecond() float64 { return float64(r.Requests()) / r.Elapsed.Seconds() }

// Load is a set of connected clients.
type Load struct {
	spec    Spec
	threads []*thread
	stop    atomic.Bool
}

// Connect makes all connections, and one request on each. An error closes them.
func Connect(ctx context.Context, s Spec) (*Load, error) {
	w, err := newWorkload(s)
	if err != nil {
		return nil, err
	}
	l := &Load{spec: s}
	for range s.Threads {
		t, err := newThread(w, s.Connections/s.Threads+1, &l.stop)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l.threads = append(l.threads, t)
	}
	for first := 0; first < s.Connections && err == nil; first += connectWave {
		err = l.connect(ctx, first, min(first+connectWave, s.Connections))
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// connect makes the connections with these ids.
func (l *Load) connect(ctx context.Context, from, to int) error {
	for id := from; id < to; id++ {
		t := l.threads[id%len(l.threads)]
		if err := t.connect(uint64(id), l.spec.Addresses[id%len(l.spec.Addresses)], 1); err != nil {
			return err
		}
	}
	result, err := l.run(ctx, 0)
	return errors.Join(err, result.Err)
}

// Drive sends requests until a limit is reached and all replies are there.
func (l *Load) Drive(ctx context.Context, limit Limit) (Result, error) {
	if limit == (Limit{}) {
		return Result{}, errors.New("a load needs a bound: of time, or of requests")
	}
	for _, t := range l.threads {
		for i := range t.conns {
			t.conns[i].budget = share(limit.Requests, t.conns[i].id, uint64(l.spec.Connections))
		}
	}
	return l.run(ctx, limit.Time)
}

// share returns how many of all requests the connection id of n makes.
func share(requests, id, n uint64) uint64 {
	switch {
	case requests == 0:
		return math.MaxUint64
	case id < requests%n:
		return requests/n + 1
	}
	return requests / n
}

// run drives all threads and returns what they measured together.
func (l *Load) run(ctx context.Context, limit time.Duration) (Result, error) {
	defer context.AfterFunc(ctx, func() { l.stop.Store(true) })()
	begin := time.Now()
	errs := make([]error, len(l.threads))
	var wg sync.WaitGroup
	for i, t := range l.threads {
		wg.Go(func() { errs[i] = onCPUs(l.spec.CPUs, func() error { return t.drive(limit) }) })
	}
	wg.Wait()
	total := Result{Elapsed: time.Since(begin)}
	for _, t := range l.threads {
		total.Latency.Merge(&t.result.Latency)
		total.Errors += t.result.Errors
		if total.Err == nil {
			total.Err = t.result.Err
		}
		t.result = Result{}
	}
	return total, errors.Join(errs...)
}

// onCPUs runs f on a thread that is restricted to cpus meanwhile.
func onCPUs(cpus []int, f func() error) error {
	if cpus == nil {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := sock.Affinity()
	if err != nil {
		return err
	}
	if err := sock.SetAffinity(cpus); err != nil {
		return err
	}
	defer sock.SetAffinity(before)
	return f()
}

// Close ends all connections.
func (l *Load) Close() error {
	var errs []error
	for _, t := range l.threads {
		errs = append(errs, t.closeAll())
	}
	return errors.Join(errs...)
}

// Fill writes the value of every key, and Check reads them all; both see to every reply. For a load of misses there is
// nothing to write, and nothing must be there.
func Fill(ctx context.Context, s Spec) error {
	if s.Operation == Miss {
		return Check(ctx, s)
	}
	return sweep(ctx, s, Set)
}

// Check reads every key once and compares its value.
func Check(ctx context.Context, s Spec) error {
	if s.Operation == Miss {
		return sweep(ctx, s, Miss)
	}
	return sweep(ctx, s, Get)
}

// sweep does one operation once for each key. The first ones are done twice, since connecting makes a request already.
func sweep(ctx context.Context, s Spec, o Operation) error {
	if err := s.check(); err != nil { // as it was asked for, not as it is changed here
		return err
	}
	const batchBytes = 1 << 20 // outstanding on one connection
	s.Operation, s.InOrder, s.Threads = o, true, 1
	s.Connections = min(len(s.Addresses)*4, s.Keys)
	s.Pipeline = max(min(100, batchBytes/max(s.ValueBytes, 1)), 1)
	l, err := Connect(ctx, s)
	if err != nil {
		return err
	}
	defer l.Close()
	result, err := l.Drive(ctx, Limit{Requests: uint64(s.Keys)})
	return errors.Join(err, result.Err)
}

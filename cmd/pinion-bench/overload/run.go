// One experiment: the load, its end, and what is seen meanwhile.

package overload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	witnesses  = 4                      // who ask the bystander, and after the load the others
	leastEvery = 10 * time.Millisecond  // each
	wellAfter  = time.Second            // without a failure a server is well again
	patience   = 100 * time.Second      // for that
	settle     = 500 * time.Millisecond // before what comes is measured: the load has begun
)

// Experiment is a load and the proxy that it goes to.
type Experiment struct {
	Address   string        // of the proxy
	Servers   []string      // addresses of the servers that get too much
	Keys      [][]string    // for each server some of its keys, see FindKeys; the last is the bystander's
	Capacity  int           // of each server, requests a second
	Timeout   time.Duration // of the proxy
	Operation Operation
	Clients   int
	Depth     int           // requests that each client sends at once
	Time      time.Duration // of the load
}

// Operation is what the clients ask.
type Operation string

const (
	Set  Operation = "set"  // of one server
	MGet Operation = "mget" // of all at once
)

// Result is what has come of it. Ratios are of what the servers can do.
type Result struct {
	Asked      float64       // more than 1: too much
	Done       float64       // by the servers
	Good       float64       // and answered in time
	P50, P99   time.Duration // of those
	LateWrites int           // executed a timeout or longer after their clients had theirs
	Oldest     time.Duration // write, when it was executed
	Recovery   time.Duration // from the end of the load to the last failure
	Bystander  int           // requests to a server with nothing to do that failed
	Worst      time.Duration // that one of those waited
	Broken     int           // connections of clients
}

// FindKeys asks through the proxy which server has which key, until it knows some of each.
func FindKeys(address string, names []string) ([][]string, error) {
	const each = 5
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	in := bufio.NewReader(c)
	found := make([][]string, len(names))
	for n, missing := 0, len(names); missing > 0; n++ {
		key := fmt.Sprint("key:", n)
		if _, err := c.Write(get(key)); err != nil {
			return nil, err
		}
		line, err := in.ReadString('\n')
		if err != nil || line[0] != '$' {
			return nil, fmt.Errorf("asking who has %s: %q, %v", key, line, err)
		}
		name, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		for i, want := range names {
			if name == want+"\r\n" && len(found[i]) < each {
				found[i] = append(found[i], key)
				if len(found[i]) == each {
					missing--
				}
			}
		}
	}
	return found, nil
}

// Run runs the experiment.
func (e *Experiment) Run(ctx context.Context) (r Result, err error) {
	last := len(e.Keys) - 1
	bystander := gather(witnesses, e.witnessEvery(), true, func(int) *client {
		return e.client(e.Keys[last], 1, e.witnessEvery())
	})
	load := gather(e.Clients, min(e.Timeout, settle), false, e.loader)
	done, took, failed := e.watch(ctx, load)
	stopped := time.Now()
	ended := make(chan tally)
	go func() { ended <- load.end() }()
	r.Recovery = e.recovery(ctx, stopped)
	t, b := <-ended, bystander.end()
	final, err := e.ledger()

	possible := took.Seconds() * float64(e.Capacity*len(e.Servers))
	parts := float64(e.parts())
	r.Asked, r.Done, r.Good = float64(t.asked)*parts/possible, float64(done)/possible, float64(len(t.good))*parts/possible
	r.P50, r.P99 = quantile(t.good, 0.5), quantile(t.good, 0.99)
	r.LateWrites, r.Oldest = final.Late, final.Oldest
	r.Bystander, r.Worst = b.errors+b.late+b.broken, b.longest
	r.Broken = t.broken
	return r, errors.Join(failed, err, ctx.Err())
}

// watch measures the load, and returns how many requests the servers have executed meanwhile.
func (e *Experiment) watch(ctx context.Context, load *crowd) (done int, took time.Duration, err error) {
	time.Sleep(settle)
	before, errBefore := e.ledger()
	began := time.Now()
	load.counts.Store(true)
	select {
	case <-time.After(e.Time):
	case <-ctx.Done():
	}
	took = time.Since(began)
	load.counts.Store(false)
	after, errAfter := e.ledger()
	return after.Requests - before.Requests, took, errors.Join(errBefore, errAfter)
}

// ClientsFor returns how many clients ask factor times what the servers can do, if each waits for the timeout.
func (e *Experiment) ClientsFor(factor int) int {
	requests := float64(factor*e.Capacity*len(e.Servers)) / float64(e.parts()) * e.Timeout.Seconds()
	return max(1, int(requests)/e.Depth)
}

// parts returns what a request costs the servers.
func (e *Experiment) parts() int {
	if e.Operation == MGet {
		return len(e.Servers)
	}
	return 1
}

// loader returns the i-th client of the load.
func (e *Experiment) loader(i int) *client {
	if e.Operation == MGet {
		args := []string{"MGET"}
		for _, keys := range e.Keys[:len(e.Servers)] {
			args = append(args, keys[i%len(keys)])
		}
		request := command(args...)
		return &client{address: e.Address, timeout: e.Timeout, depth: e.Depth, request: func(int) []byte { return request }}
	}
	return e.client(e.Keys[i%len(e.Servers)], e.Depth, 0)
}

// client returns one that writes some of keys.
func (e *Experiment) client(keys []string, depth int, every time.Duration) *client {
	return &client{
		address: e.Address, timeout: e.Timeout, depth: depth, every: every,
		request: func(n int) []byte { return set(keys[n%len(keys)]) },
	}
}

// recovery asks the servers now and then until all is well, and returns when it was not for the last time.
func (e *Experiment) recovery(ctx context.Context, stopped time.Time) time.Duration {
	failedAt := stopped
	every := e.witnessEvery()
	for deadline := stopped.Add(patience); time.Now().Before(deadline) && ctx.Err() == nil; {
		asking := gather(witnesses*len(e.Servers), every, true, func(i int) *client {
			return e.client(e.Keys[i%len(e.Servers)], 1, every)
		})
		time.Sleep(wellAfter)
		t := asking.end()
		if t.failedAt.IsZero() {
			break
		}
		failedAt = t.failedAt
	}
	return failedAt.Sub(stopped)
}

// witnessEvery returns how often each witness asks: all of them for no more than half of what a server can do.
func (e *Experiment) witnessEvery() time.Duration {
	return max(leastEvery, 2*witnesses*time.Second/time.Duration(e.Capacity))
}

// ledger returns what all servers that get too much have done.
func (e *Experiment) ledger() (sum Ledger, err error) {
	for _, address := range e.Servers {
		l, err := ReadLedger(address)
		if err != nil {
			return sum, err
		}
		sum.Requests += l.Requests
		sum.Writes += l.Writes
		sum.Late += l.Late
		sum.Oldest = max(sum.Oldest, l.Oldest)
	}
	return sum, nil
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

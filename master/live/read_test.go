package live

import (
	"os"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/metrics"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

var epoch = time.Unix(1_800_000_000, 0)

// counted makes counters of a pool with two servers and two slots.
func counted(t *testing.T) *totals.Counters {
	t.Helper()
	pools := []link.Pool{{Name: "alpha", Protocol: link.Redis, Hash: "fnv1a_64", Distribution: "modula", AutoEjectHosts: true, Servers: []link.Server{
		{Name: "one", Network: "tcp", Address: "10.0.0.1:6379", Weight: 1}, {Name: "two", Network: "tcp", Address: "10.0.0.2:6379", Weight: 3},
	}}}
	servers := link.ServerCounts(pools)
	shared, err := link.OpenShared(make([]byte, link.SharedBytes(servers, 2)), servers, 2)
	if err != nil {
		t.Fatal(err)
	}
	return &totals.Counters{Shared: shared, Pools: pools, Listens: make([]string, 1)}
}

// sourceOf is what the loop hands out.
func sourceOf(t *testing.T, c *totals.Counters) *Source {
	released := false
	t.Cleanup(func() {
		if !released {
			t.Error("a view was not released")
		}
	})
	var sums totals.Totals
	v := &metrics.View{
		PID: os.Getpid(), Generation: 7, Counts: sums.Whole(c, totals.Generations{All: []*totals.Counters{c}}), Topology: link.StaticTopology(c.Pools),
		Release: func() { released = true },
	}
	for slot := range c.Slots() {
		v.Workers = append(v.Workers, metrics.Worker{Slot: slot, PID: os.Getpid(), BornAt: epoch.Add(-time.Minute), Serves: true})
	}
	return &Source{View: v, Phase: "serving", Listens: []string{"127.0.0.1:1"}}
}

func TestRead(t *testing.T) {
	c, r := counted(t), NewReader()
	*c.Server(0, 0, 0)[link.Requests] = 1_000_000 // before anybody looked
	if s, happened := r.Read(sourceOf(t, c), epoch); happened != nil || s.Rate != 0 || s.Pools[0].Servers[0].State != "live" {
		t.Errorf("the first read: %+v, %+v", s, happened)
	}
	for slot := range 2 {
		*c.Server(slot, 0, 0)[link.Requests] += 100
		*c.Server(slot, 0, 1)[link.Requests] += 50
		*c.Server(slot, 0, 1)[link.ServerTimedout] += 3
		*c.Server(slot, 0, 1)[link.InQueueBytes] = 7
		c.Latency(slot, 0, 0)[link.LatencyBucket(int64(time.Millisecond))] += 100
		*c.PoolCounter(slot, 0, link.ForwardError) += 1
		*c.PoolCounter(slot, 0, link.FirstErrorWord) += 2
		for i := link.FirstErrorWord + link.NumErrorWords; i < len(link.PoolCounters); i++ { // clients that are gone, and the like, are no errors
			*c.PoolCounter(slot, 0, i) += 1000
		}
		*c.PoolCounter(slot, 0, link.ClientConnections) = 5
	}
	s, happened := r.Read(sourceOf(t, c), epoch.Add(2*time.Second))
	p := s.Pools[0]
	if p.Rate != 150 || s.Rate != 150 || p.Servers[0].Rate != 100 || p.Servers[1].Rate != 50 {
		t.Errorf("rates: %g %g %g %g", s.Rate, p.Rate, p.Servers[0].Rate, p.Servers[1].Rate)
	}
	if p.Errors != 6 || p.Servers[1].Errors != 3 || p.Servers[1].Timeouts != 3 { // (2 × (3 + 1 + 2)) in 2 s
		t.Errorf("errors: %g, %g", p.Errors, p.Servers[1].Errors)
	}
	if p.P50 < 1000 || p.P50 > 1125 || s.P99 != p.P50 || p.Servers[1].P50 != 0 {
		t.Errorf("percentiles: %d %d %d", p.P50, s.P99, p.Servers[1].P50)
	}
	if p.Servers[0].Share != 0.25 || p.Servers[1].Share != 0.75 || p.Listen != "127.0.0.1:1" || p.Bytes != 14 {
		t.Errorf("got %+v", p)
	}
	if len(s.Workers) != 2 || s.Workers[1].Clients != 5 || s.Workers[0].Age != 62 || s.Workers[0].RSS == 0 {
		t.Errorf("workers: %+v", s.Workers)
	}
	if happened.Total.Requests != 300 || happened.Pools[0].Errors != 12 || happened.Pools[0].Servers[1].Requests != 100 ||
		happened.Pools[0].Latencies[link.LatencyBucket(int64(time.Millisecond))] != 200 || !happened.From.Equal(epoch) {
		t.Errorf("happened: %+v", happened.Total.Requests)
	}
}

// Percentiles are of about the last ten seconds: what was slow before is forgotten, also if nothing comes any more.
func TestPercentilesAreOfTheMoment(t *testing.T) {
	c, r, now := counted(t), NewReader(), epoch
	r.Read(sourceOf(t, c), now)
	c.Latency(0, 0, 0)[link.LatencyBucket(int64(time.Second))] += 1000
	var s *State
	for range 3 {
		now = now.Add(2 * time.Second)
		s, _ = r.Read(sourceOf(t, c), now)
	}
	if s.P99 < 1_000_000 {
		t.Errorf("after 4 s: %d", s.P99)
	}
	for range 15 {
		now = now.Add(2 * time.Second)
		c.Latency(0, 0, 0)[link.LatencyBucket(int64(time.Millisecond))] += 1000
		s, _ = r.Read(sourceOf(t, c), now)
	}
	if s.P50 > 1125 {
		t.Errorf("p50 after 30 s: %d", s.P50)
	}
	for range 100 {
		now = now.Add(2 * time.Second)
		s, _ = r.Read(sourceOf(t, c), now)
	}
	if s.P50 != 0 || s.P999 != 0 {
		t.Errorf("without requests: %d, %d", s.P50, s.P999)
	}
}

// An ejected server has none of the ring, and it is told why.
func TestEjectedServer(t *testing.T) {
	c, r := counted(t), NewReader()
	r.Read(sourceOf(t, c), epoch)
	*c.Liveness(0, 1) = uint64(ejected(t))
	*c.Ejection(0, 1) = uint64(link.NewEjection(link.TroubleRefused, epoch.UnixMilli()))
	s, _ := r.Read(sourceOf(t, c), epoch.Add(2*time.Second))
	one, two := s.Pools[0].Servers[0], s.Pools[0].Servers[1]
	if one.Share != 1 || two.Share != 0 || two.State != "ejected" || two.Why != "connection refused" || two.Since != epoch.UnixMilli() {
		t.Errorf("got %+v, %+v", one, two)
	}
}

// Counters that begin anew are no traffic, and what there is no more is forgotten.
func TestCountersThatBeginAnew(t *testing.T) {
	c, r := counted(t), NewReader()
	*c.Server(0, 0, 0)[link.Requests] = 1000
	r.Read(sourceOf(t, c), epoch)
	*c.Server(0, 0, 0)[link.Requests] = 10
	if s, _ := r.Read(sourceOf(t, c), epoch.Add(2*time.Second)); s.Rate != 0 {
		t.Errorf("got %g", s.Rate)
	}
	c.Pools[0].Servers = c.Pools[0].Servers[:1]
	c.Pools[0].Name = "beta"
	r.Read(sourceOf(t, c), epoch.Add(4*time.Second))
	if len(r.servers) != 1 || len(r.pools) != 1 || len(r.rings) != 1 {
		t.Errorf("remembers %d servers, %d pools, %d rings", len(r.servers), len(r.pools), len(r.rings))
	}
}

// Who waits to be accepted is told of the pool, whoever of its workers is to accept.
func TestAcceptQueues(t *testing.T) {
	c, r := counted(t), NewReader()
	read := func(at time.Duration, dropped uint64) Pool {
		s := sourceOf(t, c)
		for slot := range 2 {
			s.Queues = append(s.Queues, metrics.AcceptQueue{Pool: "alpha", Slot: slot, AcceptQueue: sock.AcceptQueue{Waiting: 2, Limit: 128, Dropped: dropped}})
		}
		s.Queues = append(s.Queues, metrics.AcceptQueue{Pool: "other", AcceptQueue: sock.AcceptQueue{Waiting: 9, Dropped: 9 * dropped}})
		state, _ := r.Read(s, epoch.Add(at))
		return state.Pools[0]
	}
	if p := read(0, 100); p.Unaccepted != 4 || p.Dropped != 0 {
		t.Errorf("the first read: %d wait, %g are dropped in a second", p.Unaccepted, p.Dropped)
	}
	if p := read(2*time.Second, 110); p.Unaccepted != 4 || p.Dropped != 10 {
		t.Errorf("%d wait, %g are dropped in a second", p.Unaccepted, p.Dropped)
	}
	if p := read(4*time.Second, 3); p.Dropped != 0 { // another socket
		t.Errorf("%g are dropped in a second", p.Dropped)
	}
}

// Certificates are told of when their end is near.
func TestEndingCertificates(t *testing.T) {
	c, r := counted(t), NewReader()
	s := sourceOf(t, c)
	for file, left := range map[string]time.Duration{"late": 31 * 24 * time.Hour, "soon": 29 * 24 * time.Hour} {
		s.Certificates = append(s.Certificates, metrics.Certificate{Pool: "alpha", Key: "server_tls_cert", File: file, Ends: epoch.Add(left)})
	}
	state, _ := r.Read(s, epoch)
	if len(state.Ending) != 1 || state.Ending[0].File != "soon" || state.Ending[0].Ends != epoch.Add(29*24*time.Hour).UnixMilli() {
		t.Errorf("got %+v", state.Ending)
	}
}

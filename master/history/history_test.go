package history

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

var epoch = time.Unix(1_800_000_000, 0) // a multiple of either step

// interval is one in which a pool got so many requests per second, each of which took so long.
func interval(from time.Time, took time.Duration, perSecond int, latency time.Duration) *Interval {
	n := uint64(float64(perSecond) * took.Seconds())
	c := Counted{Requests: n, Errors: n / 10, Clients: 7, Bytes: 9}
	c.Latencies[link.LatencyBucket(int64(latency))] = n
	return &Interval{From: from, To: from.Add(took), Total: c, Pools: []Pool{{Name: "alpha", Counted: c, Servers: []Server{{"one", n}}}}}
}

func chart(t *testing.T, h *History, pool string, long bool, now time.Time) Chart {
	t.Helper()
	c, has := h.Chart(pool, long, now)
	if !has {
		t.Fatalf("no pool %q", pool)
	}
	return c
}

func last(values []float32, n int) []float32 { return values[len(values)-n:] }

func TestShortSteps(t *testing.T) {
	h, now := New(), epoch
	for i := range 5 {
		h.Record(interval(now, ShortStep, 100*(i+1), time.Millisecond))
		now = now.Add(ShortStep)
	}
	c := chart(t, h, "alpha", false, now)
	if got, want := last(c.Values["rate"], 6), []float32{None, 100, 200, 300, 400, 500}; !slices.Equal(got, want) {
		t.Errorf("rates: got %v, want %v", got, want)
	}
	if got := last(c.Values["errors"], 1)[0]; got != 50 {
		t.Errorf("errors: got %v", got)
	}
	if got := last(c.Values["p99"], 1)[0]; got < 1000 || got > 1125 {
		t.Errorf("p99: got %v", got)
	}
	if got := last(c.Servers["one"], 2); !slices.Equal(got, []float32{400, 500}) {
		t.Errorf("server: got %v", got)
	}
	if c.StepSeconds != 2 || c.Last != now.Unix() || len(c.Values["rate"]) != ShortSteps || len(c.Values) != len(Names) {
		t.Errorf("got %d, %d, %d", c.StepSeconds, c.Last, len(c.Values["rate"]))
	}
	if all := chart(t, h, "", false, now); !slices.Equal(all.Values["rate"], c.Values["rate"]) || all.Servers != nil {
		t.Error("all together differ from the only pool")
	}
	if _, has := h.Chart("beta", false, now); has {
		t.Error("got a pool that there is not")
	}
}

// An interval that is late leaves no gap; a time in which nobody records does, and without traffic no latency is made up.
func TestGaps(t *testing.T) {
	h := New()
	h.Record(interval(epoch, 3*ShortStep, 100, time.Millisecond))
	later := epoch.Add(9 * ShortStep)
	h.Record(interval(later, ShortStep, 0, 0))
	c := chart(t, h, "alpha", false, later.Add(ShortStep))
	if got, want := last(c.Values["rate"], 11), []float32{None, 100, 100, 100, None, None, None, None, None, None, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := last(c.Values["p50"], 1)[0]; got != None {
		t.Errorf("p50 of nothing: %v", got)
	}
	if got := slices.IndexFunc(chart(t, h, "alpha", false, later.Add(time.Hour)).Values["rate"], func(v float32) bool { return v != None }); got >= 0 {
		t.Errorf("after an hour there is something in the last ten minutes: %d", got)
	}
}

func TestClockSetBack(t *testing.T) {
	h := New()
	h.Record(interval(epoch, ShortStep, 100, time.Millisecond))
	h.Record(&Interval{From: epoch.Add(ShortStep), To: epoch.Add(-time.Hour)})
	h.Record(interval(epoch.Add(-time.Hour), ShortStep, 5, time.Millisecond))
	h.Record(&Interval{To: epoch})
	if got := last(chart(t, h, "", false, epoch.Add(-time.Hour+ShortStep)).Values["rate"], 2); !slices.Equal(got, []float32{None, 5}) {
		t.Errorf("got %v", got)
	}
	if got := last(chart(t, h, "", false, epoch.Add(ShortStep)).Values["rate"], 2); !slices.Equal(got, []float32{None, None}) {
		t.Errorf("what was known before the clock was set back is still shown: %v", got)
	}
}

func TestLongSteps(t *testing.T) {
	h, now := New(), epoch
	for range 2 * LongStep / ShortStep {
		perSecond := 100
		if now.Before(epoch.Add(LongStep)) {
			perSecond = 300
		}
		h.Record(interval(now, ShortStep, perSecond, time.Duration(perSecond)*time.Microsecond))
		now = now.Add(ShortStep)
	}
	c := chart(t, h, "alpha", true, now.Add(-ShortStep))
	if got, want := last(c.Values["rate"], 3), []float32{None, 300, 101}; !slices.Equal(got, want) { // a step has what was told in it
		t.Errorf("got %v, want %v", got, want)
	}
	if got := last(c.Values["p50"], 2); got[0] < 300 || got[0] > 340 || got[1] < 100 || got[1] > 115 {
		t.Errorf("p50: %v", got)
	}
	if got := last(c.Servers["one"], 2); !slices.Equal(got, []float32{300, 101}) {
		t.Errorf("server: %v", got)
	}
}

func TestFile(t *testing.T) {
	h := New()
	h.Record(interval(epoch, ShortStep, 100, time.Millisecond))
	h.Note(Handoff{At: epoch, Kind: "reload", Outcome: "under way"})
	h.Note(Handoff{At: epoch, Kind: "reload", Outcome: "done"})
	var file bytes.Buffer
	if err := h.Write(&file); err != nil {
		t.Fatal(err)
	}
	text := file.Bytes()
	read, err := Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	// The next master begins to record three steps later.
	read.Record(interval(epoch.Add(4*ShortStep), ShortStep, 200, time.Millisecond))
	now := epoch.Add(5 * ShortStep)
	if got := last(chart(t, read, "alpha", false, now).Values["rate"], 6); !slices.Equal(got, []float32{None, 100, 200, 200, 200, 200}) {
		t.Errorf("got %v", got)
	}
	if got := last(chart(t, read, "alpha", true, now).Values["rate"], 2); !slices.Equal(got, []float32{None, 150}) {
		t.Errorf("long: got %v", got)
	}
	if len(read.Handoffs) != 1 || read.Handoffs[0].Outcome != "done" {
		t.Errorf("handoffs: %+v", read.Handoffs)
	}
	for n := range len(text) { // no part of a file is taken for the whole
		if n%101 == 0 {
			if _, err := Read(bytes.NewReader(text[:n])); err == nil {
				t.Fatalf("took the first %d bytes", n)
			}
		}
	}
	if _, err := Read(strings.NewReader("pinion history 2\nwhatever")); !errors.Is(err, ErrFormat) {
		t.Errorf("got %v", err)
	}
	h.Total.Short[0].Values = h.Total.Short[0].Values[1:]
	file.Reset()
	if err := h.Write(&file); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(&file); err == nil {
		t.Error("took rings of other lengths")
	}
}

// However many names there are, the history stays as large as it is said to.
func TestBounded(t *testing.T) {
	h, now := New(), epoch
	for i := range MaxPools + 10 {
		one := interval(now, ShortStep, 1, time.Millisecond)
		one.Pools[0].Name = fmt.Sprint("pool", i)
		for k := range 20 {
			one.Pools[0].Servers = append(one.Pools[0].Servers, Server{fmt.Sprint("server", i, k), 1})
		}
		h.Record(one)
		h.Note(Handoff{At: now})
	}
	if len(h.Pools) != MaxPools || len(h.Servers) != MaxServers || len(h.Handoffs) > MaxHandoffs {
		t.Errorf("%d pools, %d servers, %d handoffs", len(h.Pools), len(h.Servers), len(h.Handoffs))
	}
	h.Record(interval(now.Add(time.Minute), ShortStep, 1, time.Millisecond)) // those that are gone make room
	if len(h.Pools) != 1 || len(h.Servers) != 1 {
		t.Errorf("%d pools, %d servers", len(h.Pools), len(h.Servers))
	}
}

// A number that JSON does not have would be an empty answer until it has scrolled out.
func TestNoNumberInFile(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		h := New()
		h.Total.Long[0].Values[7] = float32(v)
		var b bytes.Buffer
		if err := h.Write(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&b); err == nil {
			t.Errorf("%g was read", v)
		}
	}
}

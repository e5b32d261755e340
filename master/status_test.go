package master

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Whoever takes the first pid of the status for that of a worker is right: what serves comes first, and nothing that has
// ended has a pid.
func TestStatusNamesOnlyWhatLives(t *testing.T) {
	one := func(number uint64, processes ...*process.Worker) *generation {
		g := &generation{number: number}
		for i, p := range processes {
			s := &slot{index: i, generation: g, process: p}
			if p != nil {
				s.state = slotDraining
			}
			g.slots = append(g.slots, s)
		}
		return g
	}
	lives := func(pid int) *process.Worker { return &process.Worker{PID: pid} }
	g := generations{
		serving: one(4, lives(40), nil),
		coming:  one(5, lives(50)),
		retired: []*generation{one(1, nil, nil), one(2, lives(20), nil), one(3, lives(30))},
	}
	text, err := json.Marshal(g.status("", epoch))
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		State   string
		Workers []struct{ PID *int }
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	got := new(strings.Builder)
	for _, g := range all {
		got.WriteString(g.State)
		for _, w := range g.Workers {
			if w.PID == nil {
				got.WriteString(" -")
			} else {
				fmt.Fprint(got, " ", *w.PID)
			}
		}
		got.WriteString("; ")
	}
	if want := "serving 40 -; next 50; retired 30; retired 20; "; got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}

// A server that no sentinel has found is not said to live.
func TestStatusOfServerThatIsNotFound(t *testing.T) {
	ejected, _ := shard.Liveness(0).Fail(1, 1, 1)
	for _, test := range []struct {
		address string
		word    shard.Liveness
		down    bool
		want    string
	}{
		{"", 0, false, "unknown"}, {"", 0, true, "unknown"}, {"127.0.0.1:1", 0, false, "live"}, {"127.0.0.1:1", 0, true, "down"},
		{"127.0.0.1:1", ejected, false, "ejected"}, {"127.0.0.1:1", ejected, true, "ejected"},
	} {
		if got := stateOf(test.address, test.word, test.down); got != test.want {
			t.Errorf("at %q: %q, want %q", test.address, got, test.want)
		}
	}
}

// Who asks learns why a server is ejected, and when it is asked again.
func TestEjectedStatus(t *testing.T) {
	const now, since = 5_000, 1_800_000_000_000
	ejected, _ := shard.Liveness(0).Fail(now, 1, 30_000)
	word := link.NewEjection(link.TroubleSilent, since).Rejected(link.TroubleLoading)
	got := ejectedStatus(ejected, word, now+10_000)
	want := &admin.EjectedStatus{Since: time.UnixMilli(since), Why: "loading its data", NextMS: 20_000}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("it is %+v, want %+v", got, want)
	}
	probing, _ := ejected.Claim(now+30_000, 1_000)
	if got = ejectedStatus(probing, word, now+30_000); got == nil || got.NextMS != 0 {
		t.Errorf("while it is probed it is %+v", got)
	}
	if got = ejectedStatus(0, word, now); got != nil {
		t.Errorf("once it is live it is %+v", got)
	}
}

// Who asks learns how many of its keys a server has that is back.
func TestStartingStatus(t *testing.T) {
	const since, over = 1_000_000, 33_000
	for _, test := range []struct {
		since, now int64
		want       *admin.StartingStatus
	}{
		{0, since, nil},
		{since, since, &admin.StartingStatus{Percent: 3, LeftMS: over}},
		{since, since + over/2, &admin.StartingStatus{Percent: 51, LeftMS: over - over/2}},
		{since, since + over - 1, &admin.StartingStatus{Percent: 96, LeftMS: 1}},
	} {
		if got := startingStatus(test.since, over, test.now); !reflect.DeepEqual(got, test.want) {
			t.Errorf("at %d: %+v, want %+v", test.now, got, test.want)
		}
	}
}

// Which servers start is read from shared memory, as workers do.
func TestStarts(t *testing.T) {
	f := newMachine()
	g := named(t, f, 1, "x", "y")
	p, now := &g.pools[0], sock.Monotonic()/int64(time.Millisecond)
	*g.counters.StartedAt(0, 0) = uint64(now)
	if got := g.counters.Starts(0, now); got[0] != 0 {
		t.Errorf("without slow_start x starts since %d", got[0])
	}
	p.AutoEjectHosts, p.SlowStart = true, time.Hour
	if got := g.counters.Starts(0, now); got[0] != now || got[1] != 0 {
		t.Errorf("x starts since %d, y since %d, want %d and 0", got[0], got[1], now)
	}
	if x, y := g.counters.Share(0, 0), g.counters.Share(0, 1); x <= 0 || x >= 1 || y != 1 {
		t.Errorf("x has %v of its keys, y %v", x, y)
	}
	if got := g.poolStatus()[0].Servers; got[0].Starting == nil || got[1].Starting != nil {
		t.Errorf("the status has %+v and %+v", got[0].Starting, got[1].Starting)
	}
	*g.counters.Liveness(0, 0) = 1 << 48
	if got, share := g.counters.Starts(0, now), g.counters.Share(0, 0); got[0] != 0 || share != 0 {
		t.Errorf("ejected, x starts since %d, and has %v of its keys", got[0], share)
	}
}

// A gauge by itself, in front of servers that are a formula.

package core

import (
	"testing"
	"time"
)

const gaugeTimeout = int64(400 * time.Millisecond)

// drive has a server answer everything at once after what it takes, as often as that, and returns the limit. More is always
// asked than it may owe.
func (g *gauge) drive(batches int, takes func(owed int) time.Duration) int {
	now := int64(time.Hour)
	for range batches {
		owed := g.limit
		g.wrote(owed, 0, 0, now)
		now += int64(takes(owed))
		g.answered(owed, now, gaugeTimeout/gaugePart, firstOwed)
	}
	return g.limit
}

func TestGauge(t *testing.T) {
	each := func(d time.Duration) func(int) time.Duration {
		return func(owed int) time.Duration { return time.Duration(owed) * d }
	}
	for _, test := range []struct {
		name        string
		way         time.Duration
		takes       func(owed int) time.Duration
		least, most int
	}{
		{"1,000 a second", 0, each(time.Millisecond), 90, 110},
		{"1,000 a second, far away", 80 * time.Millisecond, func(owed int) time.Duration {
			return 80*time.Millisecond + each(time.Millisecond)(owed)
		}, 90, 110},
		{"50 a second", 0, each(20 * time.Millisecond), 4, 6},
		{"2 a second", 0, each(500 * time.Millisecond), 1, 1},
		{"any number, far away", 150 * time.Millisecond, func(int) time.Duration { return 150 * time.Millisecond }, 10_000, 1 << 62},
		{"any number, far away, as nobody knows", 0, func(int) time.Duration { return 150 * time.Millisecond }, 10_000, 1 << 62},
		{"any number, at once", 0, func(int) time.Duration { return 0 }, 10_000, 1 << 62},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gauge{limit: firstOwed, way: int64(test.way)}
			if got := g.drive(20, test.takes); got < test.least || got > test.most {
				t.Errorf("it may owe %d, want %d to %d", got, test.least, test.most)
			}
		})
	}
}

// The limits of all connections together divide a server, however many there are.
func TestGaugesShareAServer(t *testing.T) {
	for _, connections := range []int{2, 8, 32} {
		gauges := make([]gauge, connections)
		for i := range gauges {
			gauges[i].limit = max(1, firstOwed/connections)
		}
		now := int64(time.Hour)
		total := 0
		for range 30 {
			total = 0
			for i := range gauges {
				total += gauges[i].limit
			}
			for i := range gauges {
				gauges[i].wrote(gauges[i].limit, total-gauges[i].limit, 0, now)
			}
			now += int64(total) * int64(time.Millisecond)
			for i := range gauges {
				gauges[i].answered(gauges[i].limit, now, gaugeTimeout/gaugePart, firstOwed)
			}
		}
		if total < 50 || total > 150 {
			t.Errorf("over %d connections a server of 1,000 a second may owe %d, want about 100", connections, total)
		}
	}
}

// A connection that takes turns does so until each may owe a request, and no longer with a server that has become fast: while it
// waits for others to be owed nothing, they keep the server busy.
func TestGaugeTakesTurnsAsLongAsItMust(t *testing.T) {
	for _, test := range []struct {
		takes  time.Duration // of one request
		others int           // that the server owes
		turns  int           // that it takes at least
		most   int
	}{
		{100 * time.Millisecond, 0, 100, 100},
		{49 * time.Millisecond, 0, 100, 100},
		{30 * time.Millisecond, 1, 3, 3},
		{time.Millisecond, 0, 1, 1},
	} {
		g := gauge{limit: 1, peers: 4, shared: 1, proven: int64(time.Hour)}
		now := g.proven
		turns := 0
		for ; g.shared > 0 && turns < 100; turns++ {
			g.wrote(1, test.others, 0, now)
			now += int64(test.takes)
			g.answered(1, now, gaugeTimeout/gaugePart, firstOwed)
		}
		if turns < test.turns || turns > test.most {
			t.Errorf("where a request takes %v, and %d others are owed, it takes %d turns, want %d to %d",
				test.takes, test.others, turns, test.turns, test.most)
		}
	}
}

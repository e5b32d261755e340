// Slow start: a server that has come back gets its keys one after the other, since it knows none of them any more.

package shard

import (
	"math"
	"slices"
)

// slowStartSteps is in how many steps a server gets its keys. Between two of them no key moves, so that what goes by where keys live need
// not look at a clock.
const slowStartSteps = 32

// SlowStart says where keys live while servers of a pool start slowly. Each key has a moment of its own, the same for every server and in every
// process, at which a server that starts is live for it: before, the key lives where it would without that server, and then where it
// would with it. So a key moves once for each server that comes back, at most.
//
//	servers that have started:   a b       c since 5 s      d since 1 s
//	maps:                       [a b]     [a b c]          [a b c d]
//	keys, by their moment:      later     before 5 s       before 1 s
//
// A SlowStart is for one set of live servers and belongs to one goroutine, as a Map does.
type SlowStart struct {
	over   int64    // ms that a start takes
	since  []int64  // ascending: when the servers of one map, and of none before it, came back
	shares []uint64 // parallel: of 2³² keys, those that have these servers now; descending
	maps   []*Map   // one more: maps[0] without any of them, maps[i] with those that came back by since[i-1]
}

// Starts returns of each server since when it starts; 0: it does not, as it is not live, or has all its keys. live and since say which servers are live, and
// since when they are back, 0: since ever; over, ≥ 1, is how long a start takes. All are in ms of one clock, which is not read at the same time by
// everybody, so a moment may be ahead. Where all servers would start, those have started that came back first, as nobody else has
// their keys.
func Starts(live []bool, since []int64, over, now int64) []int64 {
	starts := make([]int64, len(live))
	settled, first := false, int64(math.MaxInt64)
	for i, at := range since {
		switch {
		case !live[i]:
		case at > 0 && at > now-over && at < now+over:
			starts[i], first = at, min(first, at)
		default:
			settled = true
		}
	}
	for i, at := range starts {
		if at == first && !settled {
			starts[i] = 0
		}
	}
	return starts
}

// SlowStart returns where keys of the map's servers live from now on; for its arguments see Starts. nil: no server starts, and keys live where m says
// once it knows who is live.
func (m *Map) SlowStart(live []bool, since []int64, over, now int64) *SlowStart {
	starts := Starts(live, since, over, now)
	moments := slices.Compact(slices.Sorted(slices.Values(append(starts, 0))))
	if len(moments) == 1 {
		return nil
	}
	s := &SlowStart{over: over, since: moments[1:], shares: make([]uint64, len(moments)-1)}
	with := make([]bool, len(live))
	for _, until := range moments {
		for i := range with {
			with[i] = live[i] && starts[i] <= until
		}
		s.maps = append(s.maps, m.among(with))
	}
	s.Step(now)
	return s
}

// among returns a map of the same servers of which others are live.
func (m *Map) among(live []bool) *Map {
	other := &Map{distribution: m.distribution, hash: m.hash, tag: m.tag, servers: m.servers, random: m.random}
	other.SetLive(live)
	return other
}

// Step has time go on: keys may move, to servers that start. done: a server has started, and a new SlowStart is due.
func (s *SlowStart) Step(now int64) (done bool) {
	for i, at := range s.since {
		step := slowStartStep(now-at, s.over)
		s.shares[i] = slowStartShare(step)
		done = done || step == slowStartSteps
	}
	return done
}

// Shares tells two moments apart between which keys have moved: what part of their keys servers have, of 2³². The caller must not change it.
func (s *SlowStart) Shares() []uint64 { return s.shares }

// slowStartStep returns in which step a server is that came back so long ago; slowStartSteps: it has started.
func slowStartStep(ago, over int64) int64 {
	return min(max(ago, 0)*slowStartSteps/over, slowStartSteps)
}

// slowStartShare returns what part of its keys a server has in a step, of 2³².
func slowStartShare(step int64) uint64 { return uint64(step+1) << 32 / (slowStartSteps + 1) }

// StartedShare returns what part of its keys a server has, up to 1, that has come back so many ms ago, if a start takes over ms.
func StartedShare(ago, over int64) float64 {
	return float64(slowStartShare(slowStartStep(ago, over))) / (1 << 32)
}

// Next returns when the next step is due, after now.
func (s *SlowStart) Next(now int64) int64 {
	next := int64(math.MaxInt64)
	for _, at := range s.since {
		step := slowStartStep(now-at, s.over) + 1
		next = min(next, max(at+(step*s.over+slowStartSteps-1)/slowStartSteps, now+1))
	}
	return next
}

// Server returns the index of the server that owns key.
func (s *SlowStart) Server(key []byte) int {
	moment := momentOf(s.maps[0].tag.Part(key))
	started := 0
	for started < len(s.shares) && moment < s.shares[started] {
		started++
	}
	return s.maps[started].Server(key)
}

// momentOf returns when the key to which a part belongs moves to a server that starts, from 0, at once, to 2³²-1, at last. It has nothing to
// do with the hash by which the key is placed, which for the keys of one server is anything but even: it is FNV-1a, of which
// MurmurHash3's finalizer makes a number that depends in all its bits on all of them.
func momentOf(part []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range part {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return (h ^ h>>33) >> 32
}

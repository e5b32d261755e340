// Chance: whatever happens in whatever order, nobody is served twice, and nobody is lost but with the worker that died.

package handoff

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestChance(t *testing.T) {
	rounds := 5000
	if testing.Short() {
		rounds = 1000
	}
	died, moved := 0, 0
	for seed := range rounds {
		var history strings.Builder
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		w := newWorld(t, func(format string, args ...any) { fmt.Fprintf(&history, format+"\n", args...) })
		if fault := w.storm(random); fault != "" {
			t.Fatalf("seed %d: %s\n%s", seed, fault, history.String())
		}
		if w.a.dead || w.b.dead {
			died++
		}
		if len(w.b.serves) > 0 {
			moved++
		}
	}
	if died < rounds/10 || died > rounds*9/10 || moved < rounds/3 {
		t.Errorf("of %d rounds somebody died in %d and something moved in %d: this tries too little", rounds, died, moved)
	}
}

// storm lets anything happen and returns what is wrong about it.
func (w *world) storm(random *rand.Rand) string {
	const clients = 30
	for i := range clients {
		w.a.serves = append(w.a.serves, fmt.Sprint(i))
	}
	w.a.link.Start(w.now)
	w.b.link.Start(w.now)
	for range 5 + random.IntN(60) {
		w.chance(random)
		if fault := w.servedWrong(); fault != "" {
			return fault
		}
	}
	for _, s := range []*side{w.a, w.b} {
		if !s.dead {
			s.unblock()
		}
	}
	w.settle()
	w.wait(Patience)
	w.settle()
	if fault := w.servedWrong(); fault != "" {
		return fault
	}
	for i := range clients {
		if fault := w.servedOnce(fmt.Sprint(i)); fault != "" {
			return fault
		}
	}
	return ""
}

// chance is one thing that happens.
func (w *world) chance(random *rand.Rand) {
	s := []*side{w.a, w.b}[random.IntN(2)]
	if s.dead {
		w.deliver(s)
		return
	}
	switch n := random.IntN(200); {
	case n < 100:
		w.deliver(s)
	case n < 150:
		if s.link.Credits() > 0 && len(s.serves) > 0 {
			s.offer(1 + random.IntN(min(len(s.serves), 5)))
		}
	case n < 160:
		s.verdicts = nil
		for range 1 + random.IntN(4) {
			v := Accept
			if random.IntN(4) == 0 {
				v = []Verdict{Configuration, Unreadable, NoResources, NoResources, Refused}[random.IntN(5)]
			}
			s.verdicts = append(s.verdicts, v)
		}
	case n < 170:
		s.blocked = true
	case n < 188:
		s.unblock()
	case n < 192:
		s.link.Abort("roll-back")
	case n < 193:
		s.link.Refuse()
	case n < 194:
		s.link.Retire("enough")
		s.shutIfDone()
	case n < 197:
		w.wait(time.Duration(random.Int64N(int64(Patience))))
	default:
		if !w.a.dead && !w.b.dead {
			s.die()
		}
	}
}

// servedWrong tells what is wrong with how clients are served now.
func (w *world) servedWrong() string {
	if fault := w.servedTwice(); fault != "" {
		return fault
	}
	return w.sealedTwice()
}

// sealedTwice has each side encrypt a record for each client that it serves, and names a client for which the same number is used with
// the same key again: by a side that goes on with a state that the other one has sealed with since, and be that one dead by now.
func (w *world) sealedTwice() string {
	for _, s := range []*side{w.a, w.b} {
		if s.dead {
			continue
		}
		for _, c := range s.serves {
			if s.sealed[c] < w.used[c] {
				return fmt.Sprintf("%s encrypts record %d of client %s once more", s.name, s.sealed[c], c)
			}
			s.sealed[c]++
			w.used[c] = s.sealed[c]
		}
	}
	return ""
}

// servedTwice names a client that two workers serve.
func (w *world) servedTwice() string {
	if w.a.dead || w.b.dead {
		return ""
	}
	for _, c := range w.a.serves {
		if slices.Contains(w.b.serves, c) {
			return fmt.Sprintf("client %s is served by both", c)
		}
	}
	return ""
}

// servedOnce tells what is wrong with where a client ended up, once everything has settled.
func (w *world) servedOnce(client string) string {
	count := 0
	for _, s := range []*side{w.a, w.b} {
		for _, c := range s.serves {
			if c == client && !s.dead {
				count++
			}
		}
	}
	switch {
	case count == 1:
		if !w.a.dead && !w.b.dead && (w.a.lost[client] || w.b.lost[client]) {
			return fmt.Sprintf("client %s is said to be lost, although nobody died", client)
		}
		return ""
	case count > 1:
		return fmt.Sprintf("client %s is served %d times", client, count)
	case !w.a.dead && !w.b.dead:
		return fmt.Sprintf("client %s is served by nobody, although nobody died", client)
	}
	dead, alive := w.a, w.b
	if w.b.dead {
		dead, alive = w.b, w.a
	}
	if slices.Contains(dead.serves, client) || alive.lost[client] {
		return "" // it was the dead one's
	}
	for _, batch := range dead.ready {
		if slices.Contains(batch, client) && alive.passed[client] {
			return "" // it died between its retirement and the end
		}
	}
	for _, batch := range dead.gives {
		if slices.Contains(batch, client) && !alive.promised[client] {
			return ""
		}
	}
	return fmt.Sprintf("client %s is served by nobody, and was not the dead one's", client)
}

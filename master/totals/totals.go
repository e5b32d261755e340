// The totals: what all generations have counted, those that are gone included.

package totals

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// Totals is what is known beside the counters of the generations that are there. It has one caller at a time.
type Totals struct {
	Past *Sums // what generations have counted that are gone; nil: nothing

	// Balance is how many more clients generations that are gone have given than taken. As long as nobody is on the way,
	// those that are there have taken as many more than they have given. This and what follows is by address; all that
	// listen on one port are one address as long as one of them covers the others, since clients move between those.
	Balance map[string]int64
	wide    map[string]bool      // ports of which that is so, or was so while there were several generations
	away    map[string]awayCount // clients on their way

	slow      []SlowRequest         // of generations that are gone; never changed, but replaced
	slowSince map[string]time.Time  // by pool: earlier slow requests are forgotten; likewise
	keys      map[sketchOf]keptKeys // of generations that are gone; likewise

	Next time.Time // when to count the clients again; zero: when something happens
}

// Generations are those whose counters can be read: they have or may have workers, this master's and another one's.
type Generations struct {
	All       []*Counters // the oldest first
	Accepting []*Counters // of them, those that serve or are to follow: they are told what the others count
	Moving    bool        // clients move between them
}

// Others returns what all but some generations have counted, those that are gone included. Gauges are among it while their
// workers live.
func (t *Totals) Others(g Generations, gauges bool, except ...*Counters) *Sums {
	sum := t.Past
	for _, other := range g.All {
		if !slices.Contains(except, other) {
			sum = sum.Add(other.Sum(gauges))
		}
	}
	return sum
}

// Restate adds the totals of all other generations to those of each generation that accepts.
func (t *Totals) Restate(g Generations, now time.Time) {
	for _, c := range g.Accepting {
		c.Inherit(t.Others(g, true, c))
	}
	t.Recount(g, now)
}

// Forget keeps what a generation has counted that ends.
func (t *Totals) Forget(c *Counters) {
	t.Past = t.Past.Add(c.Sum(false))
	t.keepSlow(c)
	t.keepKeys(c, sock.Monotonic())
	t.forgetClients(c)
}

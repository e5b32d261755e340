// How much a server may be given: what it answers within a part of the timeout, found out by giving it more or less.

package worker

import "time"

const (
	// firstOwed is how many requests a server of which nothing is known may owe all workers, over all connections.
	firstOwed = 16
	// gaugePart of the timeout is what a server may take for all that it owes.
	gaugePart = 4
	// forgetAfter is for how long a limit is trusted that nobody needs.
	forgetAfter = int64(time.Second)
)

// gauge tells how many requests may be on their way over a connection. It watches a batch at a time: how many are owed
// when it is written, and how long it takes until those are answered, beyond the way there and back. Where that is less
// than the server may take, twice as many may be owed; where it is more, so many as fit. Loop only.
type gauge struct {
	limit  int   // that the server may owe; ≥ 1
	way    int64 // ns: there and back, when nothing else is owed
	since  int64 // ns: when the batch was written; 0 = none is watched
	owed   int   // by the server then
	due    int   // of those, not answered
	cost   int64 // ns: of a request, by the last batch
	before int64 // and by the one before that
	proven int64 // ns: when the limit was last needed
}

// wrote is told how much the server owes after it was given something.
func (g *gauge) wrote(owed int, now int64) {
	if g.since == 0 && owed > 0 {
		g.since, g.owed, g.due = now, owed, owed
	}
}

// answered is told of so many replies. most is how long the server may take, in ns, and least the limit below which
// nothing is forgotten.
func (g *gauge) answered(replies int, now, most int64, least int) {
	g.due -= replies
	took := now - g.since
	if g.since == 0 || replies == 0 || g.due > 0 && took-g.way <= most {
		return
	}
	g.since = 0
	if g.due <= 0 {
		g.way = min(g.way, took)
	}
	queued := max(took-g.way, 1)
	done := g.owed - max(g.due, 0)
	g.before, g.cost = g.cost, queued/int64(done)
	fit := min(2*done, int(float64(done)*float64(most)/float64(queued)))
	switch {
	case queued > most:
		g.limit = max(fit, g.limit/2, 1)
	case fit > g.limit/2:
		g.limit = max(g.limit, fit)
		g.proven = now
	case now-g.proven > forgetAfter:
		g.limit = max(g.limit/2, min(g.limit, least))
		g.proven = now
	}
}

// time returns how long the server takes for as much as it may owe, in ns. That a batch took long is no rule yet.
func (g *gauge) time() int64 { return g.way + min(g.cost, g.before)*int64(g.limit) }

// reset is told that the connection has ended. Of the next one as much is known as of the first, but that a server was
// slow is not forgotten.
func (g *gauge) reset(least int) { *g = gauge{limit: min(g.limit, least)} }

// How much a server may be given. It may owe as many requests as it answers within a quarter of the timeout, beyond the way
// there and back, which is found out by giving it more or less. The way is what remains when it owes less and takes as long
// all the same: that is not our queue. Where one request is too much for each connection, they take turns: endpoint_share.go.

package core

import "time"

const (
	// firstOwed is how many requests a server of which nothing is known may owe all workers, over all connections.
	firstOwed = 16
	// gaugePart of the timeout is what a server may take for all that it owes, and twice that the way at most: what other
	// proxies have queued there looks like it.
	gaugePart = 4
	// forgetAfter is for how long a limit is trusted that nobody needs, or that is too small.
	forgetAfter = int64(time.Second)
	// mostTrials is how often that doubles, each time that more was tried in vain.
	mostTrials = 5
	// unknownOwed stands for what others are owed where nobody has looked.
	unknownOwed = -1
)

// gauge tells how many requests may be on their way over a connection. It watches a batch at a time: how many are owed
// when it is written, and how long it takes until those are answered. Loop only.
type gauge struct {
	limit  int      // that the server may owe; ≥ 1
	peers  int      // connections that the server has, also of other workers
	way    int64    // ns: there and back, when nothing else is owed
	since  int64    // ns: when the batch was written; 0 = none is watched
	owed   int      // by the server then
	due    int      // of those, not answered
	others int      // that the server owed over other connections then, or unknownOwed
	fair   int      // half of that for each of them: what may be owed in any case
	cut    bool     // the limit is smaller for this batch already
	last   [3]int64 // ns: what the last batches took
	pace   int64    // ns: from reply to reply, in the last one
	slow   int64    // ns: what the batch took that made the limit smaller; 0 = none did
	full   int      // that the server owed everyone then
	shared int      // that it may owe everyone, where one over each connection is too much; 0 = it is not
	proven int64    // ns: when the limit was last needed
	trials int      // how often in a row more than the limit was tried in vain; ≤ mostTrials
}

// wrote is told how much the server owes after it was given something, and how much it owes others.
func (g *gauge) wrote(owed, others, fair int, now int64) {
	if g.since == 0 && owed > 0 {
		g.since, g.owed, g.due, g.others, g.fair, g.cut = now, owed, owed, others, fair, false
		g.limit = max(g.limit, fair)
	}
}

// answered is told of so many replies. most is how long the server may take, in ns, and least the limit below which
// nothing is forgotten.
func (g *gauge) answered(replies int, now, most int64, least int) {
	if replies == 0 || g.since == 0 {
		return
	}
	g.due -= replies
	took := max(now-g.since, 1)
	fresh := now-g.proven > forgetAfter<<g.trials
	if g.due > 0 {
		if took-g.way > most && (!fresh || took >= 3*most) {
			g.shrink(g.owed-g.due, took-g.way, most)
		}
		return
	}
	g.since = 0
	g.pace = took / int64(g.owed)
	g.last = [...]int64{g.last[1], g.last[2], took}
	g.learnWay(took, 2*most)
	queued := max(took-g.way, 1)
	fit := min(2*g.owed, int(float64(g.owed)*float64(most)/float64(queued)))
	switch {
	case queued > most && fresh && took < 2*most+most/4:
		if g.others != unknownOwed { // else nobody has looked: the next one tells more
			g.slow, g.full = took, g.owed+g.others
			g.tryMore(now)
		}
		return
	case queued > most:
		g.shrink(g.owed, queued, most)
		if g.others != unknownOwed && g.slow == 0 {
			g.slow, g.full = took, g.owed+g.others
		}
		return
	case g.shared > 0:
		g.shareMore(most, queued)
		g.proven = now
		return
	case fit > g.limit/2:
		if fit < 2*g.owed { // it is close: a little at a time
			fit = g.limit + (fit-g.limit+3)/4
		}
		g.limit = max(g.limit, fit)
		g.proven = now
	case now-g.proven > forgetAfter:
		g.limit = max(g.limit/2, min(g.limit, least))
		g.proven = now
	}
	g.slow = 0
	if queued <= most/2 {
		g.trials = 0
	}
}

// tryMore raises the limit to see whether more takes longer.
func (g *gauge) tryMore(now int64) {
	if g.shared > 0 {
		g.shared *= 2
	} else {
		g.limit = max(g.limit, 2*g.owed)
	}
	g.proven = now
	g.trials = min(g.trials+1, mostTrials)
}

// shareMore is told how long a request took that had its turn. The connections may owe together what fits, but not much more at once.
// Where each may owe one, or a server is so fast that it need not be asked, they take turns no more.
func (g *gauge) shareMore(most, queued int64) {
	fit := int(float64(g.owed+max(g.others, 0)) * float64(most) / float64(queued))
	if fit > g.shared {
		g.shared = min(fit, 2*g.shared)
	}
	if g.shared > g.peers || fit > 2*g.peers {
		g.shared, g.slow = 0, 0
	}
}

// shrink is told that so many replies took too long.
func (g *gauge) shrink(done int, queued, most int64) {
	if g.cut {
		return
	}
	g.cut = true
	g.way -= g.way / 4 // some of it may be a queue
	part := float64(most) / float64(queued)
	switch {
	case g.fair > 1: // others do not take turns
		g.shared = 0
	case g.limit == 1 && g.others != unknownOwed:
		g.shared = max(1, int(float64(done+g.others)*part))
	}
	g.limit = max(min(int(float64(done)*part), g.limit-g.limit/4), g.limit/2, g.fair, 1)
}

// learnWay compares what a batch took with what one took of which the server owed twice as much, or half. What both took
// is the way.
func (g *gauge) learnWay(took, most int64) {
	g.way = min(g.way, took)
	if g.others == unknownOwed || g.slow == 0 {
		return
	}
	owed := g.owed + g.others
	if 2*owed > g.full && 3*owed < 4*g.full {
		return
	}
	each := float64(g.slow-took) / float64(g.full-owed)
	way := min(took-int64(each*float64(owed)), took, most)
	if way < took/4*3 { // it is our queue
		way = 0
	}
	g.way, g.slow = way, 0
}

// time returns how long the server usually takes for what it owes, in ns. That one batch took long is no rule yet.
func (g *gauge) time() int64 {
	a, b, c := g.last[0], g.last[1], g.last[2]
	return max(min(a, b), min(max(a, b), c))
}

// doubts tells whether the last batch, or one before it, took so long that it matters what the server owes others.
func (g *gauge) doubts(most int64) bool {
	return g.proven == 0 || g.shared > 0 || g.slow > 0 || g.last[2]-g.way > most
}

// late is told that the server is so late that its connection ends before it has answered.
func (g *gauge) late() {
	g.limit, g.shared = max(1, g.limit/2), 1
}

// reset is told that the connection has ended. Of the next one as much is known as of the first, but that a server was
// slow is not forgotten.
func (g *gauge) reset(least int) {
	*g = gauge{limit: min(g.limit, least), peers: g.peers, shared: g.shared, trials: g.trials}
}

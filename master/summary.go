// The summary: one log line per interval for those who watch the log and nothing else.

package master

import (
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// summary is when the next line is due and what the last one was about.
type summary struct {
	next time.Time // zero: never
	at   time.Time // of the totals
	totals
}

// totals are sums over all pools, servers and slots.
type totals struct {
	clients  uint64 // open now
	servers  uint64 // connections open now
	requests uint64
	timeouts uint64
	ejects   uint64
	errors   uint64 // of clients, of servers, and requests that could not be forwarded
}

func (s *summary) due(now time.Time) bool { return !s.next.IsZero() && !now.Before(s.next) }

// scheduleSummary begins the first interval.
func (m *master) scheduleSummary() {
	if m.opts.StatsInterval <= 0 {
		return
	}
	now := m.world.now()
	m.summary = summary{next: now.Add(m.opts.StatsInterval), at: now, totals: m.totals()}
}

// summarize logs what happened since the last line. An interval that was missed is not made up for.
func (m *master) summarize() {
	last := m.summary
	m.scheduleSummary()
	now := m.summary
	rate := float64(now.requests-last.requests) / now.at.Sub(last.at).Seconds()
	m.log.Printf(logfile.Info, "%d client connections, %d server connections, %.1f requests/s, "+
		"%d timeouts, %d errors, %d ejects", now.clients, now.servers, rate,
		now.timeouts-last.timeouts, now.errors-last.errors, now.ejects-last.ejects)
}

func (m *master) totals() (t totals) {
	m.refresh()
	g := m.generation
	for pool := range g.pools {
		t.clients += g.shared.Clients(pool)
		t.ejects += g.shared.SumPool(pool, link.ServerEjects)
		t.errors += g.shared.SumPool(pool, link.ClientErr) + g.shared.SumPool(pool, link.ForwardError)
		for server := range g.pools[pool].Servers {
			t.servers += g.shared.SumServer(pool, server, link.ServerConnections)
			t.requests += g.shared.SumServer(pool, server, link.Requests)
			t.timeouts += g.shared.SumServer(pool, server, link.ServerTimedout)
			t.errors += g.shared.SumServer(pool, server, link.ServerErr)
		}
	}
	return t
}

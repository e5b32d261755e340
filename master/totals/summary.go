// The summary: one log line per interval, for operators who watch only the log.

package totals

import (
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Summary is when the next line is due and what the last one was about.
type Summary struct {
	Next time.Time // zero: never

	at time.Time // of what follows

	// Sums over all pools, servers and slots.
	Clients  uint64 // open now
	Servers  uint64 // connections open now
	Requests uint64
	Timeouts uint64
	Ejects   uint64
	Errors   uint64 // of clients, of servers, and requests that could not be forwarded
}

// NewSummary adds up, and begins an interval.
func NewSummary(c *Counters, now time.Time, interval time.Duration) Summary {
	s := Summary{Next: now.Add(interval), at: now}
	for pool := range c.Pools {
		s.Clients += c.Clients(pool)
		s.Ejects += c.SumPool(pool, link.ServerEjects)
		s.Errors += c.SumPool(pool, link.ClientErr) + c.SumPool(pool, link.ForwardError)
		for server := range c.servers(pool) {
			s.Servers += c.SumServer(pool, server, link.ServerConnections)
			s.Requests += c.SumServer(pool, server, link.Requests)
			s.Timeouts += c.SumServer(pool, server, link.ServerTimedout)
			s.Errors += c.SumServer(pool, server, link.ServerErr)
		}
	}
	return s
}

// Due reports whether the interval is over.
func (s *Summary) Due(now time.Time) bool { return !s.Next.IsZero() && !now.Before(s.Next) }

// Line says what happened since the last one. An interval that was missed is not made up for.
func (s *Summary) Line(last Summary) string {
	rate := float64(s.Requests-last.Requests) / s.at.Sub(last.at).Seconds()
	return fmt.Sprintf("%d client connections, %d server connections, %.1f requests/s, %d timeouts, %d errors, %d ejects",
		s.Clients, s.Servers, rate, s.Timeouts-last.Timeouts, s.Errors-last.Errors, s.Ejects-last.Ejects)
}

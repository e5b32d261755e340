// Times that hurt: too short to be meant, as they would be in seconds, or none.

package config

import (
	"fmt"
	"time"
)

// suspicious are times below which somebody has thought of seconds.
var suspicious = []struct {
	key   string
	pool  func(*Pool) time.Duration
	all   func(*Global) time.Duration
	below time.Duration
}{
	{key: "timeout", pool: func(p *Pool) time.Duration { return p.Timeout }, below: 10 * time.Millisecond},
	{key: "server_retry_timeout", pool: func(p *Pool) time.Duration { return p.ServerRetryTimeout }, below: 100 * time.Millisecond},
	{key: "failover_wait", pool: func(p *Pool) time.Duration { return p.FailoverWait }, below: 100 * time.Millisecond},
	{key: "shutdown_timeout", all: func(g *Global) time.Duration { return g.ShutdownTimeout }, below: 100 * time.Millisecond},
	{key: "handoff_patience", all: func(g *Global) time.Duration { return g.HandoffPatience }, below: 10 * time.Millisecond},
	{key: "drain_delay", all: func(g *Global) time.Duration { return g.DrainDelay }, below: 100 * time.Millisecond},
}

// seconds finds times that a file gives, and that are in milliseconds as all are.
func (w *warner) seconds(pool string, given map[string]place, value func(i int) time.Duration) {
	for i, s := range suspicious {
		at, is := given[s.key]
		d := value(i)
		if !is || d <= 0 || d >= s.below {
			continue
		}
		w.add(pool, at, fmt.Sprintf("%s is %d milliseconds", s.key, d.Milliseconds()),
			fmt.Sprintf("write %d if seconds are meant", 1000*d.Milliseconds()))
	}
}

func (w *warner) secondsOfAll(g *Global) {
	w.seconds("", g.given, func(i int) time.Duration {
		if suspicious[i].all == nil {
			return 0
		}
		return suspicious[i].all(g)
	})
}

func (w *warner) secondsOf(p *Pool) {
	w.seconds(p.Name, p.given, func(i int) time.Duration {
		if suspicious[i].pool == nil {
			return 0
		}
		return suspicious[i].pool(p)
	})
}

func (w *warner) times(p *Pool, g *Global) {
	w.secondsOf(p)
	if p.ClientIdleTimeout > 0 && p.ClientIdleTimeout < time.Second {
		w.warn(p, p.where("client_idle_timeout"),
			fmt.Sprintf("clients are closed after %v without a request", p.ClientIdleTimeout),
			"client_idle_timeout is in ms, unlike the timeout of redis.conf, which is in seconds")
	}
	if p.Timeout > 0 && p.Timeout <= g.Coalesce {
		w.warn(p, g.given["coalesce_us"],
			fmt.Sprintf("requests may be held for %v, and their timeout is %v", g.Coalesce, p.Timeout),
			"lower coalesce_us, or raise timeout")
	}
}

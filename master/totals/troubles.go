// What was wrong with servers: the next generation tells since when, though its workers have found nothing out yet.

package totals

import (
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// WallTime returns the time of day, in whole milliseconds, of a time in ns of CLOCK_MONOTONIC.
func WallTime(at int64) time.Time {
	return time.Now().Add(time.Duration(at - sock.Monotonic())).Truncate(time.Millisecond)
}

// InheritTroubles takes over what the workers of these generations, the oldest first, have found wrong with servers that this
// one has, too.
func (c *Counters) InheritTroubles(generations []*Counters) {
	for _, old := range generations {
		for i := range c.Pools {
			for k := range c.Pools[i].Servers {
				pool, server, ok := old.find(c.Pools[i].Name, &c.Pools[i].Servers[k])
				if !ok || old == c {
					continue
				}
				if heard, _ := old.LastHeard(pool, server); heard != 0 {
					c.InheritHeard(i, k)
				}
				if ends, seen := old.CertificateEnds(pool, server); seen != 0 && c.Pools[i].ServerTLS != nil {
					c.InheritCertificate(i, k, ends, seen)
				}
				if f := old.TroubleOf(pool, server); f.Why != link.TroubleUnknown {
					c.InheritTrouble(i, k, f)
				}
			}
		}
	}
}

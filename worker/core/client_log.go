// Log lines about clients that are evicted: the first one at once, and later how many more there were.

package core

import (
	"fmt"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

// scarcity is how scarce memory is when a client is closed for it.
type scarcity int

const (
	atHalf scarcity = iota
	atThreeQuarters
	atLimit
	scarcities // how many there are
)

func (s scarcity) String() string {
	return [...]string{
		"half of memory_limit is held",
		"three quarters of memory_limit are held, and not to read has not helped",
		"memory_limit is reached",
	}[s]
}

// closings is which evictions were logged. Loop only.
type closings struct {
	reason   scarcity        // of those to come
	since    int64           // of the last line
	logged   bool            // there was one, and the period has not ended
	unlogged [scarcities]int // closed since the last line
}

// complain logs or counts an eviction.
func (c *client) complain(format string, args ...any) {
	l := c.pool.l
	s := &l.relief.closed
	if s.logged {
		s.unlogged[s.reason]++
		return
	}
	s.since, s.logged = l.now, true
	l.log(logevent.ClientEvicted, c.pool.name, c.id, c.peer(), fmt.Sprintf(format, args...), s.reason)
}

// sumUpClosings logs, at the end of a turn, how many clients were evicted beside the one that was named.
func (l *loop) sumUpClosings() {
	s := &l.relief.closed
	if end := s.since + int64(logPause); l.now < end {
		l.wakeAt(end)
		return
	}
	s.since, s.logged = l.now, false
	for reason, n := range s.unlogged {
		if n == 0 {
			continue
		}
		s.logged = true // they go on
		l.log(logevent.ClientsEvicted, count(n, "more client"), logPause, scarcity(reason), n)
	}
	s.unlogged = [scarcities]int{}
}

// The service manager's watchdog: it restarts a master that does not ping it.

package master

import (
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
)

// watchdog says when the service manager's watchdog is pinged.
type watchdog struct {
	every time.Duration // between two pings; 0: there is none
	next  time.Time     // when the next one is due
}

// beginWatchdog learns how often the service manager wants to be pinged.
func (m *master) beginWatchdog() {
	every, err := m.world.services.Watchdog(m.masters.startedByOld)
	if err != nil {
		m.log.Event(logfile.NoWatchdog, err)
	}
	if every > 0 {
		m.service.watchdog = watchdog{every, m.world.now().Add(every)}
	}
}

// pingIfDue pings the watchdog when it is time.
func (w *watchdog) pingIfDue(m *master, now time.Time) {
	if w.next.IsZero() || now.Before(w.next) {
		return
	}
	w.next = now.Add(w.every)
	m.world.services.Ping()
}

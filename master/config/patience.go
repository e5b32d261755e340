// How long an end takes, against the patience of whoever ends Pinion.

package config

import (
	"cmp"
	"fmt"
	"time"
)

const (
	// podPatience is how long Kubernetes waits between SIGTERM and SIGKILL, unless terminationGracePeriodSeconds says otherwise.
	podPatience = 30 * time.Second
	// endSlack is what the workers and the master take beyond shutdown_timeout to end.
	endSlack = 2 * time.Second
)

// patience finds an end that takes longer than Kubernetes waits for it.
func (w *warner) patience(g *Global) {
	takes := g.DrainDelay + g.ShutdownTimeout
	at := cmp.Or(g.given["shutdown_timeout"], g.given["drain_delay"])
	hint := "lower one of them, or raise terminationGracePeriodSeconds"
	switch {
	case g.ShutdownTimeout == 0:
		w.warn(&Pool{}, at, "shutdown_timeout is 0, so an end takes as long as the last client; Kubernetes kills after 30 s", "write shutdown_timeout: 20000")
	case takes+endSlack > podPatience:
		seconds := int64((takes + endSlack + time.Second - 1) / time.Second)
		w.warn(&Pool{}, at, fmt.Sprintf("drain_delay (%v) and shutdown_timeout (%v) are %v together; Kubernetes kills after 30 s", g.DrainDelay, g.ShutdownTimeout, takes),
			fmt.Sprintf("%s (docker stop -t, TimeoutStopSec=) to %d or more", hint, seconds))
	}
}

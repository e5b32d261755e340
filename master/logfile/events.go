// The table of events: what machines find in the log.

package logfile

import (
	"slices"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

// master is the table of the events of the master.
var master logevent.Table

// Events returns all events, those of the master first.
func Events() logevent.Table { return slices.Concat(master, logevent.Worker) }

// LinesLost is how the log tells that it has been too slow, or could not be written.
var LinesLost = master.Add(logevent.Error, "lines_lost", "%d log lines lost: the log took no more", "lines")

// The outcome of a handoff, as text.

package master

import (
	"fmt"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

// outcomeLine describes the outcome of a handoff in a sentence.
func outcomeLine(h *admin.HandoffStatus) string {
	name := fmt.Sprintf("%s to generation %d", h.Kind, h.Generation)
	if h.Build != "" {
		name += " (pinion " + h.Build + ")"
	}
	if h.Outcome == admin.HandoffFailed {
		stays := "everything stays as it was"
		switch {
		case h.Kept > 0:
			stays = fmt.Sprintf("the old generation serves, %s still to come back", clientsAre(h.Kept, "are"))
		case h.Lost > 0:
			stays = "the old generation serves"
		case strings.HasPrefix(h.Reason, errEnding.Error()):
			stays = "the old generation is to end"
		}
		return fmt.Sprintf("%s failed, %s: %s", name, stays, strings.ReplaceAll(h.Reason, "\n", "; "))
	}
	return fmt.Sprintf("%s done in %s: %s moved, %s, %d to be closed; longest pause %s%s", name,
		roundForReading(h.Took), count(h.Moved, "client"), count(h.Stragglers, "straggler"), h.Closed, h.LongestPause.Round(10*time.Microsecond), lossClause(h))
}

// logOutcome logs the outcome of a handoff.
func (m *master) logOutcome(h *admin.HandoffStatus) {
	m.log.EventAt(outcomeLevel(h), logfile.HandoffEnded, m.revivedPrefix(), outcomeLine(h), h.Kind, h.Generation, h.Build, h.Outcome,
		h.Reason+h.LostReason, h.Took, h.Moved, h.Stragglers, h.Closed, h.Lost, h.LongestPause)
}

// outcomeLevel returns the log level for the outcome.
func outcomeLevel(h *admin.HandoffStatus) logevent.Level {
	if h.Outcome == admin.HandoffFailed || h.Lost > 0 {
		return logevent.Error
	}
	return logevent.Notice
}

// lossClause returns a clause about lost clients to append to a sentence; empty if there are none.
func lossClause(h *admin.HandoffStatus) string {
	if h.Lost == 0 {
		return ""
	}
	return fmt.Sprintf("; %s lost: %s", clientsAre(h.Lost, "were"), strings.ReplaceAll(h.LostReason, "\n", " / "))
}

// notifyOutcome tells the service manager that the handoff is over.
func (o *oldSide) notifyOutcome() {
	m, h := o.m, &o.status
	switch {
	case h.Kind == kindUpgrade && h.Outcome == admin.HandoffDone:
		return // the new master speaks for the service
	case o.declared: // the pid file or the service manager may name the new master, although it has failed
		m.writePIDFile(func(err error) {
			if err != nil {
				m.log.Event(logfile.PIDFileFailed, err)
			}
		})
		m.world.services.MainPID(m.world.pid)
	}
	m.world.services.Ready(m.revivedPrefix() + outcomeLine(h))
}

// revivedPrefix returns the beginning of a line about a failed attempt if the generation that serves was left by an earlier
// master: then the configuration file is not what is served.
func (m *master) revivedPrefix() string {
	if m.generations.serving.revived && m.last != nil && m.last.Outcome == admin.HandoffFailed {
		return "the configuration of an earlier master serves on: "
	}
	return ""
}

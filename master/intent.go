// Intents: requests without an answer, which come by a signal, from the other master, or from the keeper.

package master

import (
	"errors"

	"github.com/pinion-proxy/pinion/master/logfile"
)

type intent uint8

const (
	nothing intent = iota // the signal is caught because its default action would end the process
	drain                 // finish requests, then end; asked for twice: stop
	stop                  // end at once
	reopenLog
	reload  // a new generation from the configuration file; the log file is opened anew, too
	upgrade // a new master and a new generation, of the binary that is installed now
	verbosityUp
	verbosityDown
)

// obey carries out an intent. None is lost: one that cannot be carried out now waits, and if another master takes over
// meanwhile, it is passed on.
func (m *master) obey(what intent) {
	switch what {
	case nothing:
		return
	case drain, stop:
		m.end(what)
		return
	case reload:
		m.request(order{kind: kindReload, noReply: true})
	case upgrade:
		m.request(order{kind: kindUpgrade, noReply: true})
	case reopenLog:
		m.reopenLog(nil)
	case verbosityUp:
		m.setVerbosity(m.log.Verbosity + 1)
	case verbosityDown:
		m.setVerbosity(m.log.Verbosity - 1)
	}
	if n := m.newSide; n != nil && n.link != nil {
		n.passAlong(what)
	}
}

// end drains or stops. A drain that comes while clients move waits until they have. Asked for twice, a drain that is
// announced begins, and one that has begun stops.
func (m *master) end(how intent) {
	switch {
	case m.phase == starting && m.newSide != nil:
		m.newSide.interrupted(how)
	case m.phase == serving && m.mayBeReplaced():
		m.endAfter = stronger(m.endAfter, how)
	case how == drain && m.phase == serving && m.endAfter == nothing:
		m.drainAsOrdered()
	case how == drain && m.endAfter == drain && !m.departure.ordered: // pinion drain is due, and waits for a handoff
		m.departure.ordered = true
	case how == drain && m.phase == draining && !m.departure.ordered: // pinion drain has begun it
		m.departure.ordered = true
		m.expectWorkersEnd()
	case m.phase != stopped:
		m.stop()
	}
}

// stronger returns what is to be done when both are asked for. Two drains are a stop.
func stronger(before, now intent) intent {
	if before == nothing {
		return now
	}
	return stop
}

var errEnding = errors.New("pinion is asked to end")

// handleIntent handles an intent that the other master was asked for.
func (m *master) handleIntent(msg message, asNew bool) {
	what := intentNamed(msg.Intent)
	switch {
	case msg.Verbosity != nil && asNew:
		m.setVerbosity(*msg.Verbosity)
	case what == nothing: // it is of a later version
	case what == reopenLog:
		m.reopenLog(nil)
	case asNew && m.phase == starting: // the old master repeats it in its farewell
	case what == drain && m.ordered():
	default:
		m.log.Event(logfile.OrderOfOtherMaster, msg.Intent)
		m.obey(what)
	}
}

// ending reports whether pinion has been asked to end, in whatever way.
func (m *master) ending() bool {
	return m.endAfter != nothing || !m.departure.at.IsZero() || m.phase > serving
}

// intentNames are the names of intents in messages between masters.
var intentNames = map[intent]string{
	drain: "drain", stop: "stop", reopenLog: "reopen log", reload: "reload", upgrade: "upgrade",
	verbosityUp: "verbosity up", verbosityDown: "verbosity down",
}

// intentNamed returns nothing for a name that this version does not know.
func intentNamed(name string) intent {
	for what, known := range intentNames {
		if known == name {
			return what
		}
	}
	return nothing
}

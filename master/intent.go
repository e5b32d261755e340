// Intents: what somebody asks for who waits for no answer, by a signal, through the other master, or through the keeper.

package master

import (
	"errors"

	"github.com/pinion-proxy/pinion/master/logfile"
)

type intent uint8

const (
	nothing intent = iota // caught because the default action would end the process
	drain                 // finish what is owed, then end; the second time: stop
	stop                  // end at once
	reopenLog
	reload  // a new generation by the configuration file; the log file is opened anew, too
	upgrade // the same by the binary that is installed now
	verbosityUp
	verbosityDown
)

// obey does what somebody asks for who waits for no answer. It is never forgotten: where it cannot be done now, it
// waits, and where another master takes over meanwhile, that one does it.
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

// end drains or stops. A drain that comes while clients move waits until they have; asked for twice, it stops.
func (m *master) end(how intent) {
	switch {
	case m.phase == starting && m.newSide != nil:
		m.newSide.interrupted(how)
	case m.phase == serving && m.mayBeReplaced():
		m.endAfter = stronger(m.endAfter, how)
	case how == drain && m.phase == serving && m.endAfter == nothing:
		if m.oldSide != nil {
			m.endAfter = drain
			m.oldSide.fail(errEnding)
			return
		}
		if m.masters.old != nil { // its workers drain, too, once they are this one's
			m.endAfter = drain
			return
		}
		m.drain()
	case m.phase != stopped:
		m.stop()
	}
}

// stronger returns what is to be done when both are asked for. A drain that is asked for twice is a stop.
func stronger(before, now intent) intent {
	if before == nothing {
		return now
	}
	return stop
}

var errEnding = errors.New("pinion is asked to end")

// relayed handles an intent that the other master was asked for.
func (m *master) relayed(msg message, asNew bool) {
	what := intentNamed(msg.Intent)
	switch {
	case msg.Verbosity != nil && asNew:
		m.setVerbosity(*msg.Verbosity)
	case what == nothing: // it is of a later version
	case what == reopenLog:
		m.reopenLog(nil)
	case asNew && m.phase == starting: // the old master repeats it in its farewell
	case what == drain && m.ending():
	default:
		m.log.Printf(logfile.Notice, "the other master was asked to %s", msg.Intent)
		m.obey(what)
	}
}

// ending reports whether pinion has been asked to end.
func (m *master) ending() bool { return m.endAfter != nothing || m.phase > serving }

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

// Signals become intents, so that nothing past this file knows what a signal is.

package master

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/link"
)

type intent uint8

const (
	nothing intent = iota // caught because the default action would end the process
	drain                 // finish what is owed, then end; the second time: stop
	stop                  // end at once
	reopenLog
	reload       // a new generation by the configuration file; the log file is opened anew, too
	upgrade      // the same by the binary that is installed now
	reportStatus // nothing but an answer
	verbosityUp
	verbosityDown
)

// watched are nutcracker's signals (src/nc_signal.c) and SIGTERM, which nutcracker does not catch. As there, SIGHUP
// means the log file, too.
var watched = map[os.Signal]struct {
	name   string
	intent intent
}{
	syscall.SIGTERM: {"SIGTERM", drain},
	syscall.SIGINT:  {"SIGINT", stop},
	syscall.SIGHUP:  {"SIGHUP", reload},
	syscall.SIGTTIN: {"SIGTTIN", verbosityUp},
	syscall.SIGTTOU: {"SIGTTOU", verbosityDown},
	syscall.SIGUSR1: {"SIGUSR1", nothing},
	syscall.SIGUSR2: {"SIGUSR2", upgrade},
	syscall.SIGPIPE: {"SIGPIPE", nothing}, // comes of a log that goes to a closed pipe
}

// watchSignals catches all of them. The channel has room for one of each, which is all that the kernel keeps too.
func watchSignals() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, len(watched))
	for s := range watched {
		signal.Notify(c, s)
	}
	return c, func() { signal.Stop(c) }
}

// signal does what a signal asks for in the present phase.
func (m *master) signal(s os.Signal) {
	name, what := watched[s].name, watched[s].intent
	switch what {
	case drain, stop:
		m.log.printf(levelNotice, "%s received", name)
		m.end(what)
	case reload:
		m.log.printf(levelNotice, "%s received", name)
		m.demand(wish{kind: kindReload})
	case upgrade:
		m.log.printf(levelNotice, "%s received", name)
		m.demand(wish{kind: kindUpgrade})
	case verbosityUp:
		m.setVerbosity(m.log.verbosity + 1)
	case verbosityDown:
		m.setVerbosity(m.log.verbosity - 1)
	case nothing:
		if s != syscall.SIGPIPE { // a line about it would go to the same pipe and raise the next
			m.log.printf(levelNotice, "%s received, nothing to do", name)
		}
	}
	m.settle()
}

// end drains or stops. A drain that comes while clients move waits until they have; asked for twice, it stops.
func (m *master) end(how intent) {
	switch {
	case m.phase == starting && m.target != nil:
		m.target.fail(errInterrupted)
	case how == drain && m.phase == serving && m.after == nothing:
		if m.source != nil {
			m.after = drain
			m.source.fail(errEnding)
			return
		}
		if m.predecessor != nil || m.loading {
			m.after = drain
			return
		}
		m.drain()
	case m.phase != stopped:
		m.stop()
	}
}

var errEnding = errors.New("pinion is asked to end")

// setVerbosity changes what is logged from here on, in all processes.
func (m *master) setVerbosity(verbosity int) {
	verbosity = clampVerbosity(verbosity)
	if verbosity == m.log.verbosity {
		return
	}
	m.log.verbosity = verbosity
	m.log.printf(levelEmergency, "verbosity is %d now", verbosity)
	for _, s := range m.slots() {
		switch s.state {
		case slotStarting, slotPrepared, slotServing, slotGiving, slotDraining:
			m.pass(s, link.Message{Kind: link.Verbosity, Body: []byte{byte(verbosity)}})
		}
	}
}

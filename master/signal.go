// Signals become intents, so that nothing past this file knows what a signal is.

package master

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/sock"
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
	syscall.SIGPIPE: {"SIGPIPE", nothing}, // raised by writing the log to a closed pipe
}

// signalOf returns the signal that means an intent; 0: none does.
func signalOf(what intent) syscall.Signal {
	for s, w := range watched {
		if w.intent == what && what != nothing {
			return s.(syscall.Signal)
		}
	}
	return 0
}

// CatchSignals keeps a master's signals from ending the process. Those that come before Run wait for it. A process that will
// be a master calls it before anything else: it can be signalled as soon as its pid is known.
func CatchSignals() { caught() }

// TakeName sets the name by which ps, top, pgrep and killall know a process that will be a master.
func TakeName() { sock.SetName(sock.ProxyName) }

// caught returns the channel of signals. Each kind of signal has a buffer of one, as in the kernel, so that a hundred
// SIGHUPs cannot crowd out a SIGTERM.
var caught = sync.OnceValue(catch)

func catch() <-chan os.Signal {
	out := make(chan os.Signal)
	for s := range watched {
		place := make(chan os.Signal, 1)
		signal.Notify(place, s)
		go func() {
			for s := range place {
				out <- s
			}
		}()
	}
	return out
}

// signal logs a signal and carries out the intent that it means.
func (m *master) signal(s os.Signal) {
	name, what := watched[s].name, watched[s].intent
	if m.alreadyForwarded(what) {
		m.log.Event(logfile.SignalAgain, name)
		return
	}
	switch what {
	case verbosityUp, verbosityDown:
	case nothing:
		if s != syscall.SIGPIPE { // a line about it would go to the same pipe and raise the next
			m.log.Event(logfile.SignalIdle, name)
		}
	default:
		m.log.Event(logfile.Signal, name)
	}
	m.obey(what)
	m.finishEvent()
}

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
	syscall.SIGPIPE: {"SIGPIPE", nothing}, // comes of a log that goes to a closed pipe
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

// CatchSignals keeps the signals of a master from ending the process. Those that come before Run wait for it. A process
// that is to become a master calls it before anything else: who has its pid may use it.
func CatchSignals() { caught() }

// TakeName has ps, top, pgrep and killall know a process that is to become a master by the name of the program.
func TakeName() { sock.SetName(sock.ProxyName) }

// caught is where signals come out. Each has a place of its own, where it waits if none of its kind does already, which is
// all that the kernel keeps, too: a hundred SIGHUPs are in no SIGTERM's way.
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

// signal does what a signal asks for in the present phase.
func (m *master) signal(s os.Signal) {
	name, what := watched[s].name, watched[s].intent
	if m.sentTwice(what) {
		m.log.Printf(logfile.Info, "%s received, as by the keeper", name)
		return
	}
	switch what {
	case verbosityUp, verbosityDown:
	case nothing:
		if s != syscall.SIGPIPE { // a line about it would go to the same pipe and raise the next
			m.log.Printf(logfile.Notice, "%s received, nothing to do", name)
		}
	default:
		m.log.Printf(logfile.Notice, "%s received", name)
	}
	m.obey(what)
	m.finishEvent()
}

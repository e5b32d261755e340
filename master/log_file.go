// Changes to the log that operators ask for: the file is opened anew, or the verbosity changed.

package master

import (
	"fmt"
	"sync"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// reopenWithin is how long an operator waits for the log file to be opened.
const reopenWithin = 5 * time.Second

// reopenLog goes on in the log file that is at its path now. A new master may have opened the one that was there before.
func (m *master) reopenLog(reply chan<- admin.Outcome) {
	m.openLogAnew(reply)
	if o := m.oldSide; o != nil && o.link != nil {
		o.passAlong(message{Kind: messageIntent, Intent: intentNames[reopenLog]})
	}
}

// openLogAnew goes on in the log file that is at its path now, and reports the result to reply, unless that is nil. If the
// file cannot be opened, lines go on into the one that was open, and one of them says so.
func (m *master) openLogAnew(reply chan<- admin.Outcome) {
	answer := func(admin.Outcome) {}
	if reply != nil {
		var once sync.Once
		late := time.AfterFunc(reopenWithin, func() {
			once.Do(func() {
				reply <- admin.Outcome{Error: fmt.Sprintf("the log file is not open after %s: its disk may hang", reopenWithin)}
			})
		})
		answer = func(o admin.Outcome) {
			late.Stop()
			once.Do(func() { reply <- o })
		}
	}
	m.log.Reopen(func(err error) {
		if err == nil {
			answer(admin.Outcome{})
			return
		}
		err = fmt.Errorf("opening the log file anew: %w; lines go on into the file that was open", err)
		answer(admin.Outcome{Error: err.Error()})
		m.world.aside(func() func() {
			return func() { m.log.Event(logfile.LogReopenFailed, err) }
		})
	})
}

// setVerbosity changes what is logged from here on, in all processes.
func (m *master) setVerbosity(verbosity int) {
	verbosity = logfile.ClampVerbosity(verbosity)
	if verbosity == m.log.Verbosity {
		return
	}
	m.log.Verbosity = verbosity
	m.log.Event(logfile.VerbosityChanged, verbosity)
	for _, s := range m.generations.slots() {
		switch s.state {
		case slotStarting, slotPrepared, slotServing, slotGiving, slotDraining:
			m.pass(s, link.Message{Kind: link.Verbosity, Body: []byte{byte(verbosity)}})
		}
	}
	if o := m.oldSide; o != nil && o.link != nil {
		o.passAlong(message{Kind: messageIntent, Verbosity: &verbosity})
	}
}

// The end on a signal: SIGTERM drains. Other signals that are meant for the service are the master's business, and ignored.

package core

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// terminator wakes the loop on SIGTERM. Loop only.
type terminator struct {
	l     *loop
	wake  int // an event descriptor, which a goroutine writes
	token poll.Token
}

// catchTerm makes SIGTERM drain the worker from here on.
func (l *loop) catchTerm() error {
	wake, err := sock.Eventfd()
	if err != nil {
		return err
	}
	t := &terminator{l: l, wake: wake}
	if t.token, err = l.register(wake, t); err != nil {
		sock.Close(wake)
		return err
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGTERM)
	go func() {
		for range caught {
			l.draining.signalled.Store(true)
			sock.Wake(wake)
		}
	}()
	return nil
}

func (t *terminator) ready(ev poll.Event) {
	if !ev.Readable { // it can always be written
		return
	}
	sock.Calm(t.wake)
	t.l.depart()
}

// departIfSignalled is depart where the event of the signal would come too late: a client that is taken now may be cut when the worker
// ends, and one that is refused stays where it is.
func (l *loop) departIfSignalled() {
	if l.draining.signalled.Load() {
		l.depart()
	}
}

// depart ends the worker because of a signal, and tells the master, which fills the slot again.
func (l *loop) depart() {
	if l.draining.departing || l.draining.on {
		return
	}
	l.draining.departing = true
	l.master.send(link.Leaving, nil)
	l.departIfSteady()
}

// departIfSteady drains a worker that departs, unless clients are moving: then those that can move still do, and it drains
// when that is over. An orphan waits for no one.
func (l *loop) departIfSteady() {
	if l.draining.departing && !l.mover.outgoing.on && (l.succession.orphan || !l.unsettled()) {
		l.drain(l.spec.ShutdownTimeout)
	}
}

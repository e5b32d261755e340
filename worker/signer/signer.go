// The thread, what it is to do, and how the loop hears of what it has done.

package signer

import (
	"fmt"
	"runtime"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	// Room is how many signatures may be asked for at a time: enough for the thread to find the next one when one is made.
	// The others wait with the loop, which forgets those that nobody needs any more.
	Room = 8
	// niceness is how far the thread is behind the loop: it has a tenth of a processor that both want.
	niceness = 10
)

// Thread makes signatures, one after the other, in the order in which they are asked for.
type Thread struct {
	fd    int
	asked chan job
	made  chan job // has room for all that are asked for: the thread never waits for the loop
	owed  int      // asked for and not delivered; 0 ≤ owed ≤ Room
	ended chan struct{}
}

// job is one signature.
type job struct{ sign, tell func() }

// Start starts the thread, which has a descriptor open. Go's runtime gets a processor more: without one the loop, when it returns
// from a system call, could have to wait for the signature that is being made.
func Start() (*Thread, error) {
	fd, err := sock.Eventfd()
	if err != nil {
		return nil, fmt.Errorf("making the event descriptor of signatures: %w", err)
	}
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	t := &Thread{fd: fd, asked: make(chan job, Room), made: make(chan job, Room), ended: make(chan struct{})}
	go t.run()
	return t, nil
}

// run ends with its thread, so that no other goroutine is as unimportant.
func (t *Thread) run() {
	runtime.LockOSThread()
	sock.SetNiceness(niceness) // where a filter forbids that, the kernel divides the processor among both as it likes
	for j := range t.asked {
		j.sign()
		t.made <- j
		sock.Wake(t.fd)
	}
	close(t.ended)
}

// FD returns the descriptor that becomes readable when there is something to Deliver. It belongs to t.
func (t *Thread) FD() int { return t.fd }

// HasRoom tells whether Ask may be called.
func (t *Thread) HasRoom() bool { return t.owed < Room }

// Ask has the thread call sign, which must not panic. tell follows, in some Deliver.
func (t *Thread) Ask(sign, tell func()) {
	t.owed++
	t.asked <- job{sign, tell}
}

// Deliver calls tell for all signatures that have been made.
func (t *Thread) Deliver() {
	sock.Calm(t.fd)
	for {
		select {
		case j := <-t.made:
			t.owed--
			j.tell()
		default:
			return
		}
	}
}

// Stop ends the thread, when it has made the signature that it is about, and closes the descriptor. Nothing is delivered any more.
func (t *Thread) Stop() {
	for len(t.asked) > 0 {
		select {
		case <-t.asked:
		default: // the thread was faster
		}
	}
	close(t.asked)
	<-t.ended
	sock.Close(t.fd)
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - 1)
}
